//! What is in the server before it is measured: a meter, a product with a rule for it, and customers with a balance
//! each; all of it made by the API.

use std::fmt::Write as _;

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::http::{Head, Http};
use crate::server::Server;
use crate::{CUSTOMERS, Failure};

/// The type of all events.
pub(crate) const EVENT_TYPE: &str = "llm.tokens";
/// What stands in the property by which the meter filters.
pub(crate) const MODEL: &str = "nova-pro";

/// Customers that one request makes, each with its balance.
const BATCH: usize = 10;
/// Connections that make them side by side.
const CONNECTIONS: usize = 32;

const CREATE_METER: &str =
    "mutation M($input: CreateMeterInput!) { made: createMeter(input: $input) { meter { id } errors { message } } }";
const CREATE_PRODUCT: &str = "mutation P($input: CreateCreditProductInput!) { \
     made: createCreditProduct(input: $input) { product { id } errors { message } } }";

/// What the load must know of what is there.
pub(crate) struct Catalog {
    /// The balances' ids, by the customers' numbers.
    pub(crate) balances: Vec<String>,
}

/// Makes everything.
pub(crate) async fn fill(server: &Server) -> Result<Catalog, Failure> {
    let head = Head::post(server.door(), "/graphql", "application/json");
    let mut http = Http::connect(server.address).await?;
    let meter = json!({
        "key": "nova-pro-tokens", "name": "Tokens of Nova Pro", "eventType": EVENT_TYPE, "aggregation": "SUM",
        "property": "tokens",
        "filter": [{ "all": [{ "name": "model", "operator": "EQ", "values": [MODEL] }] }],
    });
    let meter = create(&mut http, &head, (CREATE_METER, meter)).await?;
    let product = json!({
        "key": "credits", "name": "Credits",
        "consumption": [{ "meterId": id_in(&meter, "/made/meter/id")?, "creditsPerUnit": "0.004" }],
    });
    let product = create(&mut http, &head, (CREATE_PRODUCT, product)).await?;
    let product = id_in(&product, "/made/product/id")?;
    let share = CUSTOMERS.div_ceil(CONNECTIONS);
    let shares = (0..CUSTOMERS).step_by(share).map(|from| {
        let (head, product) = (&head, product.as_str());
        async move {
            let http = Http::connect(server.address).await?;
            open_balances(http, head, (from..CUSTOMERS.min(from + share), product)).await
        }
    });
    Ok(Catalog { balances: try_join_all(shares).await?.concat() })
}

async fn create(http: &mut Http, head: &Head, (document, input): (&str, Value)) -> Result<Value, Failure> {
    mutate(http, head, &json!({ "query": document, "variables": { "input": input } })).await
}

/// Makes customers of a range of numbers with a balance each; answers the balances' ids in order.
async fn open_balances(
    mut http: Http,
    head: &Head,
    (numbers, product): (std::ops::Range<usize>, &str),
) -> Result<Vec<String>, Failure> {
    let numbers: Vec<usize> = numbers.collect();
    let mut balances = Vec::with_capacity(numbers.len());
    for batch in numbers.chunks(BATCH) {
        let mut variables = serde_json::Map::new();
        for (place, number) in batch.iter().enumerate() {
            let external_id = format!("c{number}");
            variables.insert(
                format!("c{place}"),
                json!({ "externalId": external_id, "name": format!("Customer {number}") }),
            );
            variables.insert(
                format!("b{place}"),
                json!({
                    "customer": { "externalId": external_id }, "productId": product, "startingBalance": "1000000000",
                }),
            );
        }
        let data = mutate(&mut http, head, &json!({ "query": document(batch.len()), "variables": variables })).await?;
        for place in 0..batch.len() {
            balances.push(id_in(&data, &format!("/b{place}/balance/id"))?);
        }
    }
    Ok(balances)
}

/// One request for so many customers. Mutations run in order, so each customer is there before its balance.
fn document(customers: usize) -> String {
    let mut variables = String::new();
    let mut fields = String::new();
    for place in 0..customers {
        // Writing to a String does not fail.
        let _ = write!(variables, "$c{place}: CreateCustomerInput!, $b{place}: CreateCreditBalanceInput!, ");
        let _ = write!(
            fields,
            "c{place}: createCustomer(input: $c{place}) {{ errors {{ message }} }} \
             b{place}: createCreditBalance(input: $b{place}) {{ balance {{ id }} errors {{ message }} }} "
        );
    }
    format!("mutation Open({variables}) {{ {fields} }}")
}

/// Runs mutations and answers their data; an error of any kind fails.
async fn mutate(http: &mut Http, head: &Head, request: &Value) -> Result<Value, Failure> {
    let answer = http.send(head, request.to_string().as_bytes()).await?;
    let mut json: Value = serde_json::from_str(&answer.body)?;
    let data = json.pointer_mut("/data").map(Value::take).unwrap_or_default();
    let fields = data.as_object().map(|fields| fields.values()).into_iter().flatten();
    let refused = fields.clone().any(|field| field["errors"].as_array().is_none_or(|errors| !errors.is_empty()));
    if answer.status != 200 || fields.count() == 0 || refused {
        return Err(format!("{request} was answered {} {}", answer.status, answer.body).into());
    }
    Ok(data)
}

fn id_in(data: &Value, place: &str) -> Result<String, Failure> {
    let id = data.pointer(place).and_then(Value::as_str);
    Ok(id.ok_or_else(|| format!("there is no {place} in {data}"))?.to_owned())
}
