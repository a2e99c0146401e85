//! A copy of the catalog in memory: all that usage needs to burn credits, looked up by an event's type.
//!
//! Whoever keeps one compares its version with [`store::catalog_version`] in the transaction that uses it, and loads it
//! again when that moved.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::{ConsumptionRule, CreditProduct, Meter, PricedProduct, Product, PurchaseOption};
use super::plans::model::{Plan, PlanVersion};
use super::{plans, store};
use crate::base::ids::{MeterId, PlanId, PlanVersionId, ProductId, PurchaseOptionId};
use crate::db::{Conn, DbError};

/// The catalog as it was at one version, archived meters and products included.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The version.
    pub version: i64,
    meters: HashMap<MeterId, Arc<Meter>>,
    products: HashMap<ProductId, Arc<CreditProduct>>,
    priced: HashMap<ProductId, Arc<PricedProduct>>,
    options: HashMap<PurchaseOptionId, PurchaseOption>,
    plans: HashMap<PlanId, Arc<Plan>>,
    versions: HashMap<PlanVersionId, Arc<PlanVersion>>,
    latest: HashMap<PlanId, Arc<PlanVersion>>,
    by_event_type: HashMap<String, Vec<ProductRules>>,
}

/// One product's own rules for events of one type.
#[derive(Clone, Debug)]
pub struct ProductRules {
    /// The product.
    pub product: Arc<CreditProduct>,
    /// Its rules for the type, in the product's order; at least one.
    pub rules: Vec<EventRule>,
}

/// A rule and the meter that it is about.
#[derive(Clone, Debug)]
pub struct EventRule {
    /// The rule.
    pub rule: ConsumptionRule,
    /// Its meter.
    pub meter: Arc<Meter>,
}

impl Snapshot {
    /// Makes a copy of the catalog's rows.
    #[must_use]
    pub fn new(version: i64, meters: Vec<Meter>, products: Vec<Product>) -> Self {
        let meters = meters.into_iter().map(|meter| (meter.id, Arc::new(meter))).collect();
        let mut snapshot = Self { version, meters, ..Self::default() };
        let mut all: Vec<Arc<CreditProduct>> = Vec::new();
        for product in products {
            match product {
                Product::Credit(product) => all.push(product),
                Product::Priced(product) => drop(snapshot.priced.insert(product.id, product)),
            }
        }
        all.sort_by_key(|product| product.id);
        for product in all.iter().filter(|product| product.archived_at.is_none()) {
            snapshot.listen(product);
        }
        snapshot.products = all.into_iter().map(|product| (product.id, product)).collect();
        snapshot
    }

    /// The same with plans and all of their versions.
    #[must_use]
    pub fn with_plans(mut self, plans: Vec<Plan>, versions: Vec<PlanVersion>) -> Self {
        for version in versions.into_iter().map(Arc::new) {
            let newest = self.latest.entry(version.plan).or_insert_with(|| version.clone());
            if newest.version < version.version {
                *newest = version.clone();
            }
            self.versions.insert(version.id, version);
        }
        self.plans = plans.into_iter().map(|plan| (plan.id, Arc::new(plan))).collect();
        self
    }

    /// The same with purchase options.
    #[must_use]
    pub fn with_options(mut self, options: Vec<PurchaseOption>) -> Self {
        self.options = options.into_iter().map(|option| (option.id, option)).collect();
        self
    }

    /// A purchase option, archived or not.
    #[must_use]
    pub fn option(&self, id: PurchaseOptionId) -> Option<&PurchaseOption> {
        self.options.get(&id)
    }

    /// Files a product's rules under the event types that they are about.
    fn listen(&mut self, product: &Arc<CreditProduct>) {
        for rule in &product.consumption {
            let Some(meter) = self.meters.get(&rule.meter) else { continue };
            let rule = EventRule { rule: *rule, meter: meter.clone() };
            let listed = self.by_event_type.entry(meter.event_type.clone()).or_default();
            match listed.last_mut() {
                Some(last) if last.product.id == product.id => last.rules.push(rule),
                _ => listed.push(ProductRules { product: product.clone(), rules: vec![rule] }),
            }
        }
    }

    /// The rules for events of a type: products that are not archived, by id, each with its own rules in its order.
    /// Empty when none is about the type.
    #[must_use]
    pub fn rules_for(&self, event_type: &str) -> &[ProductRules] {
        self.by_event_type.get(event_type).map_or(&[], Vec::as_slice)
    }

    /// Those of any rules that are about events of a type, in their order: for a balance whose consumption is not its
    /// product's.
    pub fn rules_among<'a>(
        &'a self,
        consumption: &'a [ConsumptionRule],
        event_type: &'a str,
    ) -> impl Iterator<Item = (&'a ConsumptionRule, &'a Arc<Meter>)> {
        consumption
            .iter()
            .filter_map(|rule| Some((rule, self.meters.get(&rule.meter)?)))
            .filter(move |(_, meter)| meter.event_type == event_type)
    }

    /// A meter, archived or not.
    #[must_use]
    pub fn meter(&self, id: MeterId) -> Option<&Arc<Meter>> {
        self.meters.get(&id)
    }

    /// A product that money is paid for, archived or not.
    #[must_use]
    pub fn priced(&self, id: ProductId) -> Option<&Arc<PricedProduct>> {
        self.priced.get(&id)
    }

    /// A product of any kind, archived or not.
    #[must_use]
    pub fn of_any_kind(&self, id: ProductId) -> Option<Product> {
        let credit = self.products.get(&id).cloned().map(Product::Credit);
        credit.or_else(|| self.priced.get(&id).cloned().map(Product::Priced))
    }

    /// A plan, archived or not.
    #[must_use]
    pub fn plan(&self, id: PlanId) -> Option<&Arc<Plan>> {
        self.plans.get(&id)
    }

    /// The latest version of a plan.
    #[must_use]
    pub fn latest_version(&self, plan: PlanId) -> Option<&Arc<PlanVersion>> {
        self.latest.get(&plan)
    }

    /// A version of a plan.
    #[must_use]
    pub fn plan_version(&self, id: PlanVersionId) -> Option<&Arc<PlanVersion>> {
        self.versions.get(&id)
    }

    /// A credit product, archived or not.
    #[must_use]
    pub fn product(&self, id: ProductId) -> Option<&Arc<CreditProduct>> {
        self.products.get(&id)
    }
}

/// Copies the catalog. The statements are few however large it is; they are run again when a write came between them,
/// so that what is copied is the catalog of one version.
///
/// # Errors
/// Those of the database.
pub async fn load_snapshot(conn: &mut Conn) -> Result<Snapshot, DbError> {
    let mut version = store::catalog_version(conn).await?;
    loop {
        let meters = store::all_meters(conn).await?;
        let products = store::all_of_any_kind(conn).await?;
        let plans = plans::store::all_plans(conn).await?;
        let versions = plans::store::all_versions(conn).await?;
        let options = store::all_options(conn).await?;
        let now = store::catalog_version(conn).await?;
        if now == version {
            return Ok(Snapshot::new(version, meters, products).with_plans(plans, versions).with_options(options));
        }
        version = now;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::base::json::CanonicalJson;
    use crate::base::settings::{Overdraft, Weight};
    use crate::base::time::Time;
    use crate::catalog::model::{Aggregation, Expiration};

    fn meter(id: u128, event_type: &str) -> Meter {
        Meter {
            id: MeterId(Uuid::from_u128(id)),
            key: format!("m{id}"),
            name: format!("Meter {id}"),
            event_type: event_type.into(),
            aggregation: Aggregation::Count,
            filter: vec![],
            created_at: Time::MIN,
            updated_at: Time::MIN,
            archived_at: None,
        }
    }

    fn product(id: u128, meters: &[u128], archived_at: Option<Time>) -> Product {
        Product::Credit(Arc::new(credit_product(id, meters, archived_at)))
    }

    fn credit_product(id: u128, meters: &[u128], archived_at: Option<Time>) -> CreditProduct {
        let rule = |meter: &u128| ConsumptionRule {
            meter: MeterId(Uuid::from_u128(*meter)),
            credits_per_unit: Weight::from_scaled(1),
        };
        CreditProduct {
            id: ProductId(Uuid::from_u128(id)),
            key: format!("p{id}"),
            name: format!("Product {id}"),
            description: None,
            metadata: CanonicalJson::empty_object(),
            unit_name: "credit".into(),
            consumption: meters.iter().map(rule).collect(),
            low_balance_threshold: None,
            overdraft: Overdraft::Deny,
            expiration: Expiration::Never,
            created_at: Time::MIN,
            updated_at: Time::MIN,
            archived_at,
        }
    }

    #[test]
    fn rules_come_by_product_and_in_the_products_order() {
        let meters = vec![meter(1, "call"), meter(2, "call"), meter(3, "upload")];
        let products = vec![product(9, &[3, 2, 1], None), product(8, &[1], None), product(7, &[1], Some(Time::MIN))];
        let snapshot = Snapshot::new(1, meters, products);
        let rules: Vec<(&str, Vec<&str>)> = snapshot
            .rules_for("call")
            .iter()
            .map(|one| (one.product.key.as_str(), one.rules.iter().map(|rule| rule.meter.key.as_str()).collect()))
            .collect();
        assert_eq!(rules, [("p8", vec!["m1"]), ("p9", vec!["m2", "m1"])]);
        assert!(snapshot.rules_for("nothing").is_empty());
        assert!(snapshot.product(ProductId(Uuid::from_u128(7))).is_some());
    }

    #[test]
    fn rules_of_any_consumption_are_found_by_event_type() {
        let snapshot = Snapshot::new(1, vec![meter(1, "call"), meter(3, "upload")], vec![]);
        let own = credit_product(9, &[3, 1, 2], None).consumption;
        let found: Vec<&str> = snapshot.rules_among(&own, "call").map(|(_, meter)| meter.key.as_str()).collect();
        assert_eq!(found, ["m1"]);
    }
}
