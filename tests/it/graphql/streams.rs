//! Streams over WebSocket: every change once, in order, without gaps.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};
use crate::support::documents;
use crate::support::socket::Socket;

pub(super) const ONE: &str = "subscription($id: ID!, $after: String) { balanceChanges(balanceId: $id, after: $after) {
    cursor entry { sequence kind credits } available settled held state balance { lastSequence } } }";

pub(super) const ALL: &str = r#"subscription($after: String) { customerBalanceChanges(customer: {externalId: "acme"}, after: $after) {
    cursor entry { balance { product { key } } sequence kind credits } customer { externalId } } }"#;

/// The cursor of the last of some messages.
fn last_cursor(messages: &Value) -> Value {
    let message = messages.as_array().and_then(|messages| messages.last()).expect("there are messages");
    message.as_object().and_then(|message| message.values().next()).expect("it has data")["cursor"].clone()
}

both!(a_stream_tells_first_how_the_balance_stands_and_then_each_change, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let mut stream = Socket::subscribe(&api, ONE, json!({"id": balance})).await;
    let first = stream.next().await;
    api.burn("e1", "4").await;
    api.retain(&balance, "6", "k1").await;
    let messages = json!([first, stream.take(2).await]);
    answer!(messages, @r#"
    [
      {balanceChanges: {
        available: "10", balance: {lastSequence: "1"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 1"
        entry: null, held: "0", settled: "10", state: "ACTIVE"
      }}
      [
        {balanceChanges: {
          available: "6", balance: {lastSequence: "2"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 2"
          entry: {credits: "-4", kind: "USAGE", sequence: "2"}, held: "0", settled: "6", state: "ACTIVE"
        }}
        {balanceChanges: {
          available: "0", balance: {lastSequence: "3"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 3"
          entry: {credits: "-6", kind: "RETENTION", sequence: "3"}, held: "0", settled: "0", state: "DEPLETED"
        }}
      ]
    ]
    "#);
});

both!(a_stream_with_a_cursor_tells_first_what_was_missed_and_then_that_it_is_up_to_date, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let state = api.ask(&documents::balance("cursor"), json!({"id": balance})).await;
    api.burn("e1", "4").await;
    api.burn("e2", "1").await;
    let after = &state["data"]["creditBalance"]["cursor"];
    let mut stream = Socket::subscribe(&api, ONE, json!({"id": balance, "after": after})).await;
    let missed = stream.take(3).await;
    api.burn("e3", "2").await;
    let messages = json!([missed, stream.next().await]);
    answer!(messages, @r#"
    [
      [
        {balanceChanges: {
          available: "6", balance: {lastSequence: "3"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 2"
          entry: {credits: "-4", kind: "USAGE", sequence: "2"}, held: "0", settled: "6", state: "ACTIVE"
        }}
        {balanceChanges: {
          available: "5", balance: {lastSequence: "3"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 3"
          entry: {credits: "-1", kind: "USAGE", sequence: "3"}, held: "0", settled: "5", state: "ACTIVE"
        }}
        {balanceChanges: {
          available: "5", balance: {lastSequence: "3"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 3"
          entry: null, held: "0", settled: "5", state: "ACTIVE"
        }}
      ]
      {balanceChanges: {
        available: "3", balance: {lastSequence: "4"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 4"
        entry: {credits: "-2", kind: "USAGE", sequence: "4"}, held: "0", settled: "3", state: "ACTIVE"
      }}
    ]
    "#);
});

both!(a_stream_goes_on_from_its_cursor_across_a_restart_of_the_server, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("10").await;
    let mut stream = Socket::subscribe(&api, ONE, json!({"id": balance})).await;
    stream.next().await;
    api.burn("e1", "1").await;
    let seen = stream.take(1).await;
    api.burn("e2", "2").await;
    api.app.intake.drain().await;
    drop((stream, api));
    let restarted = Api::on(db).await;
    restarted.burn("e3", "3").await;
    let mut stream = Socket::subscribe(&restarted, ONE, json!({"id": balance, "after": last_cursor(&seen)})).await;
    let missed = stream.take(3).await;
    answer!(missed, @r#"
    [
      {balanceChanges: {
        available: "7", balance: {lastSequence: "4"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 3"
        entry: {credits: "-2", kind: "USAGE", sequence: "3"}, held: "0", settled: "7", state: "ACTIVE"
      }}
      {balanceChanges: {
        available: "4", balance: {lastSequence: "4"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 4"
        entry: {credits: "-3", kind: "USAGE", sequence: "4"}, held: "0", settled: "4", state: "ACTIVE"
      }}
      {balanceChanges: {
        available: "4", balance: {lastSequence: "4"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 4"
        entry: null, held: "0", settled: "4", state: "ACTIVE"
      }}
    ]
    "#);
});

both!(a_stream_tells_what_time_did_once_it_is_posted, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("1").await;
    api.top_up(&balance, "5", "k1", json!({"expiresAt": "2026-01-02T00:00:00Z"})).await;
    let mut stream = Socket::subscribe(&api, ONE, json!({"id": balance})).await;
    stream.next().await;
    api.at("2026-01-03T00:00:00Z");
    api.work().await;
    let told = stream.next().await;
    answer!(told, @r#"
    {balanceChanges: {
      available: "1", balance: {lastSequence: "3"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 3"
      entry: {credits: "-5", kind: "EXPIRATION", sequence: "3"}, held: "0", settled: "1", state: "ACTIVE"
    }}
    "#);
});

both!(closing_a_balance_completes_its_stream, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let mut stream = Socket::subscribe(&api, ONE, json!({"id": balance})).await;
    let first = stream.next().await;
    api.close(&balance).await;
    let messages = json!([first, stream.next().await]);
    answer!(messages, @r#"
    [
      {balanceChanges: {
        available: "0", balance: {lastSequence: "0"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 0"
        entry: null, held: "0", settled: "0", state: "DEPLETED"
      }}
      "complete"
    ]
    "#);
});

both!(the_stream_of_a_closed_balance_tells_its_state_and_completes, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    api.close(&balance).await;
    let mut stream = Socket::subscribe(&api, ONE, json!({"id": balance})).await;
    let messages = stream.take(2).await;
    answer!(messages, @r#"
    [
      {balanceChanges: {
        available: "0", balance: {lastSequence: "0"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 0"
        entry: null, held: "0", settled: "0", state: "CLOSED"
      }}
      "complete"
    ]
    "#);
});

on_sqlite!(a_cursor_from_elsewhere_is_an_error_that_ends_the_stream, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let other = api.product("other", &[], json!({})).await;
    let other = api.balance("acme", &other, "5", json!({})).await;
    let state = api.ask(&documents::balance("cursor customer { cursor }"), json!({"id": other})).await;
    let of = |cursor: &Value| json!({"id": balance, "after": cursor});
    let balance_cursor = of(&state["data"]["creditBalance"]["cursor"]);
    let customer_cursor = of(&state["data"]["creditBalance"]["customer"]["cursor"]);
    let mut messages = Vec::new();
    for variables in [balance_cursor, customer_cursor, of(&json!("nonsense"))] {
        messages.push(Socket::subscribe(&api, ONE, variables).await.next().await);
    }
    answer!(json!(messages), @r#"
    [
      {
        id: "1"
        payload: [{
          extensions: {argument: "after", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 42, line: 1}]
          message: "after is a cursor of another list; pass one that this list answered.", path: ["balanceChanges"]
        }]
        type: "error"
      }
      {
        id: "1"
        payload: [{
          extensions: {argument: "after", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 42, line: 1}]
          message: "after is a cursor of another list; pass one that this list answered.", path: ["balanceChanges"]
        }]
        type: "error"
      }
      {
        id: "1"
        payload: [{
          extensions: {argument: "after", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 42, line: 1}], message: "after is not a cursor; pass one that this list answered."
          path: ["balanceChanges"]
        }]
        type: "error"
      }
    ]
    "#);
});

on_sqlite!(a_cursor_ahead_of_the_ledger_is_an_error, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("0").await;
    let state = api.ask(&documents::balance("cursor"), json!({"id": balance})).await;
    let cursor = state["data"]["creditBalance"]["cursor"].as_str().unwrap();
    let text = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).unwrap();
    let ahead = String::from_utf8(text).unwrap().replace("\n0", "\n7");
    let after = data_encoding::BASE64URL_NOPAD.encode(ahead.as_bytes());
    let mut stream = Socket::subscribe(&api, ONE, json!({"id": balance, "after": after})).await;
    let told = stream.next().await;
    answer!(told, @r#"
    {
      id: "1"
      payload: [{
        extensions: {argument: "after", code: "BAD_USER_INPUT", requestId: "test"}, locations: [{column: 42, line: 1}]
        message: "after is ahead of the ledger; pass a cursor that this server answered.", path: ["balanceChanges"]
      }]
      type: "error"
    }
    "#);
});

on_sqlite!(a_stream_of_nothing_is_an_error, async |db| {
    let api = Api::on(db).await;
    let mut stream = Socket::subscribe(&api, ONE, json!({"id": "bal_000000000000000000000000000g"})).await;
    let nothing = stream.next().await;
    let mut stream = Socket::subscribe(&api, ALL, json!({})).await;
    let messages = json!([nothing, stream.next().await]);
    answer!(messages, @r#"
    [
      {
        id: "1"
        payload: [{
          extensions: {argument: "balanceId", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 42, line: 1}]
          message: "balanceId names no credit balance; pass what this server answered.", path: ["balanceChanges"]
        }]
        type: "error"
      }
      {
        id: "1"
        payload: [{
          extensions: {argument: "customer", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 32, line: 1}], message: "customer names nobody; check the id."
          path: ["customerBalanceChanges"]
        }]
        type: "error"
      }
    ]
    "#);
});

on_sqlite!(a_subscription_to_two_fields_is_refused, async |db| {
    let api = Api::on(db).await;
    let two = r#"subscription { states: balanceStateChanges { at } balanceChanges(balanceId: "x") { cursor } }"#;
    let mut stream = Socket::subscribe(&api, two, json!({})).await;
    let refused = stream.next().await;
    answer!(refused, @r#"
    {
      id: "1"
      payload: [{
        extensions: {code: "BAD_USER_INPUT", requestId: "test"}, locations: [{column: 1, line: 1}]
        message: "A subscription has exactly one root field; send several as operations of their own."
      }]
      type: "error"
    }
    "#);
});

both!(a_customers_stream_tells_of_a_balance_that_is_opened_later, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let mut stream = Socket::subscribe(&api, ALL, json!({})).await;
    let first = stream.next().await;
    let other = api.product("other", &[], json!({})).await;
    let later = api.balance("acme", &other, "5", json!({})).await;
    api.burn("e1", "4").await;
    api.retain(&later, "1", "k1").await;
    let messages = json!([first, stream.take(3).await]);
    answer!(messages, @r#"
    [
      {customerBalanceChanges: {
        cursor: "customerBalanceChanges cus_06dndml801o07ai17capb16148 1:1", customer: {externalId: "acme"}
        entry: null
      }}
      [
        {customerBalanceChanges: {
          cursor: "customerBalanceChanges cus_06dndml801o07ai17capb16148 1:1 2:1", customer: {externalId: "acme"}
          entry: {balance: {product: {key: "other"}}, credits: "5", kind: "STARTING_BALANCE", sequence: "1"}
        }}
        {customerBalanceChanges: {
          cursor: "customerBalanceChanges cus_06dndml801o07ai17capb16148 1:2 2:1", customer: {externalId: "acme"}
          entry: {balance: {product: {key: "credits"}}, credits: "-4", kind: "USAGE", sequence: "2"}
        }}
        {customerBalanceChanges: {
          cursor: "customerBalanceChanges cus_06dndml801o07ai17capb16148 1:2 2:2", customer: {externalId: "acme"}
          entry: {balance: {product: {key: "other"}}, credits: "-1", kind: "RETENTION", sequence: "2"}
        }}
      ]
    ]
    "#);
});

both!(a_customers_stream_goes_on_from_one_cursor_for_all_balances, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let other = api.product("other", &[], json!({})).await;
    let second = api.balance("acme", &other, "5", json!({})).await;
    let state = api.ask(r#"{ customer(by: {externalId: "acme"}) { cursor } }"#, json!({})).await;
    api.burn("e1", "4").await;
    api.retain(&second, "1", "k1").await;
    let mut stream = Socket::subscribe(&api, ALL, json!({"after": state["data"]["customer"]["cursor"]})).await;
    let one = stream.take(1).await;
    let mut again = Socket::subscribe(&api, ALL, json!({"after": last_cursor(&one)})).await;
    let messages = json!([one, again.take(2).await]);
    answer!(messages, @r#"
    [
      [{customerBalanceChanges: {
        cursor: "customerBalanceChanges cus_06dndml801o07ai17capb16148 1:2 2:1", customer: {externalId: "acme"}
        entry: {balance: {product: {key: "credits"}}, credits: "-4", kind: "USAGE", sequence: "2"}
      }}]
      [
        {customerBalanceChanges: {
          cursor: "customerBalanceChanges cus_06dndml801o07ai17capb16148 1:2 2:2", customer: {externalId: "acme"}
          entry: {balance: {product: {key: "other"}}, credits: "-1", kind: "RETENTION", sequence: "2"}
        }}
        {customerBalanceChanges: {
          cursor: "customerBalanceChanges cus_06dndml801o07ai17capb16148 1:2 2:2", customer: {externalId: "acme"}
          entry: null
        }}
      ]
    ]
    "#);
});

// --- States ------------------------------------------------------------------------------------------------------------

const STATES: &str = "subscription($product: ID) { balanceStateChanges(productId: $product) {
    balance { customer { externalId } } previous current available threshold entry { sequence kind } at } }";

/// A stream of states that is known to be open: a balance that has nothing to do with the test crosses a threshold until
/// the stream tells of it.
pub(super) async fn watch_states(api: &Api, product: &str, variables: Value) -> Socket {
    api.customer("beacon").await;
    let beacon = api.balance("beacon", product, "1", json!({})).await;
    let mut stream = Socket::subscribe(api, STATES, variables).await;
    for round in 0.. {
        api.retain(&beacon, "1", &format!("down-{round}")).await;
        api.top_up(&beacon, "1", &format!("up-{round}"), json!({})).await;
        if stream.heard().is_some() {
            break;
        }
    }
    stream
}

/// The next few messages about other balances.
pub(super) async fn crossings(stream: &mut Socket, count: usize) -> Value {
    let mut messages = Vec::new();
    while messages.len() < count {
        let message = stream.next().await;
        if message["balanceStateChanges"]["balance"]["customer"]["externalId"] != "beacon" {
            messages.push(message);
        }
    }
    messages.into()
}

/// The product of [`Api::acme`].
pub(super) async fn product_of_acme(api: &Api) -> String {
    let product = api.ask(r#"{ product(by: {key: "credits"}) { id } }"#, json!({})).await;
    product["data"]["product"]["id"].as_str().unwrap().to_owned()
}

both!(each_crossing_of_a_state_is_told_once_and_recovery_too, async |db| {
    let api = Api::on(db).await;
    let settings = json!({"lowBalanceThreshold": "5", "overdraft": {"policy": "ALLOW"}});
    let balance = api.acme_with("10", settings).await;
    let product = product_of_acme(&api).await;
    let mut stream = watch_states(&api, &product, json!({})).await;
    for (event, credits) in
        [("still active", "4.9"), ("low", "0.1"), ("still low", "1"), ("depleted", "4"), ("overdrawn", "1")]
    {
        api.burn(event, credits).await;
    }
    api.top_up(&balance, "3", "low again", json!({})).await;
    api.top_up(&balance, "20", "recovered", json!({})).await;
    let told = crossings(&mut stream, 5).await;
    answer!(told, @r#"
    [
      {balanceStateChanges: {
        at: "2026-01-01T00:00:00.000000Z", available: "5", balance: {customer: {externalId: "acme"}}, current: "LOW"
        entry: {kind: "USAGE", sequence: "3"}, previous: "ACTIVE", threshold: "5"
      }}
      {balanceStateChanges: {
        at: "2026-01-01T00:00:00.000000Z", available: "0", balance: {customer: {externalId: "acme"}}
        current: "DEPLETED", entry: {kind: "USAGE", sequence: "5"}, previous: "LOW", threshold: "5"
      }}
      {balanceStateChanges: {
        at: "2026-01-01T00:00:00.000000Z", available: "-1", balance: {customer: {externalId: "acme"}}
        current: "OVERDRAWN", entry: {kind: "USAGE", sequence: "6"}, previous: "DEPLETED", threshold: "5"
      }}
      {balanceStateChanges: {
        at: "2026-01-01T00:00:00.000000Z", available: "2", balance: {customer: {externalId: "acme"}}, current: "LOW"
        entry: {kind: "TOP_UP", sequence: "7"}, previous: "OVERDRAWN", threshold: "5"
      }}
      {balanceStateChanges: {
        at: "2026-01-01T00:00:00.000000Z", available: "22", balance: {customer: {externalId: "acme"}}
        current: "ACTIVE", entry: {kind: "TOP_UP", sequence: "8"}, previous: "LOW", threshold: "5"
      }}
    ]
    "#);
});

both!(a_stream_of_states_can_be_of_one_product, async |db| {
    let api = Api::on(db).await;
    api.acme("1").await;
    let product = product_of_acme(&api).await;
    let other = api.product("other", &[], json!({})).await;
    let other = api.balance("acme", &other, "1", json!({})).await;
    let mut stream = watch_states(&api, &product, json!({"product": product})).await;
    api.retain(&other, "1", "k1").await;
    api.burn("e1", "1").await;
    let told = crossings(&mut stream, 1).await;
    answer!(told, @r#"
    [{balanceStateChanges: {
      at: "2026-01-01T00:00:00.000000Z", available: "0", balance: {customer: {externalId: "acme"}}
      current: "DEPLETED", entry: {kind: "USAGE", sequence: "2"}, previous: "ACTIVE", threshold: null
    }}]
    "#);
});
