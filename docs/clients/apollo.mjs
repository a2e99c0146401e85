// Apollo Client for Scrip: the link, and what its cache has to know. It needs @apollo/client 4, graphql 16, graphql-ws 6 and
// rxjs.

import { ApolloLink, HttpLink } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';

import { fetchWith } from './token.mjs';

/** Queries and mutations by HTTP with the `token` of the moment, subscriptions by `streams` (`createStreams` of streams.mjs). */
export const createLink = ({ url, token, streams }) =>
  ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(streams),
    new HttpLink({ uri: url, fetch: fetchWith(token) }),
  );

const PAGE = ['first', 'after', 'last', 'before'];

/**
 * A list, page by page: `fetchMore({ variables: { after: endCursor } })` puts the next page behind what is there, with
 * `before: startCursor` the one before it in front. Ask for `pageInfo { startCursor endCursor hasPreviousPage hasNextPage }`,
 * and for `nodes`, `edges` or both. What asks for neither end begins the list anew.
 */
const list = {
  keyArgs: (args) => Object.keys(args ?? {}).filter((name) => !PAGE.includes(name)).sort(),
  merge(there, come, { args }) {
    const behind = args?.after && args.after === there?.pageInfo?.endCursor;
    const ahead = args?.before && args.before === there?.pageInfo?.startCursor;
    if ((!behind && !ahead) || !come.pageInfo) return come;
    const [first, last] = behind ? [there, come] : [come, there];
    const { startCursor, hasPreviousPage } = first.pageInfo;
    const joined = { ...come, pageInfo: { ...last.pageInfo, startCursor, hasPreviousPage } };
    for (const rows of ['nodes', 'edges']) if (first[rows] && last[rows]) joined[rows] = [...first[rows], ...last[rows]];
    return joined;
  },
};

const lists = (...names) => ({ fields: Object.fromEntries(names.map((name) => [name, list])) });

// What has no id is part of what it stands in: two queries that ask for different fields of it complete each other.
const EMBEDDED = [
  'AutoTopUp', 'ConsumptionBucket', 'ConsumptionRule', 'CreditOptions', 'EntryPreview', 'EventFilter', 'EventPreview', 'Expiration',
  'FlatFeeOptions', 'GrantAllocation', 'GrantTerms', 'HistoricalBalance', 'HistoricalGrant', 'LedgerHealth', 'LedgerProblem',
  'MeterConsumption', 'Money', 'Overdraft', 'Period', 'PropertyFilter', 'Rating', 'RuleOutcome', 'SeatOptions', 'UsageOptions',
];

/** For `new InMemoryCache({ possibleTypes, typePolicies })`, with `possibleTypes` of possible-types.json. */
export const typePolicies = {
  ...Object.fromEntries(EMBEDDED.map((name) => [name, { merge: true }])),
  CreditBalance: lists('entries', 'grants', 'holds'),
  Customer: lists('events', 'purchases', 'subscriptions'),
  Plan: lists('versions'),
  PlanSubscription: lists('charges'),
  Query: lists(
    'apiKeys', 'charges', 'creditBalances', 'customers', 'meters', 'planSubscriptions', 'plans', 'products', 'purchases',
  ),
};
