//! Streams of the ledger through the API on both databases.

use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};

use crate::support::db::{both, on_sqlite};
use crate::support::direct::{Api, at};
use crate::support::documents;

const BALANCE: &str = "subscription($id: ID!, $after: String) { balanceChanges(balanceId: $id, after: $after) {
    cursor entry { sequence } available state balance { available } } }";
const CUSTOMER: &str = "subscription($name: String!, $after: String) {
    customerBalanceChanges(customer: { externalId: $name }, after: $after) {
        cursor entry { sequence credits } customer { externalId } } }";
const STATES: &str = "subscription($product: ID) { balanceStateChanges(productId: $product) {
    previous current available threshold at entry { sequence } balance { id } } }";

async fn next(stream: &mut (impl Stream<Item = Value> + Unpin)) -> Value {
    let mut response = stream.next().await.expect("the stream goes on");
    assert!(response.get("errors").is_none(), "{response:#}");
    response["data"].as_object_mut().unwrap().values_mut().next().unwrap().take()
}

async fn refusal(stream: &mut (impl Stream<Item = Value> + Unpin)) -> String {
    let response = stream.next().await.expect("an error is told");
    assert!(stream.next().await.is_none(), "an error ends the stream");
    let error = &response["errors"][0];
    assert_eq!(error["extensions"]["code"], json!("BAD_USER_INPUT"), "{response:#}");
    error["message"].as_str().unwrap().to_owned()
}

both!(a_balance_is_watched_from_now_on_and_from_any_cursor, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let id = api.account("acme", &product, "10").await;
    let mut live = api.watch(BALANCE, json!({ "id": id }));
    let up_to_date = next(&mut live).await;
    assert_eq!((&up_to_date["entry"], &up_to_date["available"]), (&Value::Null, &json!("10")));
    api.work(&[("e1", "acme", 1), ("e2", "acme", 2)]).await;
    let (first, second) = (next(&mut live).await, next(&mut live).await);
    assert_eq!((&first["entry"]["sequence"], &first["available"]), (&json!("2"), &json!("9")));
    assert_eq!(first["balance"]["available"], json!("7"), "the balance is as it stands when it is read");
    assert_eq!((&second["entry"]["sequence"], &second["available"]), (&json!("3"), &json!("7")));

    let mut resumed = api.watch(BALANCE, json!({ "id": id, "after": up_to_date["cursor"] }));
    assert_eq!(next(&mut resumed).await, first);
    assert_eq!(next(&mut resumed).await["cursor"], second["cursor"]);
    assert_eq!(next(&mut resumed).await["entry"], Value::Null);
    api.retain(&id, "r", json!({ "credits": "7" })).await;
    let last = next(&mut resumed).await;
    assert_eq!((&last["state"], &last["entry"]["sequence"]), (&json!("DEPLETED"), &json!("4")));
    assert_eq!(next(&mut live).await["cursor"], last["cursor"]);
    let read = api.field(&documents::balance("cursor"), json!({ "id": id })).await;
    assert_eq!(read["cursor"], last["cursor"]);

    let close = &documents::mutation("closeCreditBalance", "errors { code }");
    api.field(close, json!({ "input": { "id": id } })).await;
    assert!(resumed.next().await.is_none() && live.next().await.is_none(), "a closed balance completes its streams");
    let mut late = api.watch(BALANCE, json!({ "id": id, "after": second["cursor"] }));
    assert_eq!(next(&mut late).await["entry"]["sequence"], json!("4"));
    assert_eq!(next(&mut late).await["state"], json!("CLOSED"));
    assert!(late.next().await.is_none());
});

on_sqlite!(a_cursor_that_is_not_the_streams_own_is_refused, async |db| {
    let api = Api::over(db);
    let product = api.product("ai").await;
    let (one, two) = (api.account("a", &product, "1").await, api.account("b", &product, "1").await);
    let cursor = &documents::balance("cursor customer { cursor } entries { edges { cursor } }");
    let of = async |id: &str| api.field(cursor, json!({ "id": id })).await;
    let (mine, other) = (of(&one).await, of(&two).await);
    let watch = |after: &Value| api.watch(BALANCE, json!({ "id": one, "after": after }));
    assert!(refusal(&mut watch(&other["cursor"])).await.contains("another list"));
    assert!(refusal(&mut watch(&mine["customer"]["cursor"])).await.contains("another list"));
    assert!(refusal(&mut watch(&mine["entries"]["edges"][0]["cursor"])).await.contains("another list"));
    assert!(refusal(&mut watch(&json!("nonsense"))).await.contains("not a cursor"));
    let ahead = data_encoding::BASE64URL_NOPAD.encode(format!("balanceChanges\n{one}\n2").as_bytes());
    assert!(refusal(&mut watch(&json!(ahead))).await.contains("ahead of the ledger"));
    let of_customer = api.watch(CUSTOMER, json!({ "name": "a", "after": other["customer"]["cursor"] }));
    assert!(refusal(&mut { of_customer }).await.contains("another list"));
    let mut nobody = api.watch(CUSTOMER, json!({ "name": "nobody" }));
    assert!(refusal(&mut nobody).await.contains("names nobody"));
    let mut wrong = api.watch(BALANCE, json!({ "id": product }));
    assert!(refusal(&mut wrong).await.contains("a credit balance is needed here"));
});

both!(a_customer_is_watched_with_balances_that_are_opened_later, async |db| {
    let api = Api::over(db);
    let (product, other) = (api.product("ai").await, api.product("other").await);
    let customer = api.customer("acme").await;
    let read = "query($id: ID!) { customer(by: { id: $id }) { cursor } }";
    let cursor = api.field(read, json!({ "id": customer })).await["cursor"].take();
    let mut live = api.watch(CUSTOMER, json!({ "name": "acme" }));
    assert_eq!(next(&mut live).await["entry"], Value::Null);
    let one = api.balance("acme", &product, "1").await;
    assert_eq!(next(&mut live).await["entry"], json!({ "sequence": "1", "credits": "1" }));
    api.balance("acme", &other, "2").await;
    let second = next(&mut live).await;
    assert_eq!(second["entry"], json!({ "sequence": "1", "credits": "2" }));
    api.top_up(&one, "k", json!({ "credits": "3" })).await;
    let third = next(&mut live).await;
    assert_eq!(third["entry"], json!({ "sequence": "2", "credits": "3" }));
    assert_eq!(third["customer"]["externalId"], json!("acme"));

    let mut resumed = api.watch(CUSTOMER, json!({ "name": "acme", "after": second["cursor"] }));
    assert_eq!(next(&mut resumed).await, third);
    assert_eq!(next(&mut resumed).await["entry"], Value::Null);
    let mut all = api.watch(CUSTOMER, json!({ "name": "acme", "after": cursor }));
    let mut credits = Vec::new();
    for _ in 0..3 {
        credits.push(next(&mut all).await["entry"]["credits"].take());
    }
    credits.sort_by_key(ToString::to_string);
    assert_eq!(credits, [json!("1"), json!("2"), json!("3")]);
    assert_eq!(next(&mut all).await["cursor"], api.field(read, json!({ "id": customer })).await["cursor"]);
});

both!(a_change_of_state_is_told_once_and_with_its_entry, async |db| {
    let api = Api::over(db);
    let (product, other) = (api.product("ai").await, api.product("other").await);
    let id = api.account("acme", &product, "10").await;
    api.balance("acme", &other, "1").await;
    let update = &documents::mutation("updateCreditBalance", "errors { code }");
    api.field(update, json!({ "input": { "id": id, "lowBalanceThreshold": "4" } })).await;
    api.set_clock(1);
    let mut states = api.watch(STATES, json!({ "product": product }));
    // The stream is live only and says nothing when it begins, so there is something to hear until all is heard.
    let there_and_back = async {
        for round in 0.. {
            api.retain(&id, &format!("down {round}"), json!({ "credits": "7" })).await;
            api.top_up(&id, &format!("up {round}"), json!({ "credits": "7" })).await;
        }
    };
    let heard = async {
        let mut heard = Vec::new();
        for _ in 0..4 {
            heard.push(next(&mut states).await);
        }
        heard
    };
    let heard = match futures_util::future::select(Box::pin(heard), Box::pin(there_and_back)).await {
        futures_util::future::Either::Left((heard, _)) => heard,
        futures_util::future::Either::Right(((), _)) => unreachable!("it goes there and back for ever"),
    };
    let sequence = |message: &Value| message["entry"]["sequence"].as_str().unwrap().parse::<i64>().unwrap();
    for (one, other) in heard.iter().zip(heard.iter().skip(1)) {
        assert_eq!(sequence(other), sequence(one) + 1, "each crossing is told once, in order");
        assert_eq!(other["previous"], one["current"]);
    }
    let low = heard.iter().find(|message| message["current"] == json!("LOW")).unwrap();
    assert_eq!(
        low,
        &json!({
            "previous": "ACTIVE", "current": "LOW", "available": "3", "threshold": "4", "at": at(1).to_string(),
            "entry": { "sequence": sequence(low).to_string() }, "balance": { "id": id },
        })
    );
    let mut nothing = api.watch(STATES, json!({ "product": api.customer("x").await.replace("cus_", "prd_") }));
    assert!(refusal(&mut nothing).await.contains("names no credit product"));
});
