//! Loaders: what many fields of one answer need, read in one statement. They answer the domains' own values.
//!
//! One loader serves all kinds of rows, told apart by the type of the key: `impl Loader<MeterId> for Batches`. A new kind
//! is one such `impl`, in the file that is named for its domain. Within an operation a row is read once, until
//! [`super::context::Reach::refresh`].

mod catalog;
mod customers;
mod ledger;
mod metering;
mod purchases;
mod subscriptions;

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use async_graphql::runtime::TokioTimer;
use async_graphql::{Error, Result};
use futures_util::task::{FutureObj, Spawn, SpawnError};
use tracing::{Instrument, Span};

pub use catalog::{LatestOf, MeterKey, OfAnyKind, OptionsOf, PlanKey, ProductKey, WholeCatalog};
pub use customers::ExternalId;
pub use ledger::{BalancesOf, KnownBalance, NewestEntries, ReversalsOf};
pub use purchases::MethodOf;

use super::errors::{failed, missing};
use crate::catalog::snapshot::Snapshot;
use crate::db::{Conn, Db, DbError};

/// Reads rows for many keys at once.
pub struct Batches {
    db: Db,
}

impl Batches {
    /// A connection to read with.
    async fn read(&self) -> Result<Conn> {
        self.db.read().await.map_err(|error| failed(&error))
    }
}

/// Wraps the rows of one statement, or says on the wire why there are none.
fn loaded<K: Eq + Hash, V>(rows: Result<HashMap<K, V>, DbError>) -> Result<HashMap<K, Arc<V>>> {
    let rows = rows.map_err(|error| failed(&error))?;
    Ok(rows.into_iter().map(|(key, row)| (key, Arc::new(row))).collect())
}

/// Loads within the request's own span, so that the log says for whom.
struct InSpan(Span);

impl Spawn for InSpan {
    fn spawn_obj(&self, load: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        tokio::spawn(load.instrument(self.0.clone()));
        Ok(())
    }
}

/// One operation's loaders.
pub struct Loaders(DataLoader<Batches, HashMapCache>);

impl Loaders {
    /// Loaders that remember nothing yet; made within the runtime, for one operation.
    #[must_use]
    pub fn new(db: Db) -> Self {
        let batches = Batches { db };
        Self(DataLoader::with_cache(batches, InSpan(Span::current()), TokioTimer::default(), HashMapCache::default()))
    }

    /// The row with this key.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find<K>(&self, key: K) -> Result<Option<<Batches as Loader<K>>::Value>>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Batches: Loader<K, Error = Error>,
    {
        self.0.load_one(key).await
    }

    /// The row with this key, which another row says is there.
    ///
    /// # Errors
    /// The top-level error of the database, also when the row is not there.
    pub async fn get<K>(&self, key: K) -> Result<<Batches as Loader<K>>::Value>
    where
        K: Send + Sync + Hash + Eq + Clone + Display + 'static,
        Batches: Loader<K, Error = Error>,
    {
        self.0.load_one(key.clone()).await?.ok_or_else(|| missing(&key))
    }

    /// All of the catalog that balances are judged by.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn catalog(&self) -> Result<Arc<Snapshot>> {
        Ok(self.0.load_one(WholeCatalog).await?.unwrap_or_default())
    }
}

impl Deref for Loaders {
    type Target = DataLoader<Batches, HashMapCache>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
