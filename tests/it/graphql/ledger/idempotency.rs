//! One idempotency key, one effect.

use serde_json::json;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};

both!(the_same_key_and_input_answer_the_first_entry_and_the_balance_as_it_stands_now, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.top_up(&balance, "25.50", "k1", json!({})).await;
    api.retain(&balance, "5", "k2").await;
    let repeated = api
        .ask(
            r#"mutation($id: ID!) {
                topUpCredits(input: {balanceId: $id, credits: "25.5", priority: 500, reason: "k1", metadata: {},
                    effectiveAt: null, idempotencyKey: "k1"}) {
                    balance { ...Balance } entry { ...Entry idempotencyKey } replayed errors { ...Error } }
            }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(repeated, @r#"
    {data: {topUpCredits: {
      balance: {available: "20.5", held: "0", lastSequence: "2", nextChangeAt: null, settled: "20.5", state: "ACTIVE"}
      entry: {
        allocations: [{credits: "25.5", grant: {id: "grt_06dndml801o07ai17capb161480g2"}}], availableAfter: "25.5"
        credits: "25.5", idempotencyKey: "k1", kind: "TOP_UP", occurredAt: "2026-01-01T00:00:00.000000Z"
        origin: "API", reason: "k1", recordedAt: "2026-01-01T00:00:00.000000Z", sequence: "1", stateAfter: "ACTIVE"
        uncovered: "0"
      }
      errors: [], replayed: true
    }}}
    "#);
});

both!(stored_key_that_cannot_be_read_is_an_error, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.top_up(&balance, "1", "k1", json!({})).await;
    let broken = if db.is_postgres() { r"'\x00'" } else { "x'00'" };
    db.tamper(&format!("UPDATE idempotency_keys SET input_hash = {broken}")).await;
    let query =
        "mutation($id: ID!) { topUpCredits(input: {balanceId: $id, credits: 1, reason: \"k1\", idempotencyKey: \"k1\"})
                 { replayed errors { message } } }";
    let answer = api.ask(query, json!({"id": balance})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer}");
});

both!(a_repeated_retention_deducts_once, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let retained = api
        .ask(
            r#"mutation($id: ID!) {
                first: retainCredits(input: {balanceId: $id, credits: 10, idempotencyKey: "k1"}) { ...P }
                again: retainCredits(input: {balanceId: $id, credits: "10.000", idempotencyKey: "k1"}) { ...P }
            }
            fragment P on LedgerPayload { balance { ...Balance } entry { sequence } replayed errors { ...Error } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(retained, @r#"
    {data: {
      again: {
        balance: {available: "0", held: "0", lastSequence: "2", nextChangeAt: null, settled: "0", state: "DEPLETED"}
        entry: {sequence: "2"}, errors: [], replayed: true
      }
      first: {
        balance: {available: "0", held: "0", lastSequence: "2", nextChangeAt: null, settled: "0", state: "DEPLETED"}
        entry: {sequence: "2"}, errors: [], replayed: false
      }
    }}
    "#);
});

both!(a_key_with_another_input_is_a_conflict, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let other = api.product("other", &[], json!({})).await;
    let other = api.balance("acme", &other, "0", json!({})).await;
    api.top_up(&balance, "1", "k1", json!({})).await;
    let refused = api
        .ask(
            r#"mutation($id: ID!, $other: ID!) {
                credits: topUpCredits(input: {balanceId: $id, credits: 2, reason: "k1", idempotencyKey: "k1"}) { ...P }
                reason: topUpCredits(input: {balanceId: $id, credits: 1, idempotencyKey: "k1"}) { ...P }
                command: retainCredits(input: {balanceId: $id, credits: 1, reason: "k1", idempotencyKey: "k1"}) { ...P }
                balance: topUpCredits(input: {balanceId: $other, credits: 1, reason: "k1", idempotencyKey: "k1"}) { ...P }
            }
            fragment P on LedgerPayload { entry { sequence } errors { ...Error } }"#,
            json!({"id": balance, "other": other}),
        )
        .await;
    answer!(refused, @r#"
    {data: {
      balance: {
        entry: null
        errors: [{
          __typename: "IdempotencyConflict", idempotencyKey: "k1"
          message: "This idempotency key was used before with another input; use a new key for a new command."
          path: ["idempotencyKey"]
        }]
      }
      command: {
        entry: null
        errors: [{
          __typename: "IdempotencyConflict", idempotencyKey: "k1"
          message: "This idempotency key was used before with another input; use a new key for a new command."
          path: ["idempotencyKey"]
        }]
      }
      credits: {
        entry: null
        errors: [{
          __typename: "IdempotencyConflict", idempotencyKey: "k1"
          message: "This idempotency key was used before with another input; use a new key for a new command."
          path: ["idempotencyKey"]
        }]
      }
      reason: {
        entry: null
        errors: [{
          __typename: "IdempotencyConflict", idempotencyKey: "k1"
          message: "This idempotency key was used before with another input; use a new key for a new command."
          path: ["idempotencyKey"]
        }]
      }
    }}
    "#);
});

both!(keys_of_two_customers_have_nothing_to_do_with_each_other, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({})).await;
    api.customer("a").await;
    api.customer("b").await;
    let (a, b) = (api.balance("a", &product, "0", json!({})).await, api.balance("b", &product, "0", json!({})).await);
    let made = api
        .ask(
            r#"mutation($a: ID!, $b: ID!) {
                a: topUpCredits(input: {balanceId: $a, credits: 1, idempotencyKey: "k"}) { ...P }
                b: topUpCredits(input: {balanceId: $b, credits: 2, idempotencyKey: "k"}) { ...P }
            }
            fragment P on LedgerPayload { entry { sequence credits } replayed errors { ...Error } }"#,
            json!({"a": a, "b": b}),
        )
        .await;
    answer!(made, @r#"
    {data: {
      a: {entry: {credits: "1", sequence: "1"}, errors: [], replayed: false}
      b: {entry: {credits: "2", sequence: "1"}, errors: [], replayed: false}
    }}
    "#);
});

both!(a_key_is_looked_up_before_its_input_is_judged, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.top_up(&balance, "5", "k1", json!({"expiresAt": "2026-01-02T00:00:00Z"})).await;
    api.at("2026-01-03T00:00:00Z");
    let repeated = api
        .ask(
            r#"mutation($id: ID!) {
                again: topUpCredits(input: {balanceId: $id, credits: 5, expiresAt: "2026-01-02T00:00:00Z", reason: "k1",
                    idempotencyKey: "k1"}) { ...P }
                wrong: topUpCredits(input: {balanceId: $id, credits: "-5", idempotencyKey: "k1"}) { ...P }
            }
            fragment P on LedgerPayload { balance { ...Balance } entry { sequence } replayed errors { ...Error } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(repeated, @r#"
    {data: {
      again: {
        balance: {available: "0", held: "0", lastSequence: "1", nextChangeAt: null, settled: "0", state: "DEPLETED"}
        entry: {sequence: "1"}, errors: [], replayed: true
      }
      wrong: {
        balance: null, entry: null
        errors: [{
          __typename: "IdempotencyConflict", idempotencyKey: "k1"
          message: "This idempotency key was used before with another input; use a new key for a new command."
          path: ["idempotencyKey"]
        }]
        replayed: false
      }
    }}
    "#);
});

both!(a_key_answers_on_a_balance_that_was_closed_since, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.top_up(&balance, "5", "k1", json!({})).await;
    api.retain(&balance, "5", "k2").await;
    api.close(&balance).await;
    let repeated = api
        .ask(
            r#"mutation($id: ID!) { topUpCredits(input: {balanceId: $id, credits: 5, reason: "k1", idempotencyKey: "k1"}) {
                balance { ...Balance } entry { sequence } replayed errors { ...Error } } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(repeated, @r#"
    {data: {topUpCredits: {
      balance: {available: "0", held: "0", lastSequence: "2", nextChangeAt: null, settled: "0", state: "CLOSED"}
      entry: {sequence: "1"}, errors: [], replayed: true
    }}}
    "#);
});

both!(a_refusal_does_not_use_its_key_up, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("1").await;
    let answered = api
        .ask(
            r#"mutation($id: ID!) {
                refused: retainCredits(input: {balanceId: $id, credits: 3, idempotencyKey: "k"}) { ...P }
                topUp: topUpCredits(input: {balanceId: $id, credits: 2, idempotencyKey: "k2"}) { ...P }
                same: retainCredits(input: {balanceId: $id, credits: 3, idempotencyKey: "k"}) { ...P }
            }
            fragment P on LedgerPayload { balance { available } entry { sequence } replayed errors { ...Error } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(answered, @r#"
    {data: {
      refused: {
        balance: null, entry: null
        errors: [{
          __typename: "InsufficientCredits", available: "1", message: "3 credits are required and 1 are available."
          path: ["credits"], required: "3", shortfall: "2"
        }]
        replayed: false
      }
      same: {balance: {available: "0"}, entry: {sequence: "3"}, errors: [], replayed: false}
      topUp: {balance: {available: "3"}, entry: {sequence: "2"}, errors: [], replayed: false}
    }}
    "#);
});

on_sqlite!(a_thousand_open_grants_are_as_many_as_a_balance_may_have, async |db| {
    use scrip::intake::{Action, Order, Provenance, TopUp};
    use scrip::ledger::entry::Origin;

    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let id: scrip::base::ids::BalanceId = balance.parse().unwrap();
    let credits = scrip::base::credits::Credits::from_micros(1_000_000);
    let top_up = TopUp { credits, priority: 500, effective_at: None, expires_at: None };
    let given = Provenance { origin: Origin::Api, reason: None, metadata: None, key: None };
    let order = || Order::Move { balance: id, action: Ok(Action::TopUp(top_up.clone())), given: given.clone() };
    let orders = (0..1000).map(|_| api.app.intake.order(order()));
    futures_util::future::try_join_all(orders).await.unwrap();
    let refused = api
        .ask(
            r#"mutation($id: ID!) { topUpCredits(input: {balanceId: $id, credits: 1, idempotencyKey: "k"}) {
                balance { id } entry { id } errors { ...Error } } }"#,
            json!({"id": balance}),
        )
        .await;
    answer!(refused, @r#"
    {data: {topUpCredits: {
      balance: null, entry: null
      errors: [{
        __typename: "LimitExceeded", limit: "1000"
        message: "The balance has 1000 grants that are pending or not used up, which is as many as it may have."
        path: ["balanceId"]
      }]
    }}}
    "#);
});
