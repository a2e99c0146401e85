//! The walk goes on: a balance is read, moved, closed, and what is not used any more archived.

use serde_json::json;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::both;
use crate::support::documents;

both!(a_balance_shows_its_grants_and_entries, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    api.top_up(&balance, "4", "bonus", json!({"priority": 1, "expiresAt": "2026-02-01T00:00:00Z"})).await;
    api.burn("e1", "6").await;
    let shown = api
        .ask(
            &documents::balance(
                "...Balance grants { nodes { ...Grant } }
                entries { nodes { ...Entry event { eventId } rating { quantity exactCredits } } }",
            ),
            json!({"id": balance}),
        )
        .await;
    answer!(shown, @r#"
    {data: {creditBalance: {
      available: "8"
      entries: {nodes: [
        {
          allocations: [
            {credits: "-4", grant: {id: "grt_06dndml801o07ai17capb161480g4"}}
            {credits: "-2", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}
          ]
          availableAfter: "8", credits: "-6", event: {eventId: "e1"}, kind: "USAGE"
          occurredAt: "2026-01-01T00:00:00.000000Z", origin: "EVENT", rating: {exactCredits: "6", quantity: "6"}
          reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "3", stateAfter: "ACTIVE", uncovered: "0"
        }
        {
          allocations: [{credits: "4", grant: {id: "grt_06dndml801o07ai17capb161480g4"}}], availableAfter: "14"
          credits: "4", event: null, kind: "TOP_UP", occurredAt: "2026-01-01T00:00:00.000000Z", origin: "API"
          rating: null, reason: "bonus", recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2"
          stateAfter: "ACTIVE", uncovered: "0"
        }
        {
          allocations: [{credits: "10", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "10"
          credits: "10", event: null, kind: "STARTING_BALANCE", occurredAt: "2026-01-01T00:00:00.000000Z"
          origin: "API", rating: null, reason: null, recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "1"
          stateAfter: "ACTIVE", uncovered: "0"
        }
      ]}
      grants: {nodes: [
        {
          credits: "4", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: "2026-02-01T00:00:00.000000Z"
          id: "grt_06dndml801o07ai17capb161480g4", priority: 1, remaining: "0", source: "TOP_UP", state: "DEPLETED"
        }
        {
          credits: "10", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: null
          id: "grt_06dndml801o07ai17capb161480g2", priority: 500, remaining: "8", source: "STARTING_BALANCE"
          state: "ACTIVE"
        }
      ]}
      held: "0", lastSequence: "3", nextChangeAt: null, settled: "8", state: "ACTIVE"
    }}}
    "#);
});

both!(a_top_up_is_a_grant_of_its_own_terms, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let made = api
        .ask(
            r#"mutation($id: ID!) {
                topUpCredits(input: {balanceId: $id, credits: 25, priority: 0, effectiveAt: "2026-01-02T00:00:00Z",
                    expiresAt: "2026-01-03T00:00:00.1234567Z", reason: "Sorry", metadata: {z: 1, a: 1.0},
                    idempotencyKey: "k1"}) {
                    balance { ...Balance }
                    entry { ...Entry metadata idempotencyKey grant { ...Grant reason metadata }
                        terms { credits priority effectiveAt expiresAt cost { amount } } }
                    replayed
                    errors { ...Error }
                }
            }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(made, @r#"
    {data: {topUpCredits: {
      balance: {
        available: "0", held: "0", lastSequence: "1", nextChangeAt: "2026-01-02T00:00:00.000000Z", settled: "0"
        state: "DEPLETED"
      }
      entry: {
        allocations: [{credits: "0", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "0"
        credits: "0"
        grant: {
          credits: "25", effectiveAt: "2026-01-02T00:00:00.000000Z", expiresAt: "2026-01-03T00:00:00.123456Z"
          id: "grt_06dndml801o07ai17capb161480g2", metadata: {a: 1, z: 1}, priority: 0, reason: "Sorry"
          remaining: "0", source: "TOP_UP", state: "PENDING"
        }
        idempotencyKey: "k1", kind: "TOP_UP", metadata: {a: 1, z: 1}, occurredAt: "2026-01-01T00:00:00.000000Z"
        origin: "API", reason: "Sorry", recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "1"
        stateAfter: "DEPLETED"
        terms: {
          cost: null, credits: "25", effectiveAt: "2026-01-02T00:00:00.000000Z"
          expiresAt: "2026-01-03T00:00:00.123456Z", priority: 0
        }
        uncovered: "0"
      }
      errors: [], replayed: false
    }}}
    "#);
});

both!(retained_credits_are_gone_and_the_entry_says_for_what, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let made = api
        .ask(
            r#"mutation($id: ID!) {
                retainCredits(input: {balanceId: $id, credits: "4.000001", occurredAt: "2025-12-24T18:00:00Z",
                    reason: "Workshop", idempotencyKey: "k1"}) {
                    balance { ...Balance }
                    entry { ...Entry rating { credits } event { id } idempotencyKey }
                    replayed
                    errors { ...Error }
                }
            }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(made, @r#"
    {data: {retainCredits: {
      balance: {
        available: "5.999999", held: "0", lastSequence: "2", nextChangeAt: null, settled: "5.999999", state: "ACTIVE"
      }
      entry: {
        allocations: [{credits: "-4.000001", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}]
        availableAfter: "5.999999", credits: "-4.000001", event: null, idempotencyKey: "k1", kind: "RETENTION"
        occurredAt: "2025-12-24T18:00:00.000000Z", origin: "API", rating: null, reason: "Workshop"
        recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2", stateAfter: "ACTIVE", uncovered: "0"
      }
      errors: [], replayed: false
    }}}
    "#);
});

both!(new_terms_of_a_grant_are_an_entry_of_no_credits, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let grant = api.top_up(&balance, "10", "k1", json!({"expiresAt": "2026-02-01T00:00:00Z"})).await;
    let made = api
        .ask(
            r#"mutation($id: ID!) {
                updateGrant(input: {id: $id, priority: 7, expiresAt: null, reason: "As agreed"}) {
                    balance { ...Balance }
                    entry { ...Entry grant { ...Grant } terms { credits priority effectiveAt expiresAt } }
                    replayed
                    errors { ...Error }
                }
            }"#,
            json!({"id": grant}),
        )
        .await;
    answer!(made, @r#"
    {data: {updateGrant: {
      balance: {available: "10", held: "0", lastSequence: "2", nextChangeAt: null, settled: "10", state: "ACTIVE"}
      entry: {
        allocations: [], availableAfter: "10", credits: "0"
        grant: {
          credits: "10", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: null
          id: "grt_06dndml801o07ai17capb161480g2", priority: 7, remaining: "10", source: "TOP_UP", state: "ACTIVE"
        }
        kind: "AMENDMENT", occurredAt: "2026-01-01T00:00:00.000000Z", origin: "API", reason: "As agreed"
        recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "2", stateAfter: "ACTIVE"
        terms: {credits: "10", effectiveAt: "2026-01-01T00:00:00.000000Z", expiresAt: null, priority: 7}
        uncovered: "0"
      }
      errors: [], replayed: false
    }}}
    "#);
});

both!(terms_that_are_so_already_are_answered_without_an_entry, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let grant = api.top_up(&balance, "10", "k1", json!({})).await;
    let made = api
        .ask(
            "mutation($id: ID!) { updateGrant(input: {id: $id, priority: null, expiresAt: null}) {
                balance { lastSequence } entry { id } replayed errors { ...Error } } }",
            json!({"id": grant}),
        )
        .await;
    answer!(made, @r#"
    {data: {updateGrant: {balance: {lastSequence: "1"}, entry: null, errors: [], replayed: true}}}
    "#);
});

both!(an_empty_balance_can_be_closed_for_good, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    api.retain(&balance, "10", "k1").await;
    let closed = api
        .ask(
            r#"mutation($id: ID!) {
                close: closeCreditBalance(input: {id: $id}) { balance { ...Balance closedAt } errors { ...Error } }
                again: closeCreditBalance(input: {id: $id}) { balance { ...Balance closedAt } errors { ...Error } }
                topUp: topUpCredits(input: {balanceId: $id, credits: 1, idempotencyKey: "k2"}) { errors { ...Error } }
                update: updateCreditBalance(input: {id: $id, name: "x"}) { errors { ...Error } }
            }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(closed, @r#"
    {data: {
      again: {
        balance: {
          available: "0", closedAt: "2026-01-01T00:00:00.000000Z", held: "0", lastSequence: "2", nextChangeAt: null
          settled: "0", state: "CLOSED"
        }
        errors: []
      }
      close: {
        balance: {
          available: "0", closedAt: "2026-01-01T00:00:00.000000Z", held: "0", lastSequence: "2", nextChangeAt: null
          settled: "0", state: "CLOSED"
        }
        errors: []
      }
      topUp: {errors: [{
        __typename: "InvalidState", message: "The balance is closed.", path: ["balanceId"], state: "CLOSED"
      }]}
      update: {errors: [{__typename: "InvalidState", message: "The balance is closed.", path: ["id"], state: "CLOSED"}]}
    }}
    "#);
});

both!(what_is_not_used_any_more_can_be_archived, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.close(&balance).await;
    let ids = api
        .ask(
            r#"{ product(by: {key: "credits"}) { id } meter(by: {key: "calls"}) { id }
                 customer(by: {externalId: "acme"}) { id } }"#,
            json!({}),
        )
        .await;
    api.at("2026-01-02T00:00:00Z");
    let archived = api
        .ask(
            "mutation($customer: ID!, $product: ID!, $meter: ID!) {
                archiveCustomer(input: {id: $customer}) { customer { archivedAt } errors { ...Error } }
                archiveProduct(input: {id: $product}) { product { archivedAt } errors { ...Error } }
                again: archiveProduct(input: {id: $product}) { product { archivedAt } errors { ...Error } }
                archiveMeter(input: {id: $meter}) { meter { archivedAt } errors { ...Error } }
            }",
            json!({"customer": ids["data"]["customer"]["id"], "product": ids["data"]["product"]["id"],
                   "meter": ids["data"]["meter"]["id"]}),
        )
        .await;
    answer!(archived, @r#"
    {data: {
      again: {errors: [], product: {archivedAt: "2026-01-02T00:00:00.000000Z"}}
      archiveCustomer: {customer: {archivedAt: "2026-01-02T00:00:00.000000Z"}, errors: []}
      archiveMeter: {errors: [], meter: {archivedAt: "2026-01-02T00:00:00.000000Z"}}
      archiveProduct: {errors: [], product: {archivedAt: "2026-01-02T00:00:00.000000Z"}}
    }}
    "#);
});
