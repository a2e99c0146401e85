//! What a query costs does not grow with its page.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::db::both;

both!(a_page_of_customers_costs_the_same_statements_however_long_it_is, async |db| {
    let api = Api::on(db).await;
    let (calls, tokens) = (api.meter("calls", "call").await, api.sum("tokens", "call", "count").await);
    let product = api.product("ai", &[(&calls, "1"), (&tokens, "2")], json!({})).await;
    let mut events = Vec::new();
    for number in 0..50 {
        let customer = format!("customer-{number}");
        api.customer(&customer).await;
        api.balance(&customer, &product, "10", json!({})).await;
        for event in 0..3 {
            events.push(json!({"id": event.to_string(), "customer": {"externalId": customer}, "type": "call",
                               "properties": {"count": 1}}));
        }
    }
    api.make("ingestEvents", "accepted", json!({"events": events})).await;
    let query = "query($first: Int) { customers(first: $first) { nodes { name cursor creditBalances { ...Balance
        product { key } purchaseOptions { id } overdraft { policy } entries(first: 5) { nodes { ...Entry event { eventId }
        rating { meter { key } } reversedBy { id } allocations { grant { source state balance { id } } } } } } } } }";
    let mut costs = Vec::new();
    for first in [5, 50] {
        let before = api.app.db.statements();
        let page = api.ask(query, json!({"first": first})).await;
        costs.push(api.app.db.statements() - before);
        let customers = page.pointer("/data/customers/nodes").and_then(Value::as_array).expect("a page");
        let entries =
            |customer: &Value| customer.pointer("/creditBalances/0/entries/nodes").unwrap().as_array().unwrap().len();
        assert_eq!(customers.iter().map(entries).sum::<usize>(), customers.len() * 5, "{page:#}");
    }
    assert_eq!(costs[0], costs[1], "statements of a page of 5 and of 50 customers");
});
