import { graphql } from 'relay-runtime';

// What a page of customers asks for: connections, fragments, node ids, a stream.

graphql`
  fragment Shop_balance on CreditBalance {
    id
    available
    state
    entries(first: 5, after: $after) @connection(key: "Shop_entries") {
      edges {
        cursor
        node {
          id
          credits
          ...Shop_entry
        }
      }
      pageInfo {
        endCursor
        hasNextPage
      }
    }
  }
`;

graphql`
  fragment Shop_entry on LedgerEntry {
    kind
    occurredAt
    rating {
      quantity
      creditsPerUnit
    }
  }
`;

export const customers = graphql`
  query ShopQuery($first: Int!, $after: String) {
    customers(first: $first) @connection(key: "Shop_customers") {
      edges {
        node {
          id
          name
          creditBalances {
            ...Shop_balance
          }
        }
      }
    }
  }
`;

export const again = graphql`
  query ShopAgainQuery($id: ID!, $after: String) {
    node(id: $id) {
      id
      ...Shop_balance @alias(as: "balance")
    }
  }
`;

export const watch = graphql`
  subscription ShopSubscription($id: ID!) {
    balanceChanges(balanceId: $id) {
      cursor
      balance {
        id
        available
      }
    }
  }
`;
