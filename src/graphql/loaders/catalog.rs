//! Loaders of the catalog: meters, products, purchase options and plans.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Error, Result};

use super::{Batches, failed, loaded};
use crate::base::ids::{MeterId, PlanId, PlanVersionId, ProductId, PurchaseOptionId};
use crate::catalog::model::{CreditProduct, Meter, Product, PurchaseOption};
use crate::catalog::plans::model::{Plan, PlanVersion};
use crate::catalog::snapshot::{Snapshot, load_snapshot};
use crate::catalog::{plans, store};

/// All of the catalog that balances are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WholeCatalog;

/// A meter's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeterKey(pub String);

/// A product's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProductKey(pub String);

/// A product of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OfAnyKind(pub ProductId);

/// A plan's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanKey(pub String);

/// The latest version of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LatestOf(pub PlanId);

/// The purchase options of a product, archived ones too, in the product's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OptionsOf(pub ProductId);

impl Loader<WholeCatalog> for Batches {
    type Value = Arc<Snapshot>;
    type Error = Error;

    async fn load(&self, _: &[WholeCatalog]) -> Result<HashMap<WholeCatalog, Arc<Snapshot>>> {
        let snapshot = load_snapshot(&mut self.read().await?).await.map_err(|error| failed(&error))?;
        Ok(HashMap::from([(WholeCatalog, Arc::new(snapshot))]))
    }
}

impl Loader<MeterId> for Batches {
    type Value = Arc<Meter>;
    type Error = Error;

    async fn load(&self, ids: &[MeterId]) -> Result<HashMap<MeterId, Arc<Meter>>> {
        loaded(store::find_meters(&mut self.read().await?, ids).await)
    }
}

impl Loader<MeterKey> for Batches {
    type Value = Arc<Meter>;
    type Error = Error;

    /// One statement a key: each key stands in the caller's document, which is bounded.
    async fn load(&self, keys: &[MeterKey]) -> Result<HashMap<MeterKey, Arc<Meter>>> {
        let mut conn = self.read().await?;
        let mut found = HashMap::new();
        for key in keys {
            let meter = store::find_meter_by_key(&mut conn, &key.0).await.map_err(|error| failed(&error))?;
            found.extend(meter.map(|meter| (key.clone(), Arc::new(meter))));
        }
        Ok(found)
    }
}

impl Loader<ProductId> for Batches {
    type Value = Arc<CreditProduct>;
    type Error = Error;

    async fn load(&self, ids: &[ProductId]) -> Result<HashMap<ProductId, Arc<CreditProduct>>> {
        loaded(store::find_products(&mut self.read().await?, ids).await)
    }
}

impl Loader<OfAnyKind> for Batches {
    type Value = Product;
    type Error = Error;

    async fn load(&self, of: &[OfAnyKind]) -> Result<HashMap<OfAnyKind, Product>> {
        let ids: Vec<ProductId> = of.iter().map(|of| of.0).collect();
        let found = store::find_of_any_kind(&mut self.read().await?, &ids).await.map_err(|error| failed(&error))?;
        Ok(found.into_iter().map(|(id, product)| (OfAnyKind(id), product)).collect())
    }
}

impl Loader<ProductKey> for Batches {
    type Value = Product;
    type Error = Error;

    /// A few statements a key: each key stands in the caller's document, which is bounded.
    async fn load(&self, keys: &[ProductKey]) -> Result<HashMap<ProductKey, Product>> {
        let mut conn = self.read().await?;
        let mut found = HashMap::new();
        for key in keys {
            let product = store::find_of_any_kind_by_key(&mut conn, &key.0).await.map_err(|error| failed(&error))?;
            found.extend(product.map(|product| (key.clone(), product)));
        }
        Ok(found)
    }
}

impl Loader<PlanId> for Batches {
    type Value = Arc<Plan>;
    type Error = Error;

    async fn load(&self, ids: &[PlanId]) -> Result<HashMap<PlanId, Arc<Plan>>> {
        loaded(plans::store::find_plans(&mut self.read().await?, ids).await)
    }
}

impl Loader<PlanKey> for Batches {
    type Value = Arc<Plan>;
    type Error = Error;

    /// One statement a key: each key stands in the caller's document, which is bounded.
    async fn load(&self, keys: &[PlanKey]) -> Result<HashMap<PlanKey, Arc<Plan>>> {
        let mut conn = self.read().await?;
        let mut found = HashMap::new();
        for key in keys {
            let plan = plans::store::find_plan_by_key(&mut conn, &key.0).await.map_err(|error| failed(&error))?;
            found.extend(plan.map(|plan| (key.clone(), Arc::new(plan))));
        }
        Ok(found)
    }
}

impl Loader<PlanVersionId> for Batches {
    type Value = Arc<PlanVersion>;
    type Error = Error;

    async fn load(&self, ids: &[PlanVersionId]) -> Result<HashMap<PlanVersionId, Arc<PlanVersion>>> {
        loaded(plans::store::find_versions(&mut self.read().await?, ids).await)
    }
}

impl Loader<LatestOf> for Batches {
    type Value = Arc<PlanVersion>;
    type Error = Error;

    async fn load(&self, of: &[LatestOf]) -> Result<HashMap<LatestOf, Arc<PlanVersion>>> {
        let plans: Vec<PlanId> = of.iter().map(|of| of.0).collect();
        let found = plans::store::find_latest(&mut self.read().await?, &plans).await;
        let found = found.map_err(|error| failed(&error))?;
        Ok(found.into_iter().map(|(plan, version)| (LatestOf(plan), Arc::new(version))).collect())
    }
}

impl Loader<PurchaseOptionId> for Batches {
    type Value = Arc<PurchaseOption>;
    type Error = Error;

    async fn load(&self, ids: &[PurchaseOptionId]) -> Result<HashMap<PurchaseOptionId, Arc<PurchaseOption>>> {
        loaded(store::find_options(&mut self.read().await?, ids).await)
    }
}

impl Loader<OptionsOf> for Batches {
    type Value = Vec<Arc<PurchaseOption>>;
    type Error = Error;

    async fn load(&self, of: &[OptionsOf]) -> Result<HashMap<OptionsOf, Self::Value>> {
        let products: Vec<ProductId> = of.iter().map(|of| of.0).collect();
        let options = store::list_options(&mut self.read().await?, &products).await.map_err(|error| failed(&error))?;
        let mut found: HashMap<OptionsOf, Self::Value> = of.iter().map(|of| (*of, Vec::new())).collect();
        for option in options {
            found.entry(OptionsOf(option.product)).or_default().push(Arc::new(option));
        }
        Ok(found)
    }
}
