//! Loaders of the catalog: meters, products and purchase options.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Error, Result};

use super::{Batches, failed, loaded};
use crate::base::ids::{MeterId, ProductId, PurchaseOptionId};
use crate::catalog::model::{CreditProduct, Meter, PurchaseOption};
use crate::catalog::store;

/// A meter's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeterKey(pub String);

/// A product's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProductKey(pub String);

/// The purchase options of a product, archived ones too, in the product's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OptionsOf(pub ProductId);

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

impl Loader<ProductKey> for Batches {
    type Value = Arc<CreditProduct>;
    type Error = Error;

    /// Two statements a key: each key stands in the caller's document, which is bounded.
    async fn load(&self, keys: &[ProductKey]) -> Result<HashMap<ProductKey, Arc<CreditProduct>>> {
        let mut conn = self.read().await?;
        let mut found = HashMap::new();
        for key in keys {
            let product = store::find_product_by_key(&mut conn, &key.0).await.map_err(|error| failed(&error))?;
            found.extend(product.map(|product| (key.clone(), Arc::new(product))));
        }
        Ok(found)
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
