//! A server that is killed while it catches up, again and again: in the end each period was granted and charged once.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use scrip::base::clock::Clock;
use scrip::base::ids::BalanceId;
use scrip::base::time::DAY;
use scrip::{ledger, subscriptions};
use serde_json::{Value, json};

use crate::graphql::subscriptions::shop::Shop;
use crate::support::db::{TestDb, both};
use crate::support::server::{Server, assert_verified};

const SEED: u64 = 20_261_123;
const CUSTOMERS: usize = 6;
/// How long the server was down: more than one step catches up on.
const DAYS: i64 = 230;
const KILLS: usize = 5;

/// How many entries the balances have together.
async fn written(db: &TestDb, balances: &[BalanceId]) -> i64 {
    let mut conn = db.read().await.expect("it can be read");
    let found = ledger::store::find_balances(&mut conn, balances).await.expect("they can be read");
    found.iter().map(|balance| balance.account.sequence).sum()
}

/// Whether nothing is left to be written down.
async fn is_done(db: &TestDb) -> bool {
    let now = Clock::System.now();
    let mut conn = db.read().await.expect("it can be read");
    let balances = ledger::store::list_due(&mut conn, now, 1).await.expect("they can be read");
    let due = subscriptions::store::list_due(&mut conn, now, 1).await.expect("they can be read");
    balances.is_empty() && due.is_empty()
}

both!(renewals_that_a_kill_cuts_short_are_there_once, async |db| {
    let shop = Shop::on(db).await;
    let began = Clock::System.now().plus_micros(-DAYS * DAY).expect("it can be written");
    shop.api.at(&began.to_string());
    let items = json!([
        {"productId": shop.ai, "options": {"credit": {"includedCredits": "10", "rolloverLimit": "5"}}},
        {"productId": shop.fee}, {"productId": shop.calls},
    ]);
    let daily = shop.plan("daily", "DAY", items).await;
    let mut made: Vec<(String, BalanceId)> = Vec::new();
    for customer in 0..CUSTOMERS {
        let name = format!("c{customer}");
        shop.api.customer(&name).await;
        let subscription = shop.subscribe(&daily, json!({"customer": {"externalId": name}})).await;
        let query = "query($id: ID!) { planSubscription(id: $id) { items { balance { id } } } }";
        let answer = shop.api.ask(query, json!({"id": subscription})).await;
        let balance = answer["data"]["planSubscription"]["items"][0]["balance"]["id"].as_str().expect("it has an id");
        made.push((subscription, balance.parse().expect("it is an id")));
    }
    let balances: Vec<BalanceId> = made.iter().map(|(_, balance)| *balance).collect();
    let mut random = StdRng::seed_from_u64(SEED);
    for _ in 0..KILLS {
        let mut server = Server::start(db.url());
        let enough = written(db, &balances).await + random.random_range(1..1_200);
        while written(db, &balances).await < enough && !is_done(db).await {}
        server.kill();
    }
    let mut server = Server::start(db.url());
    while !is_done(db).await {}
    server.kill();
    shop.api.at(&Clock::System.now().to_string());
    for (subscription, balance) in &made {
        shop.meter(subscription).await;
        assert_once(&shop, subscription, &balance.to_string()).await;
    }
    assert_verified(db.url());
});

/// Each period since the beginning has brought its allowance and cost its fee and its usage, once, in order.
async fn assert_once(shop: &Shop, subscription: &str, balance: &str) {
    let charges = pages(
        shop,
        "query($id: ID!, $after: String) { planSubscription(id: $id) { charges(first: 100, after: $after) {
            nodes { period { index start } product { key } } pageInfo { hasNextPage endCursor } } } }",
        (subscription, "/data/planSubscription/charges"),
    )
    .await;
    let of = |key: &str| {
        let mine = charges.iter().filter(|charge| charge["product"]["key"] == key);
        let mut periods: Vec<(i64, Value)> = mine
            .map(|charge| (charge["period"]["index"].as_i64().unwrap(), charge["period"]["start"].clone()))
            .collect();
        periods.sort_by_key(|(index, _)| *index);
        periods
    };
    let (fees, calls) = (of("platform"), of("calls"));
    let count = i64::try_from(fees.len()).unwrap();
    assert!(count > DAYS, "{count}");
    assert_eq!(fees.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
    assert_eq!(calls, fees[..calls.len()]);
    assert_eq!(i64::try_from(calls.len()).unwrap(), count - 1);
    let entries = pages(
        shop,
        "query($id: ID!, $after: String) { creditBalance(id: $id) { entries(kind: [ALLOWANCE], first: 100, after: $after) {
            nodes { occurredAt } pageInfo { hasNextPage endCursor } } } }",
        (balance, "/data/creditBalance/entries"),
    )
    .await;
    let granted: Vec<&Value> = entries.iter().rev().map(|entry| &entry["occurredAt"]).collect();
    assert_eq!(granted, fees.iter().map(|(_, start)| start).collect::<Vec<_>>());
}

/// All pages of a connection.
async fn pages(shop: &Shop, query: &str, (id, place): (&str, &str)) -> Vec<Value> {
    let (mut nodes, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = shop.api.ask(query, json!({"id": id, "after": after})).await;
        let page = answer.pointer(place).unwrap_or_else(|| panic!("{answer:#}")).clone();
        nodes.extend(page["nodes"].as_array().expect("it is a list").iter().cloned());
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return nodes;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}
