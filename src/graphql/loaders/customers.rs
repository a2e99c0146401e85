//! Loaders of customers.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Error, Result};

use super::{Batches, failed, loaded};
use crate::base::ids::CustomerId;
use crate::customers::model::Customer;
use crate::customers::store;

/// The caller's own id of a customer, as it is now or was formerly.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalId(pub String);

impl Loader<CustomerId> for Batches {
    type Value = Arc<Customer>;
    type Error = Error;

    async fn load(&self, ids: &[CustomerId]) -> Result<HashMap<CustomerId, Arc<Customer>>> {
        loaded(store::find_customers(&mut self.read().await?, ids).await)
    }
}

impl Loader<ExternalId> for Batches {
    type Value = Arc<Customer>;
    type Error = Error;

    async fn load(&self, external_ids: &[ExternalId]) -> Result<HashMap<ExternalId, Arc<Customer>>> {
        let texts: Vec<&str> = external_ids.iter().map(|external| external.0.as_str()).collect();
        let found = store::find_by_external_ids(&mut self.read().await?, &texts).await;
        let found = found.map_err(|error| failed(&error))?;
        Ok(found.into_iter().map(|(external, customer)| (ExternalId(external), Arc::new(customer))).collect())
    }
}
