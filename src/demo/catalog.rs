//! What the demo's platform sells: meters, credits with purchase options, and plans.

use serde_json::json;

use super::{MODELS, PRODUCT, decimal, euro};
use crate::base::ids::{Ids, MeterId, ProductId};
use crate::base::patch::Patch;
use crate::base::period::Interval;
use crate::base::time::Time;
use crate::catalog::input::{
    AggregationKind, ExpirationPolicy, GivenExpiration, GivenKind, GivenPrice, GivenRule, NewCreditProduct, NewMeter,
    NewPricedProduct, NewPurchaseOption,
};
use crate::catalog::model::{EventFilter, FilterOperator, PropertyFilter};
use crate::catalog::plans::input::{GivenCredit, GivenItem, GivenOptions, NewContent, NewPlan};
use crate::catalog::plans::service::create_plan;
use crate::catalog::product_rules::DEFAULT_UNIT;
use crate::catalog::service as catalog;
use crate::catalog::store::find_product_by_key;
use crate::db::{Failure, Txn};

/// A plan of the demo: key, name, included credits a month, how many of them roll over, the fee in EUR.
const PLANS: [(&str, &str, &str, &str, &str); 2] =
    [("team", "Team", "600", "150", "29.00"), ("scale", "Scale", "6000", "1000", "199.00")];

/// The meters, the products, the purchase options and the plans: all of them, or none.
pub(super) async fn make_catalog(txn: &mut Txn, ids: &Ids, now: Time) -> Result<ProductId, Failure> {
    if let Some(made) = find_product_by_key(txn, PRODUCT).await? {
        return Ok(made.id);
    }
    let mut consumption = Vec::new();
    for (model, weight, _) in MODELS {
        let key = format!("{}_tokens", model.replace('-', "_"));
        let filter = PropertyFilter { name: "model".into(), operator: FilterOperator::Eq, values: vec![json!(model)] };
        let meter = NewMeter {
            key,
            name: format!("Tokens of {model}"),
            event_type: "llm.tokens".into(),
            aggregation: AggregationKind::Sum,
            property: Some("tokens".into()),
            filter: vec![EventFilter { all: vec![filter] }],
        };
        let meter = catalog::create_meter(txn, ids, now, &meter).await?.id;
        consumption.push(GivenRule { meter: meter.into(), credits_per_unit: decimal(weight)? });
    }
    let images = NewMeter {
        key: "images".into(),
        name: "Images".into(),
        event_type: "image.generated".into(),
        aggregation: AggregationKind::Count,
        property: None,
        filter: Vec::new(),
    };
    let meter = catalog::create_meter(txn, ids, now, &images).await?.id;
    consumption.push(GivenRule { meter: meter.into(), credits_per_unit: decimal("10")? });
    let product = NewCreditProduct {
        key: PRODUCT.into(),
        name: "AI credits".into(),
        description: Some("One balance for all models and images.".into()),
        unit_name: DEFAULT_UNIT.into(),
        consumption,
        low_balance_threshold: Some(decimal("100")?),
        overdraft: None,
        expiration: Some(GivenExpiration { policy: ExpirationPolicy::AfterDays, days: Some(365) }),
        metadata: None,
    };
    let product = catalog::create_credit_product(txn, ids, now, &product).await?.id;
    for (position, (name, amount, price)) in
        (0..).zip([("Starter", "500", "9.00"), ("Team", "2500", "39.00"), ("Studio", "10000", "129.00")])
    {
        let option = NewPurchaseOption {
            product: product.into(),
            name: name.into(),
            credits: decimal(amount)?,
            price: self::price(price)?,
            show_in_portal: true,
            position,
            per_customer: None,
        };
        catalog::create_purchase_option(txn, (ids, now), &option, None).await?;
    }
    make_plans(txn, ids, now, (product, meter)).await?;
    Ok(product)
}

/// What money is paid for, and the plans that put it together with credits.
async fn make_plans(
    txn: &mut Txn,
    ids: &Ids,
    now: Time,
    (credits, images): (ProductId, MeterId),
) -> Result<(), Failure> {
    let priced = |key: &str, kind, name: &str, amount: &str| {
        let prices = vec![price(amount)?];
        let (key, name) = (key.to_owned(), name.to_owned());
        Ok::<_, Failure>(NewPricedProduct { key, kind, name, description: None, prices, metadata: None })
    };
    let seats = priced("workspace_seats", GivenKind::Seat, "Seats", "12.00")?;
    let seats = catalog::create_priced_product(txn, ids, now, &seats).await?.id;
    let delivery = priced("image_delivery", GivenKind::Usage(images.into()), "Image delivery", "0.015")?;
    let delivery = catalog::create_priced_product(txn, ids, now, &delivery).await?.id;
    for (key, name, included, rollover, fee) in PLANS {
        let platform = priced(&format!("{key}_fee"), GivenKind::FlatFee, &format!("{name} platform fee"), fee)?;
        let platform = catalog::create_priced_product(txn, ids, now, &platform).await?.id;
        let credit = GivenCredit {
            included_credits: Patch::Set(decimal(included)?),
            rollover_limit: Patch::Set(decimal(rollover)?),
            ..GivenCredit::default()
        };
        let included = GivenOptions::Usage(Patch::Keep, Patch::Set(decimal("10")?));
        let item = |product: ProductId, options| GivenItem { product: product.into(), options };
        let items = vec![
            item(credits, Some(GivenOptions::Credit(Box::new(credit)))),
            item(platform, None),
            item(seats, Some(GivenOptions::Seat(Patch::Keep, Patch::Set(3)))),
            item(delivery, Some(included)),
        ];
        let content = NewContent { interval: Interval::Month, currency: euro()?, items };
        let plan = NewPlan { key: key.into(), name: name.into(), description: None, content };
        create_plan(txn, ids, now, &plan).await?;
    }
    Ok(())
}

fn price(amount: &str) -> Result<GivenPrice, Failure> {
    Ok(GivenPrice { amount: decimal(amount)?, currency: euro()? })
}
