//! Loaders of usage events.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Error, Result};

use super::{Batches, failed};
use crate::base::ids::EventKey;
use crate::metering::event::UsageEvent;
use crate::metering::store;

impl Loader<EventKey> for Batches {
    type Value = Arc<UsageEvent>;
    type Error = Error;

    async fn load(&self, keys: &[EventKey]) -> Result<HashMap<EventKey, Arc<UsageEvent>>> {
        let events = store::find_events(&mut self.read().await?, keys).await.map_err(|error| failed(&error))?;
        Ok(events.into_iter().map(|event| (event.key, Arc::new(event))).collect())
    }
}
