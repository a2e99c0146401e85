//! Loaders of purchases, and of how customers pay.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Error, Result};

use super::{Batches, failed};
use crate::base::ids::{CustomerId, PurchaseId};
use crate::purchases::model::{Method, Purchase};
use crate::purchases::store;

/// How a customer can pay at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MethodOf(pub CustomerId);

impl Loader<PurchaseId> for Batches {
    type Value = Arc<Purchase>;
    type Error = Error;

    async fn load(&self, ids: &[PurchaseId]) -> Result<HashMap<PurchaseId, Arc<Purchase>>> {
        let found = store::find_purchases(&mut self.read().await?, ids).await.map_err(|error| failed(&error))?;
        Ok(found.into_iter().map(|purchase| (purchase.id, Arc::new(purchase))).collect())
    }
}

impl Loader<MethodOf> for Batches {
    type Value = Method;
    type Error = Error;

    async fn load(&self, of: &[MethodOf]) -> Result<HashMap<MethodOf, Method>> {
        let ids: Vec<CustomerId> = of.iter().map(|of| of.0).collect();
        let found = store::find_methods(&mut self.read().await?, &ids).await.map_err(|error| failed(&error))?;
        Ok(found.into_iter().map(|(id, method)| (MethodOf(id), method)).collect())
    }
}
