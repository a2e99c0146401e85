//! Loaders of subscriptions to plans.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Error, Result};

use super::{Batches, failed};
use crate::base::ids::SubscriptionId;
use crate::subscriptions::model::Subscription;
use crate::subscriptions::reads;

impl Loader<SubscriptionId> for Batches {
    type Value = Arc<Subscription>;
    type Error = Error;

    async fn load(&self, ids: &[SubscriptionId]) -> Result<HashMap<SubscriptionId, Arc<Subscription>>> {
        let found = reads::find_subscriptions(&mut self.read().await?, ids).await.map_err(|error| failed(&error))?;
        Ok(found.into_iter().map(|subscription| (subscription.id, Arc::new(subscription))).collect())
    }
}
