//! Buying credits: purchases that are paid by hand, refunded, canceled; and balances that buy by themselves.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::both;

const PURCHASE: &str = "purchase { id status quantity credits price { amount currency } origin provider failureReason \
    grant { source state credits remaining cost { amount } purchase { status } } refunded { amount } paidAt endedAt }
    balance { available } replayed";

/// An option of acme's product; its id.
async fn option(api: &Api, credits: &str, price: &str) -> String {
    let found = api.ask("{ products { nodes { id } } }", json!({})).await;
    let input = json!({"productId": found["data"]["products"]["nodes"][0]["id"], "name": format!("{credits} credits"),
                       "credits": credits, "price": {"amount": price, "currency": "EUR"}});
    let made = api.make("createPurchaseOption", "purchaseOption { id }", input).await;
    made["purchaseOption"]["id"].as_str().expect("an id").to_owned()
}

/// The payload of a mutation that is refused, or not.
async fn told(api: &Api, mutation: &str, kind: &str, input: Value) -> Value {
    let query = format!(
        "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ purchase {{ id }} errors {{ ...Error }} }} }}"
    );
    let answer = api.ask(&query, json!({"input": input})).await;
    answer["data"][mutation].as_object().map(|it| json!(it)).unwrap_or(answer)
}

async fn buy(api: &Api, (balance, option): (&str, &str), quantity: i32, key: &str) -> Value {
    let input = json!({"balanceId": balance, "optionId": option, "quantity": quantity, "idempotencyKey": key});
    api.make("purchaseCredits", PURCHASE, input).await
}

both!(a_purchase_that_is_paid_brings_its_credits_once, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("1").await;
    let option = option(&api, "100", "19.99").await;
    let made = buy(&api, (&balance, &option), 2, "p1").await;
    assert_eq!(
        (&made["purchase"]["status"], &made["balance"]["available"]),
        (&json!("PENDING"), &json!("1")),
        "{made}"
    );
    let id = json!({"purchaseId": made["purchase"]["id"]});
    let paid = api.make("markPurchasePaid", PURCHASE, id.clone()).await;
    let again = api.make("markPurchasePaid", PURCHASE, id.clone()).await;
    assert_eq!((&paid["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    assert_eq!((&paid["balance"], &again["balance"]), (&json!({"available": "201"}), &json!({"available": "201"})));
    let repeated = buy(&api, (&balance, &option), 2, "p1").await;
    assert_eq!((&repeated["replayed"], &repeated["purchase"]["status"]), (&json!(true), &json!("PAID")));
    let other = json!({"balanceId": balance, "optionId": option, "quantity": 1, "idempotencyKey": "p1"});
    let other = told(&api, "purchaseCredits", "PurchaseCreditsInput", other).await;
    assert_eq!(other["errors"][0]["__typename"], "IdempotencyConflict", "{other}");
    answer!(paid["purchase"], @r#"
    {
      credits: "200", endedAt: null, failureReason: null
      grant: {
        cost: {amount: "39.98"}, credits: "200", purchase: {status: "PAID"}, remaining: "200", source: "PURCHASE"
        state: "ACTIVE"
      }
      id: "pur_06dndml801o07ai17capb161480g2", origin: "API", paidAt: "2026-01-01T00:00:00.000000Z"
      price: {amount: "39.98", currency: "EUR"}, provider: "MANUAL", quantity: 2, refunded: {amount: "0.00"}
      status: "PAID"
    }
    "#);
    api.burn("e1", "51").await;
    let refunded = api.make("refundPurchase", PURCHASE, id.clone()).await;
    answer!(refunded, @r#"
    {
      balance: {available: "0"}, errors: []
      purchase: {
        credits: "200", endedAt: "2026-01-01T00:00:00.000000Z", failureReason: null
        grant: {
          cost: {amount: "39.98"}, credits: "200", purchase: {status: "REFUNDED"}, remaining: "0", source: "PURCHASE"
          state: "VOIDED"
        }
        id: "pur_06dndml801o07ai17capb161480g2", origin: "API", paidAt: "2026-01-01T00:00:00.000000Z"
        price: {amount: "39.98", currency: "EUR"}, provider: "MANUAL", quantity: 2, refunded: {amount: "29.98"}
        status: "REFUNDED"
      }
      replayed: false
    }
    "#);
    let again = api.make("refundPurchase", PURCHASE, id).await;
    assert_eq!(again["replayed"], true);
});

both!(a_balance_buys_by_itself_once_and_says_why_not, async |db| {
    let api = Api::on(db).await;
    let balance = api.acme("100").await;
    let option = option(&api, "50", "5").await;
    let fields = "balance { autoTopUp { enabled threshold target dailyLimit status blockedReason } }";
    let input = json!({"balanceId": balance, "enabled": true, "threshold": "20", "optionId": option, "target": "120"});
    let set = api.make("setAutoTopUp", fields, input).await;
    answer!(set, @r#"
    {
      balance: {autoTopUp: {
        blockedReason: null, dailyLimit: 5, enabled: true, status: "IDLE", target: "120", threshold: "20"
      }}
      errors: []
    }
    "#);
    for at in 0..90 {
        api.burn(&format!("e{at}"), "1").await;
    }
    let found = api.ask("{ purchases { nodes { id quantity credits origin status } } }", json!({})).await;
    let nodes = found["data"]["purchases"]["nodes"].as_array().expect("a list");
    assert_eq!(nodes.len(), 1, "{found}");
    assert_eq!((&nodes[0]["quantity"], &nodes[0]["origin"]), (&json!(2), &json!("AUTO_TOP_UP")));
    let paid = api.make("markPurchasePaid", PURCHASE, json!({"purchaseId": nodes[0]["id"]})).await;
    assert_eq!(paid["balance"]["available"], "110");
});
