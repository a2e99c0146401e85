//! Servers as processes of their own: two that charge for one database, and one that is killed between charge and credits.

use std::net::SocketAddr;

use futures_util::future::join_all;
use scrip::base::clock::Clock;
use scrip::base::time::{DAY, MINUTE};
use serde_json::{Value, json};

use crate::graphql::purchases::{Shop, text};
use crate::support::api::Api;
use crate::support::db::{TestDb, both};
use crate::support::documents;
use crate::support::server::{Server, assert_verified};
use crate::support::socket::Socket;
use crate::support::stripe::{Mood, ORIGIN, SECRET_KEY, StandIn, WEBHOOK_SECRET};

/// A server whose money Stripe takes, and that tells all it may.
fn server(db: &TestDb, stripe: &StandIn) -> Server {
    let url = stripe.url();
    let set = [
        ("STRIPE_SECRET_KEY", SECRET_KEY),
        ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("STRIPE_API_URL", &url),
        ("SCRIP_ALLOWED_ORIGINS", ORIGIN),
        ("SCRIP_LOG", "trace"),
    ];
    Server::start_with(db.url(), &set)
}

/// The API of a server that is a process; `here` is a node in this one that serves nobody.
fn api(server: &Server, here: &Api) -> Api {
    let address: SocketAddr = server.url("", "").trim_start_matches("://").parse().expect("an address");
    here.at_address(address)
}

/// A shop at a server, whose customer has paid once and can be charged; its balance buys at 2499 and below until there are 5000: where the
/// batches of 50 calls end does not matter, since each that reaches 2499 leaves more than 2400.
async fn shop(api: Api, stripe: &StandIn) -> Shop {
    let shop = Shop::at(api, "3000").await;
    let bought = shop.buy(1, "first").await;
    let id = text(&bought["purchase"]["id"]);
    let page = stripe.page_of(&id).expect("it has a page");
    assert!(stripe.pay(&page, "pm_card"));
    assert_eq!(stripe.hint(&shop.api, "checkout.session.completed", &page).await, 200);
    assert_eq!(shop.stands(&id).await.0, "PAID");
    shop.set_auto(json!({"threshold": "2499", "target": "5000"})).await;
    shop
}

async fn burn(api: &Api, batch: usize) {
    let events: Vec<Value> = (0..50)
        .map(|number| json!({"id": format!("{batch}-{number}"), "customer": {"externalId": "acme"}, "type": "call"}))
        .collect();
    let payload = api.make("ingestEvents", "accepted", json!({"events": events})).await;
    assert_eq!(payload["accepted"], 50);
}

/// Waits until credits that were bought are there.
async fn watch(shop: &Shop) -> Socket {
    let query = &documents::balance_changes(
        "entry { kind purchase { id origin } }
        balance { available }",
    );
    let mut socket = Socket::subscribe(&shop.api, query, json!({"id": shop.balance})).await;
    socket.next().await;
    socket
}

async fn bought(socket: &mut Socket) -> String {
    loop {
        let change = socket.next().await;
        let entry = &change["balanceChanges"]["entry"];
        if entry["kind"] == "PURCHASE" {
            return text(&entry["purchase"]["id"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_under_concurrent_burning_charge_once_and_tell_no_key() {
    let db = &TestDb::postgres().await;
    let stripe = StandIn::start().await;
    let here = Api::on(db).await;
    here.app.clock.set(Clock::System.now());
    let servers = [server(db, &stripe), server(db, &stripe)];
    let apis = [api(&servers[0], &here), api(&servers[1], &here)];
    let shop = shop(apis[0].clone(), &stripe).await;
    let mut socket = watch(&shop).await;
    join_all((0..40).map(|batch| burn(&apis[batch % 2], batch))).await;
    let id = bought(&mut socket).await;
    let auto: Vec<Value> = shop.purchases().await.into_iter().filter(|one| one["origin"] == "AUTO_TOP_UP").collect();
    assert_eq!((auto.len(), &auto[0]["id"], stripe.payments().len()), (1, &json!(id), 2), "{auto:?}");
    let quantity = auto[0]["quantity"].as_i64().expect("a number");
    assert_eq!(shop.available().await, (3100 + quantity * 100 - 2000).to_string());
    // Money that is not as asked for is told to people who read logs, too.
    let odd = text(&shop.buy(1, "odd").await["purchase"]["id"]);
    let page = stripe.page_of(&odd).expect("it has a page");
    stripe.pay_as(&page, "pm_card", |session| session["amount_total"] = json!(1));
    assert_eq!(stripe.hint(&shop.api, "checkout.session.completed", &page).await, 200);
    assert_eq!(shop.stands(&odd).await.0, "PENDING");
    let logs: Vec<String> = servers.iter().flat_map(Server::log).collect();
    assert!(logs.iter().any(|line| line.contains("/v1/webhooks/stripe")), "they tell of requests: {logs:?}");
    assert!(logs.iter().any(|line| line.contains(&odd) && line.contains("instead of 20.00 EUR")), "{logs:?}");
    for secret in [SECRET_KEY, WEBHOOK_SECRET] {
        assert!(!logs.iter().any(|line| line.contains(secret)), "keys never reach a log");
    }
    drop(servers);
    assert_verified(db.url());
}

both!(a_server_that_is_killed_between_charge_and_credits_charges_once, threads, async |db| {
    let stripe = StandIn::start().await;
    let here = Api::on(db).await;
    here.app.clock.set(Clock::System.now());
    let mut first = server(db, &stripe);
    let shop = shop(api(&first, &here), &stripe).await;
    stripe.fare(&[Mood::Hung]);
    join_all((0..13).map(|batch| burn(&shop.api, batch))).await;
    stripe.hangs().await;
    first.kill();
    let id = text(&shop_of(&shop, &here).purchases().await[0]["id"]);
    assert_eq!((stripe.money(&id).1, shop_of(&shop, &here).stands(&id).await.0), (1, "PENDING".into()));
    // Another comes when the turn of the first is over.
    let settings = stripe.settings();
    let later = here.beside(db, settings).await;
    later.app.clock.set(Clock::System.now().plus_micros(2 * MINUTE).expect("a time"));
    let shop = shop_of(&shop, &later);
    while later.sweep().await > 0 {}
    assert_eq!((shop.stands(&id).await.0, stripe.money(&id).1, stripe.payments().len()), ("PAID".into(), 1, 2));
    assert_eq!(shop.available().await, (2450 + 2600).to_string());
    shop.assert_sound().await;
});

both!(a_server_that_is_killed_between_refund_and_its_note_gives_the_money_back_once, threads, async |db| {
    let stripe = StandIn::start().await;
    let here = Api::on(db).await;
    here.app.clock.set(Clock::System.now());
    let mut first = server(db, &stripe);
    let shop = Shop::at(api(&first, &here), "0").await;
    let id = text(&shop.buy(1, "p1").await["purchase"]["id"]);
    let page = stripe.page_of(&id).expect("it has a page");
    assert!(stripe.pay(&page, "pm_card"));
    assert_eq!(stripe.hint(&shop.api, "checkout.session.completed", &page).await, 200);
    stripe.fare_of_posts(Mood::Hung);
    let refund = tokio::spawn({
        let shop = shop.clone();
        let input = json!({"input": {"purchaseId": id}});
        async move {
            let query = &documents::mutation("refundPurchase", "replayed");
            shop.api.post("/graphql").json(&json!({"query": query, "variables": input})).send().await
        }
    });
    stripe.hangs().await;
    first.kill();
    assert!(refund.await.expect("it ends").is_err(), "nobody answered");
    assert_eq!((stripe.money(&id).0, shop_of(&shop, &here).stands(&id).await.0), (0, "REFUNDED".into()));
    // Two days later the key is forgotten at the provider.
    stripe.forget_keys();
    let later = here.beside(db, stripe.settings()).await;
    later.app.clock.set(Clock::System.now().plus_micros(2 * DAY).expect("a time"));
    while later.sweep().await > 0 {}
    assert_eq!((stripe.refunds(), shop_of(&shop, &later).stands(&id).await), (1, ("REFUNDED".into(), None)));
});

fn shop_of(shop: &Shop, api: &Api) -> Shop {
    Shop { api: api.clone(), ..shop.clone() }
}
