//! Lists: pages that stay put while rows come in, filters, and things by their ids.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;

const ENTRIES: &str =
    "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { creditBalance(id: $id) {
    entries(first: $first, after: $after, last: $last, before: $before) {
        nodes { sequence } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";

const CUSTOMERS: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    customers(first: $first, after: $after, last: $last, before: $before) {
        nodes { externalId } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

fn end(answer: &Value, list: &str) -> Value {
    answer.pointer(&format!("/data/{list}/pageInfo/endCursor")).expect("there is a page").clone()
}

fn start(answer: &Value, list: &str) -> Value {
    answer.pointer(&format!("/data/{list}/pageInfo/startCursor")).expect("there is a page").clone()
}

both!(pages_of_entries_stay_put_while_entries_come_in, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    for event in ["e1", "e2", "e3"] {
        api.burn(event, "1").await;
    }
    let newest = api.ask(ENTRIES, json!({"id": balance, "first": 2})).await;
    api.burn("e4", "1").await;
    let list = "creditBalance/entries";
    let older = api.ask(ENTRIES, json!({"id": balance, "first": 2, "after": end(&newest, list)})).await;
    let back = api.ask(ENTRIES, json!({"id": balance, "last": 2, "before": start(&older, list)})).await;
    let oldest = api.ask(ENTRIES, json!({"id": balance, "last": 1})).await;
    let came_in = api.ask(ENTRIES, json!({"id": balance, "before": start(&newest, list)})).await;
    answer!(json!([newest, older, back, oldest, came_in]), @r#"
    [
      {data: {creditBalance: {entries: {
        nodes: [{sequence: "4"}, {sequence: "3"}]
        pageInfo: {
          endCursor: "entries bal_06dndml801o07ai17capb161480g 3", hasNextPage: true, hasPreviousPage: false
          startCursor: "entries bal_06dndml801o07ai17capb161480g 4"
        }
      }}}}
      {data: {creditBalance: {entries: {
        nodes: [{sequence: "2"}, {sequence: "1"}]
        pageInfo: {
          endCursor: "entries bal_06dndml801o07ai17capb161480g 1", hasNextPage: false, hasPreviousPage: true
          startCursor: "entries bal_06dndml801o07ai17capb161480g 2"
        }
      }}}}
      {data: {creditBalance: {entries: {
        nodes: [{sequence: "4"}, {sequence: "3"}]
        pageInfo: {
          endCursor: "entries bal_06dndml801o07ai17capb161480g 3", hasNextPage: true, hasPreviousPage: true
          startCursor: "entries bal_06dndml801o07ai17capb161480g 4"
        }
      }}}}
      {data: {creditBalance: {entries: {
        nodes: [{sequence: "1"}]
        pageInfo: {
          endCursor: "entries bal_06dndml801o07ai17capb161480g 1", hasNextPage: false, hasPreviousPage: true
          startCursor: "entries bal_06dndml801o07ai17capb161480g 1"
        }
      }}}}
      {data: {creditBalance: {entries: {
        nodes: [{sequence: "5"}]
        pageInfo: {
          endCursor: "entries bal_06dndml801o07ai17capb161480g 5", hasNextPage: true, hasPreviousPage: false
          startCursor: "entries bal_06dndml801o07ai17capb161480g 5"
        }
      }}}}
    ]
    "#);
});

both!(pages_of_customers_stay_put_while_customers_come_in, async |db| {
    let api = Api::on(db).await;
    for (minute, customer) in ["a", "b", "c", "d"].into_iter().enumerate() {
        api.at(&format!("2026-01-01T00:0{minute}:00Z"));
        api.customer(customer).await;
    }
    let newest = api.ask(CUSTOMERS, json!({"first": 2})).await;
    api.at("2026-01-01T00:05:00Z");
    api.customer("e").await;
    let older = api.ask(CUSTOMERS, json!({"first": 3, "after": end(&newest, "customers")})).await;
    let back = api.ask(CUSTOMERS, json!({"last": 1, "before": start(&older, "customers")})).await;
    answer!(json!([newest, older, back]), @r#"
    [
      {data: {customers: {
        nodes: [{externalId: "d"}, {externalId: "c"}]
        pageInfo: {
          endCursor: "customers  cus_06dndn3so1o0191n2sqv6b2keg", hasNextPage: true, hasPreviousPage: false
          startCursor: "customers  cus_06dndnb741o01ai17capb16148"
        }
      }}}
      {data: {customers: {
        nodes: [{externalId: "b"}, {externalId: "a"}]
        pageInfo: {
          endCursor: "customers  cus_06dndml801o01c6jcgd6huaad4", hasNextPage: false, hasPreviousPage: true
          startCursor: "customers  cus_06dndmsic1o01d5grb4kgciqo4"
        }
      }}}
      {data: {customers: {
        nodes: [{externalId: "c"}]
        pageInfo: {
          endCursor: "customers  cus_06dndn3so1o0191n2sqv6b2keg", hasNextPage: true, hasPreviousPage: true
          startCursor: "customers  cus_06dndn3so1o0191n2sqv6b2keg"
        }
      }}}
    ]
    "#);
});

/// A list by its field and what tells its rows apart: each row is added a minute after the one before, and a page is
/// asked for before and after one more comes in. Answers the pages.
async fn pages_around_an_insert(api: &Api, (field, key): (&str, &str), mut add: impl AsyncFnMut(usize)) -> Value {
    let query = format!(
        "query($first: Int, $after: String, $last: Int, $before: String) {{
            {field}(first: $first, after: $after, last: $last, before: $before) {{
                nodes {{ {key} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    );
    for row in 0..4 {
        api.at(&format!("2026-01-01T00:0{row}:00Z"));
        add(row).await;
    }
    let first = api.ask(&query, json!({"first": 2})).await;
    api.at("2026-01-01T00:05:00Z");
    add(4).await;
    let next = api.ask(&query, json!({"first": 3, "after": end(&first, field)})).await;
    let back = api.ask(&query, json!({"last": 3, "before": start(&next, field)})).await;
    let shown = |answer: Value| {
        let list = &answer["data"][field];
        json!([list["nodes"], list["pageInfo"]["hasPreviousPage"], list["pageInfo"]["hasNextPage"]])
    };
    json!([shown(first), shown(next), shown(back)])
}

both!(pages_of_products_stay_put_while_products_come_in, async |db| {
    let api = Api::on(db).await;
    // By key: the one that comes in stands on the first page.
    let keys = ["b", "c", "d", "e", "a"];
    let add = async |row: usize| drop(api.product(keys[row], &[], json!({})).await);
    let pages = pages_around_an_insert(&api, ("products", "key"), add).await;
    answer!(pages, @r#"
    [
      [[{key: "b"}, {key: "c"}], false, true], [[{key: "d"}, {key: "e"}], true, false]
      [[{key: "a"}, {key: "b"}, {key: "c"}], false, true]
    ]
    "#);
});

both!(pages_of_balances_stay_put_while_balances_come_in, async |db| {
    let api = Api::on(db).await;
    let product = api.product("credits", &[], json!({})).await;
    let add = async |row: usize| {
        let name = format!("c{row}");
        api.customer(&name).await;
        api.balance(&name, &product, &row.to_string(), json!({})).await;
    };
    let pages = pages_around_an_insert(&api, ("creditBalances", "available"), add).await;
    answer!(pages, @r#"
    [
      [[{available: "3"}, {available: "2"}], false, true], [[{available: "1"}, {available: "0"}], true, false]
      [[{available: "4"}, {available: "3"}, {available: "2"}], false, true]
    ]
    "#);
});

both!(pages_of_events_stay_put_while_events_come_in, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        customer(by: {externalId: \"acme\"}) { events(first: $first, after: $after, last: $last, before: $before) {
            nodes { eventId } pageInfo { startCursor endCursor } } } }";
    for minute in 0..4 {
        api.at(&format!("2026-01-01T00:0{minute}:00Z"));
        api.burn(&format!("e{minute}"), "1").await;
    }
    let first = api.ask(query, json!({"first": 2})).await;
    api.at("2026-01-01T00:05:00Z");
    api.burn("e5", "1").await;
    let next = api.ask(query, json!({"first": 3, "after": end(&first, "customer/events")})).await;
    let back = api.ask(query, json!({"last": 3, "before": start(&next, "customer/events")})).await;
    let nodes = [first, next, back].map(|page| page["data"]["customer"]["events"]["nodes"].clone());
    answer!(json!(nodes), @r#"
    [
      [{eventId: "e3"}, {eventId: "e2"}], [{eventId: "e1"}, {eventId: "e0"}]
      [{eventId: "e5"}, {eventId: "e3"}, {eventId: "e2"}]
    ]
    "#);
});

both!(grants_are_paged_in_burning_order, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("1").await;
    for (key, priority) in [("third", 700), ("first", 10), ("second", 600)] {
        api.top_up(&balance, "1", key, json!({"priority": priority})).await;
    }
    let query = "query($id: ID!, $after: String) { creditBalance(id: $id) { grants(first: 2, after: $after) {
        nodes { reason priority } pageInfo { hasNextPage hasPreviousPage endCursor } } } }";
    let page = api.ask(query, json!({"id": balance})).await;
    api.top_up(&balance, "1", "before all", json!({"priority": 0})).await;
    let next = api.ask(query, json!({"id": balance, "after": end(&page, "creditBalance/grants")})).await;
    answer!(json!([page, next]), @r#"
    [
      {data: {creditBalance: {grants: {
        nodes: [{priority: 10, reason: "first"}, {priority: 500, reason: null}]
        pageInfo: {
          endCursor: "grants bal_06dndml801o07ai17capb161480g 500 - false 1", hasNextPage: true
          hasPreviousPage: false
        }
      }}}}
      {data: {creditBalance: {grants: {
        nodes: [{priority: 600, reason: "second"}, {priority: 700, reason: "third"}]
        pageInfo: {
          endCursor: "grants bal_06dndml801o07ai17capb161480g 700 - false 2", hasNextPage: false
          hasPreviousPage: true
        }
      }}}}
    ]
    "#);
});

on_sqlite!(a_page_is_of_1_to_100_rows_and_its_cursor_of_its_own_list, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let cursor = api.ask(&documents::balance("grants { pageInfo { endCursor } }"), json!({"id": balance})).await;
    let refused = api
        .ask(
            r#"query($id: ID!, $cursor: String) {
                large: customers(first: 101) { nodes { id } }
                none: customers(last: 0) { nodes { id } }
                both: customers(first: 1, last: 1) { nodes { id } }
                text: meters(after: "nonsense") { nodes { id } }
                creditBalance(id: $id) { available entries(after: $cursor) { nodes { id } } }
            }"#,
            json!({"id": balance, "cursor": end(&cursor, "creditBalance/grants")}),
        )
        .await;
    answer!(refused, @r#"
    {
      data: {both: null, creditBalance: {available: "10", entries: null}, large: null, none: null, text: null}
      errors: [
        {
          extensions: {argument: "first", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 17, line: 2}], message: "first is 101; ask for 1 to 100 rows a page.", path: ["large"]
        }
        {
          extensions: {argument: "last", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 17, line: 3}], message: "last is 0; ask for 1 to 100 rows a page.", path: ["none"]
        }
        {
          extensions: {argument: "last", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 17, line: 4}], message: "last cannot be combined with first; ask for one of the two."
          path: ["both"]
        }
        {
          extensions: {argument: "after", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 17, line: 5}], message: "after is not a cursor; pass one that this list answered."
          path: ["text"]
        }
        {
          extensions: {argument: "after", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 52, line: 6}]
          message: "after is a cursor of another list; pass one that this list answered."
          path: ["creditBalance", "entries"]
        }
      ]
    }
    "#);
});

both!(entries_are_found_by_kind_and_by_when_they_were_recorded, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    api.at("2026-01-02T00:00:00Z");
    api.burn("e1", "1").await;
    api.retain(&balance, "1", "k1").await;
    api.at("2026-01-03T00:00:00Z");
    api.burn("e2", "1").await;
    api.top_up(&balance, "1", "k2", json!({})).await;
    let found = api
        .ask(
            r#"query($id: ID!) { creditBalance(id: $id) {
                kinds: entries(kind: [USAGE, TOP_UP]) { nodes { sequence kind } }
                none: entries(kind: []) { nodes { sequence } }
                from: entries(from: "2026-01-02T00:00:00.000001Z") { nodes { sequence } }
                between: entries(from: "2026-01-02T00:00:00Z", until: "2026-01-03T00:00:00Z") { nodes { sequence } }
                all: entries(kind: [USAGE], until: "2026-01-03T00:00:00Z", first: 1) {
                    nodes { sequence } pageInfo { hasNextPage } }
            } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(found, @r#"
    {data: {creditBalance: {
      all: {nodes: [{sequence: "2"}], pageInfo: {hasNextPage: false}}
      between: {nodes: [{sequence: "3"}, {sequence: "2"}]}, from: {nodes: [{sequence: "5"}, {sequence: "4"}]}
      kinds: {nodes: [{kind: "TOP_UP", sequence: "5"}, {kind: "USAGE", sequence: "4"}, {kind: "USAGE", sequence: "2"}]}
      none: {nodes: []}
    }}}
    "#);
});

both!(grants_are_found_by_the_state_they_are_in_now, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.top_up(&balance, "1", "depleted", json!({"priority": 1})).await;
    api.retain(&balance, "1", "k").await;
    api.top_up(&balance, "2", "active", json!({})).await;
    api.top_up(&balance, "3", "expired", json!({"expiresAt": "2026-01-02T00:00:00Z"})).await;
    api.top_up(&balance, "4", "begun", json!({"effectiveAt": "2026-01-02T00:00:00Z"})).await;
    api.top_up(&balance, "5", "pending", json!({"effectiveAt": "2026-01-03T00:00:00Z"})).await;
    api.at("2026-01-02T00:00:00Z");
    let found = api
        .ask(
            &documents::balance(
                "active: grants(state: [ACTIVE]) { nodes { reason } }
                pending: grants(state: [PENDING]) { nodes { reason } }
                over: grants(state: [DEPLETED, EXPIRED]) { nodes { reason state remaining } }
                page: grants(state: [ACTIVE], first: 1) { nodes { reason } pageInfo { hasNextPage } }",
            ),
            json!({"id": balance}),
        )
        .await;
    answer!(found, @r#"
    {data: {creditBalance: {
      active: {nodes: [{reason: "active"}, {reason: "begun"}]}
      over: {nodes: [
        {reason: "depleted", remaining: "0", state: "DEPLETED"}, {reason: "expired", remaining: "0", state: "EXPIRED"}
      ]}
      page: {nodes: [{reason: "active"}], pageInfo: {hasNextPage: true}}, pending: {nodes: [{reason: "pending"}]}
    }}}
    "#);
});

both!(balances_are_found_by_state_and_product, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({"lowBalanceThreshold": 5})).await;
    let other = api.product("other", &[], json!({})).await;
    for (customer, starting) in [("full", "10"), ("low", "5"), ("empty", "0"), ("closed", "0"), ("ends", "1")] {
        api.customer(customer).await;
        let balance = api.balance(customer, &product, starting, json!({})).await;
        match customer {
            "closed" => api.close(&balance).await,
            "ends" => drop(api.top_up(&balance, "10", "k", json!({"expiresAt": "2026-01-02T00:00:00Z"})).await),
            _ => {}
        }
    }
    api.balance("full", &other, "1", json!({})).await;
    api.at("2026-01-02T00:00:00Z");
    let found = api
        .ask(
            "query($product: ID!) {
                all: creditBalances { nodes { ...B } }
                product: creditBalances(productId: $product) { nodes { ...B } }
                low: creditBalances(state: [LOW, DEPLETED], productId: $product) { nodes { ...B } }
                closed: creditBalances(state: [CLOSED]) { nodes { ...B } }
            }
            fragment B on CreditBalance { customer { externalId } product { key } state available }",
            json!({"product": product}),
        )
        .await;
    answer!(found, @r#"
    {data: {
      all: {nodes: [
        {available: "1", customer: {externalId: "ends"}, product: {key: "ai"}, state: "LOW"}
        {available: "0", customer: {externalId: "empty"}, product: {key: "ai"}, state: "DEPLETED"}
        {available: "5", customer: {externalId: "low"}, product: {key: "ai"}, state: "LOW"}
        {available: "1", customer: {externalId: "full"}, product: {key: "other"}, state: "ACTIVE"}
        {available: "10", customer: {externalId: "full"}, product: {key: "ai"}, state: "ACTIVE"}
      ]}
      closed: {nodes: [{available: "0", customer: {externalId: "closed"}, product: {key: "ai"}, state: "CLOSED"}]}
      low: {nodes: [
        {available: "1", customer: {externalId: "ends"}, product: {key: "ai"}, state: "LOW"}
        {available: "0", customer: {externalId: "empty"}, product: {key: "ai"}, state: "DEPLETED"}
        {available: "5", customer: {externalId: "low"}, product: {key: "ai"}, state: "LOW"}
      ]}
      product: {nodes: [
        {available: "1", customer: {externalId: "ends"}, product: {key: "ai"}, state: "LOW"}
        {available: "0", customer: {externalId: "empty"}, product: {key: "ai"}, state: "DEPLETED"}
        {available: "5", customer: {externalId: "low"}, product: {key: "ai"}, state: "LOW"}
        {available: "10", customer: {externalId: "full"}, product: {key: "ai"}, state: "ACTIVE"}
      ]}
    }}
    "#);
});

both!(events_are_found_by_type_and_by_when_they_happened, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let event = |id: &str, event_type: &str, time: &str| json!({"id": id, "customer": {"externalId": "acme"}, "type": event_type, "timestamp": time});
    let events = json!([
        event("late", "call", "2025-12-31T20:00:00Z"),
        event("early", "call", "2025-12-31T10:00:00Z"),
        event("other", "view", "2025-12-31T15:00:00Z"),
    ]);
    api.make("ingestEvents", "accepted", json!({"events": events})).await;
    let found = api
        .ask(
            r#"{ eventTypes customer(by: {externalId: "acme"}) {
                all: events { nodes { eventId } }
                type: events(type: "call") { nodes { eventId } }
                between: events(from: "2025-12-31T10:00:00Z", until: "2025-12-31T20:00:00Z") { nodes { eventId } }
                page: events(first: 1) { nodes { eventId } pageInfo { hasNextPage } }
                known: event(eventId: "early") { eventId type }
                unknown: event(eventId: "nothing") { eventId }
            } }"#,
            json!({}),
        )
        .await;
    answer!(found, @r#"
    {data: {
      customer: {
        all: {nodes: [{eventId: "late"}, {eventId: "other"}, {eventId: "early"}]}
        between: {nodes: [{eventId: "other"}, {eventId: "early"}]}, known: {eventId: "early", type: "call"}
        page: {nodes: [{eventId: "late"}], pageInfo: {hasNextPage: true}}
        type: {nodes: [{eventId: "late"}, {eventId: "early"}]}, unknown: null
      }
      eventTypes: ["call", "view"]
    }}
    "#);
});

both!(customers_are_found_by_how_a_name_an_address_or_an_id_begins, async |db| {
    let api = Api::on(db).await;
    for (id, name, email) in
        [("x-1", "Ärzte", "a@example.com"), ("X-2", "Bob", "ada@example.com"), ("y", "xavier", "z@z.com")]
    {
        let input = json!({"externalId": id, "name": name, "email": email});
        api.make("createCustomer", "customer { id }", input).await;
    }
    let gone = api.customer("x-gone").await;
    api.make("archiveCustomer", "customer { id }", json!({"id": gone})).await;
    let found = api
        .ask(
            r#"{
                x: customers(search: "X") { nodes { name } }
                archived: customers(search: "x-", includeArchived: true) { nodes { name } }
                accent: customers(search: "ÄRZ") { nodes { name } }
                address: customers(search: "ADA@") { nodes { name } }
                wildcard: customers(search: "%") { nodes { name } }
                middle: customers(search: "ob") { nodes { name } }
            }"#,
            json!({}),
        )
        .await;
    answer!(found, @r#"
    {data: {
      accent: {nodes: [{name: "Ärzte"}]}, address: {nodes: [{name: "Bob"}]}
      archived: {nodes: [{name: "x-gone"}, {name: "Bob"}, {name: "Ärzte"}]}, middle: {nodes: []}
      wildcard: {nodes: []}, x: {nodes: [{name: "xavier"}, {name: "Bob"}, {name: "Ärzte"}]}
    }}
    "#);
});

both!(the_catalog_is_listed_by_key, async |db| {
    let api = Api::on(db).await;
    for key in ["b", "a", "c"] {
        api.meter(key, "call").await;
        api.product(key, &[], json!({})).await;
    }
    let archived = api.meter("a0", "call").await;
    api.make("archiveMeter", "meter { id }", json!({"id": archived})).await;
    let found = api
        .ask(
            "{ meters { nodes { key } } all: meters(includeArchived: true, first: 2) { nodes { key } pageInfo { hasNextPage } }
               products(kind: [CREDIT]) { nodes { key kind } } none: products(kind: [SEAT]) { nodes { key } } }",
            json!({}),
        )
        .await;
    answer!(found, @r#"
    {data: {
      all: {nodes: [{key: "a"}, {key: "a0"}], pageInfo: {hasNextPage: true}}
      meters: {nodes: [{key: "a"}, {key: "b"}, {key: "c"}]}, none: {nodes: []}
      products: {nodes: [{key: "a", kind: "CREDIT"}, {key: "b", kind: "CREDIT"}, {key: "c", kind: "CREDIT"}]}
    }}
    "#);
});

both!(whatever_has_an_id_is_found_by_it, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    api.burn("e1", "1").await;
    let ids = api
        .ask(
            r#"{ customer(by: {externalId: "acme"}) { id event(eventId: "e1") { id } creditBalances {
                id grants { nodes { id } } entries { nodes { id } } } }
                meter(by: {key: "calls"}) { id } product(by: {key: "credits"}) { id } }"#,
            json!({}),
        )
        .await;
    let id = |path: &str| ids.pointer(&format!("/data/{path}/id")).unwrap_or_else(|| panic!("{path}: {ids:#}")).clone();
    let all = json!([
        id("meter"),
        id("product"),
        id("customer"),
        id("customer/event"),
        id("customer/creditBalances/0"),
        id("customer/creditBalances/0/grants/nodes/0"),
        id("customer/creditBalances/0/entries/nodes/0"),
        "cus_00000000000000000000000000",
        "nonsense",
    ]);
    let found = api
        .ask(
            "query($ids: [ID!]!, $id: ID!) { nodes(ids: $ids) { __typename ...on Meter { key } ...on CreditProduct { key }
                ...on Customer { externalId } ...on UsageEvent { eventId } ...on CreditBalance { available }
                ...on Grant { remaining } ...on LedgerEntry { sequence } }
                node(id: $id) { id __typename } }",
            json!({"ids": all, "id": balance}),
        )
        .await;
    answer!(found, @r#"
    {
      data: {
        node: {__typename: "CreditBalance", id: "bal_06dndml801o07ai17capb161480g"}
        nodes: [
          {__typename: "Meter", key: "calls"}, {__typename: "CreditProduct", key: "credits"}
          {__typename: "Customer", externalId: "acme"}, {__typename: "UsageEvent", eventId: "e1"}
          {__typename: "CreditBalance", available: "9"}, {__typename: "Grant", remaining: "9"}
          {__typename: "LedgerEntry", sequence: "2"}, null, null
        ]
      }
      errors: [{
        extensions: {argument: "ids.8", code: "BAD_USER_INPUT", requestId: "test"}, locations: [{column: 33, line: 1}]
        message: "ids.8 is not an id; pass one that this server answered.", path: ["nodes", 8]
      }]
    }
    "#);
});

on_sqlite!(a_hundred_and_one_ids_are_too_many, async |db| {
    let api = Api::on(db).await;
    let refused = api.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": vec!["cus_1"; 101]})).await;
    answer!(refused, @r#"
    {
      data: {nodes: null}
      errors: [{
        extensions: {argument: "ids", code: "BAD_USER_INPUT", requestId: "test"}, locations: [{column: 23, line: 1}]
        message: "ids has 101 entries; ask for at most 100 at once.", path: ["nodes"]
      }]
    }
    "#);
});
