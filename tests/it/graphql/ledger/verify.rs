//! The chain can be recomputed by a stranger, from API answers alone.

use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::db::on_sqlite;
use crate::support::documents;

/// What the script says of the desk's balance, and whether it was content.
async fn script(desk: &Desk) -> (bool, String) {
    let url = format!("http://{}/graphql", desk.api.address);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify.py");
    let arguments = [script.to_owned(), url, desk.balance.clone()];
    let run = tokio::task::spawn_blocking(|| std::process::Command::new("python3").args(arguments).output()).await;
    let run = run.expect("it ends").expect("python3 can be run");
    let said = [run.stdout, run.stderr].map(|bytes| String::from_utf8(bytes).expect("it is text")).concat();
    (run.status.success(), said.trim().to_owned())
}

/// A balance with every kind of entry that there is, in words that are hard to write.
async fn lived(desk: &Desk) {
    let Desk { api, balance } = desk;
    let words = json!({"reason": "für \"Sie\"\n\u{1}\u{7f}\u{20ac}\u{1f600} </script>\\", "priority": 7,
                       "expiresAt": "2026-01-01T01:00:00.000001Z",
                       "metadata": {"b": [1.0, 1e21, -0.0, 1.5e-7, 333_333_333.333_333_3, 100, 0.1], "a": {"": null, "\u{e9}": true},
                                    "\u{1f600}": "\u{2028}", "\u{fb33}": 12_345_678_901_i64, "10": false, "9": "nine"}});
    let input = |more: Value| {
        let mut input = json!({"balanceId": balance, "credits": "50.25", "idempotencyKey": "k\u{e9}y \"1\""});
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        input
    };
    api.make("topUpCredits", "replayed", input(words)).await;
    let later = api.top_up(balance, "5", "later", json!({"effectiveAt": "2026-01-01T00:30:00Z"})).await;
    for n in 0..120 {
        api.burn(&format!("e{n}"), "0.123456").await;
    }
    let (captured, lapsed) = (desk.hold("8", 60).await, desk.hold("2.5", 120).await);
    desk.capture(&captured, Some("3.000001"), "REJECT").await;
    api.retain(balance, "1", "by hand").await;
    desk.reverse(4, None).await;
    api.make("updateGrant", "replayed", json!({"id": later, "priority": 3})).await;
    desk.say("extendHold", json!({"holdId": lapsed, "ttlSeconds": 180})).await;
    api.at("2026-01-01T02:00:00Z");
    api.work().await;
    desk.void(&later).await;
    api.burn("too much", "1000").await;
}

on_sqlite!(the_script_of_the_documentation_recomputes_the_chain_from_api_answers, async |db| {
    let desk = Desk::with(db, "10").await;
    lived(&desk).await;
    let (content, said) = script(&desk).await;
    let query = &documents::balance("lastSequence entries(first: 1) { nodes { hash } }");
    let balance = desk.api.ask(query, json!({"id": desk.balance})).await["data"]["creditBalance"].clone();
    let [count, hash] = [&balance["lastSequence"], &balance["entries"]["nodes"][0]["hash"]].map(super::desk::text);
    assert_eq!((content, said), (true, format!("{count} entries agree; the last hash is {hash}")));
    desk.proven().await;
    db.tamper("UPDATE entries SET reason = 'another' WHERE kind = 7").await;
    let (content, said) = script(&desk).await;
    let named = said.starts_with("Entry 127 ") && said.ends_with("does not follow from the one before it.");
    assert!(!content && named, "{said}");
});

on_sqlite!(the_script_recomputes_what_periods_brought, async |db| {
    let shop = crate::graphql::subscriptions::shop::Shop::on(db).await;
    shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "40").await;
    shop.api.at("2026-03-01T00:00:00Z");
    shop.api.work().await;
    let query = "{ creditBalances { nodes { id } } }";
    let found = shop.api.ask(query, json!({})).await;
    let balance = super::desk::text(&found["data"]["creditBalances"]["nodes"][0]["id"]);
    let desk = Desk { api: shop.api, balance };
    let (content, said) = script(&desk).await;
    assert!(content && said.starts_with("9 entries agree"), "{said}");
});
