//! Streams across the nodes of one database.

use scrip::base::clock::Clock;
use serde_json::{Value, json};

use super::streams::{ALL, ONE, crossings, product_of_acme, watch_states};
use crate::support::answer::answer;
use crate::support::api::{Api, time};
use crate::support::db::TestDb;
use crate::support::socket::Socket;

#[tokio::test]
async fn a_change_that_one_node_commits_arrives_on_a_stream_of_another() {
    let db = TestDb::postgres().await;
    let one = Api::on(&db).await;
    let two = one.another_on(&db, 2).await;
    let balance = one.acme("10").await;
    let mut stream = Socket::subscribe(&two, ONE, json!({"id": balance})).await;
    let first = stream.next().await;
    one.burn("e1", "4").await;
    let second = stream.next().await;
    two.burn("e2", "3").await;
    one.burn("e3", "2").await;
    let messages = json!([first, second, stream.take(2).await]);
    answer!(messages, @r#"
    [
      {balanceChanges: {
        available: "10", balance: {lastSequence: "1"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 1"
        entry: null, held: "0", settled: "10", state: "ACTIVE"
      }}
      {balanceChanges: {
        available: "6", balance: {lastSequence: "2"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 2"
        entry: {credits: "-4", kind: "USAGE", sequence: "2"}, held: "0", settled: "6", state: "ACTIVE"
      }}
      [
        {balanceChanges: {
          available: "3", balance: {lastSequence: "3"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 3"
          entry: {credits: "-3", kind: "USAGE", sequence: "3"}, held: "0", settled: "3", state: "ACTIVE"
        }}
        {balanceChanges: {
          available: "1", balance: {lastSequence: "4"}, cursor: "balanceChanges bal_06dndml801o07ai17capb161480g 4"
          entry: {credits: "-2", kind: "USAGE", sequence: "4"}, held: "0", settled: "1", state: "ACTIVE"
        }}
      ]
    ]
    "#);
}

#[tokio::test]
async fn a_customers_stream_on_another_node_hears_of_a_balance_that_is_opened_on_this_one() {
    let db = TestDb::postgres().await;
    let one = Api::on(&db).await;
    let two = one.another_on(&db, 2).await;
    one.acme("10").await;
    let mut stream = Socket::subscribe(&two, ALL, json!({})).await;
    let first = stream.next().await;
    let other = one.product("other", &[], json!({})).await;
    one.balance("acme", &other, "5", json!({})).await;
    one.burn("e1", "4").await;
    let messages = json!([first, stream.take(2).await]);
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
      ]
    ]
    "#);
}

#[tokio::test]
async fn a_crossing_on_one_node_is_told_once_on_another() {
    let db = TestDb::postgres().await;
    let one = Api::on(&db).await;
    let two = one.another_on(&db, 2).await;
    let balance = one.acme("1").await;
    let product = product_of_acme(&one).await;
    let mut stream = watch_states(&two, &product, json!({})).await;
    one.burn("e1", "1").await;
    one.top_up(&balance, "2", "k1", json!({})).await;
    two.burn("e2", "2").await;
    let told = crossings(&mut stream, 3).await;
    answer!(told, @r#"
    [
      {balanceStateChanges: {
        at: "2026-01-01T00:00:00.000000Z", available: "0", balance: {customer: {externalId: "acme"}}
        current: "DEPLETED", entry: {kind: "USAGE", sequence: "2"}, previous: "ACTIVE", threshold: null
      }}
      {balanceStateChanges: {
        at: "2026-01-01T00:00:00.000000Z", available: "2", balance: {customer: {externalId: "acme"}}
        current: "ACTIVE", entry: {kind: "TOP_UP", sequence: "3"}, previous: "DEPLETED", threshold: null
      }}
      {balanceStateChanges: {
        at: "2026-01-01T00:00:00.000000Z", available: "0", balance: {customer: {externalId: "acme"}}
        current: "DEPLETED", entry: {kind: "USAGE", sequence: "4"}, previous: "ACTIVE", threshold: null
      }}
    ]
    "#);
}

#[tokio::test]
async fn a_crossing_is_told_whatever_the_clock_of_the_node_that_wrote_it_says() {
    let db = TestDb::postgres().await;
    let one = Api::on(&db).await;
    let balance = one.acme("1").await;
    let product = product_of_acme(&one).await;
    let mut stream = watch_states(&one, &product, json!({})).await;
    let behind = Api::at_time_of(&db, Clock::at(time("2025-12-31T00:00:00Z")), 2).await;
    let ahead = Api::at_time_of(&db, Clock::at(time("2026-01-02T00:00:00Z")), 3).await;
    // Each on a balance of its own, since times never go back within one.
    for (node, name) in [(&behind, "behind"), (&ahead, "ahead")] {
        node.customer(name).await;
        let own = node.balance(name, &product, "1", json!({})).await;
        node.retain(&own, "1", name).await;
    }
    one.retain(&balance, "1", "one").await;
    one.at("2025-12-01T00:00:00Z");
    one.top_up(&balance, "1", "put back", json!({})).await;
    let told = crossings(&mut stream, 4).await;
    let told = told.as_array().expect("a list").iter().map(|told| {
        let told = &told["balanceStateChanges"];
        json!([told["balance"]["customer"]["externalId"], told["current"], told["at"]])
    });
    answer!(told.collect::<Value>(), @r#"
    [
      ["behind", "DEPLETED", "2025-12-31T00:00:00.000000Z"], ["ahead", "DEPLETED", "2026-01-02T00:00:00.000000Z"]
      ["acme", "DEPLETED", "2026-01-01T00:00:00.000000Z"], ["acme", "ACTIVE", "2026-01-01T00:00:00.000000Z"]
    ]
    "#);
}
