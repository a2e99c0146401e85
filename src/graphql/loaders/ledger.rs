//! Loaders of the ledger: balances with their products, entries, grants.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Error, Result};

use super::{Batches, failed, missing};
use crate::base::ids::{BalanceId, CustomerId, EntryId, GrantId, HoldId, ProductId};
use crate::catalog;
use crate::catalog::model::CreditProduct;
use crate::db::Conn;
use crate::ledger::entry::Entry;
use crate::ledger::model::Balance;
use crate::ledger::reads;
use crate::ledger::store::{self, HoldRecord, LotRecord};

/// A balance and the product whose credits it holds: what is needed to show it.
#[derive(Clone, Debug)]
pub struct KnownBalance {
    /// As it is on record.
    pub balance: Arc<Balance>,
    /// Whose credits.
    pub product: Arc<CreditProduct>,
}

/// All balances of a customer, closed ones too, in order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BalancesOf(pub CustomerId);

/// The newest entries of a balance, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NewestEntries {
    /// Which balance.
    pub balance: BalanceId,
    /// The newest entry that counts.
    pub up_to: i64,
    /// How many.
    pub count: i64,
}

/// The entries that took an entry back, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReversalsOf(pub EntryId);

/// How many reversals of an entry are told.
const MAX_REVERSALS: usize = 100;

async fn with_products(conn: &mut Conn, balances: Vec<Balance>) -> Result<Vec<KnownBalance>> {
    let mut ids: Vec<ProductId> = balances.iter().map(|balance| balance.product).collect();
    ids.sort_unstable();
    ids.dedup();
    let products = catalog::store::find_products(conn, &ids).await.map_err(|error| failed(&error))?;
    let products: HashMap<ProductId, Arc<CreditProduct>> =
        products.into_iter().map(|(id, product)| (id, Arc::new(product))).collect();
    let known = |balance: Balance| {
        let product = products.get(&balance.product).cloned().ok_or_else(|| missing(&balance.product))?;
        Ok(KnownBalance { balance: Arc::new(balance), product })
    };
    balances.into_iter().map(known).collect()
}

impl Loader<BalanceId> for Batches {
    type Value = KnownBalance;
    type Error = Error;

    async fn load(&self, ids: &[BalanceId]) -> Result<HashMap<BalanceId, KnownBalance>> {
        let mut conn = self.read().await?;
        let balances = store::find_balances(&mut conn, ids).await.map_err(|error| failed(&error))?;
        let known = with_products(&mut conn, balances).await?;
        Ok(known.into_iter().map(|known| (known.balance.account.id, known)).collect())
    }
}

impl Loader<BalancesOf> for Batches {
    type Value = Vec<KnownBalance>;
    type Error = Error;

    async fn load(&self, of: &[BalancesOf]) -> Result<HashMap<BalancesOf, Self::Value>> {
        let mut conn = self.read().await?;
        let customers: Vec<CustomerId> = of.iter().map(|of| of.0).collect();
        let balances = store::list_balances_of(&mut conn, &customers).await.map_err(|error| failed(&error))?;
        let mut found: HashMap<BalancesOf, Self::Value> = of.iter().map(|of| (*of, Vec::new())).collect();
        for known in with_products(&mut conn, balances).await? {
            found.entry(BalancesOf(known.balance.account.id.customer)).or_default().push(known);
        }
        Ok(found)
    }
}

impl Loader<EntryId> for Batches {
    type Value = Arc<Entry>;
    type Error = Error;

    async fn load(&self, ids: &[EntryId]) -> Result<HashMap<EntryId, Arc<Entry>>> {
        let entries = reads::find_entries(&mut self.read().await?, ids).await.map_err(|error| failed(&error))?;
        Ok(entries.into_iter().map(|entry| (entry.id(), Arc::new(entry))).collect())
    }
}

impl Loader<NewestEntries> for Batches {
    type Value = Vec<Arc<Entry>>;
    type Error = Error;

    async fn load(&self, wanted: &[NewestEntries]) -> Result<HashMap<NewestEntries, Self::Value>> {
        let mut behind: HashMap<BalanceId, i64> = HashMap::new();
        for NewestEntries { balance, up_to, count } in wanted {
            let after = up_to.saturating_sub(*count).max(0);
            behind.entry(*balance).and_modify(|least| *least = after.min(*least)).or_insert(after);
        }
        let behind: Vec<(BalanceId, i64)> = behind.into_iter().collect();
        let entries = reads::list_entries_behind(&mut self.read().await?, &behind).await;
        let mut of: HashMap<BalanceId, Vec<Arc<Entry>>> = HashMap::new();
        for entry in entries.map_err(|error| failed(&error))? {
            of.entry(entry.balance).or_default().push(Arc::new(entry));
        }
        for entries in of.values_mut() {
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.posting.sequence));
        }
        let newest = |wanted: &NewestEntries| {
            let entries = of.get(&wanted.balance).map_or(&[][..], Vec::as_slice).iter();
            let counted = entries.filter(|entry| entry.posting.sequence <= wanted.up_to);
            let count = usize::try_from(wanted.count).unwrap_or_default();
            (*wanted, counted.take(count).cloned().collect())
        };
        Ok(wanted.iter().map(newest).collect())
    }
}

impl Loader<ReversalsOf> for Batches {
    type Value = Vec<Arc<Entry>>;
    type Error = Error;

    async fn load(&self, of: &[ReversalsOf]) -> Result<HashMap<ReversalsOf, Self::Value>> {
        let mut conn = self.read().await?;
        let taken_back: Vec<EntryId> = of.iter().map(|of| of.0).collect();
        let mut by: HashMap<EntryId, Vec<EntryId>> = HashMap::new();
        for (entry, reversal) in reads::find_reversals(&mut conn, &taken_back).await.map_err(|error| failed(&error))? {
            by.entry(entry).or_default().push(reversal);
        }
        for reversals in by.values_mut() {
            reversals.truncate(MAX_REVERSALS);
        }
        let ids: Vec<EntryId> = by.values().flatten().copied().collect();
        let entries = reads::find_entries(&mut conn, &ids).await.map_err(|error| failed(&error))?;
        let entries: HashMap<EntryId, Arc<Entry>> =
            entries.into_iter().map(|entry| (entry.id(), Arc::new(entry))).collect();
        let reversals = |of: &ReversalsOf| {
            let ids = by.get(&of.0).map_or(&[][..], Vec::as_slice).iter();
            (*of, ids.filter_map(|id| entries.get(id).cloned()).collect())
        };
        Ok(of.iter().map(reversals).collect())
    }
}

impl Loader<GrantId> for Batches {
    type Value = Arc<LotRecord>;
    type Error = Error;

    async fn load(&self, ids: &[GrantId]) -> Result<HashMap<GrantId, Arc<LotRecord>>> {
        let records = reads::find_grants(&mut self.read().await?, ids).await.map_err(|error| failed(&error))?;
        Ok(records.into_iter().map(|record| (record.id(), Arc::new(record))).collect())
    }
}

impl Loader<HoldId> for Batches {
    type Value = Arc<HoldRecord>;
    type Error = Error;

    async fn load(&self, ids: &[HoldId]) -> Result<HashMap<HoldId, Arc<HoldRecord>>> {
        let records = store::find_holds(&mut self.read().await?, ids).await.map_err(|error| failed(&error))?;
        Ok(records.into_iter().map(|record| (record.id, Arc::new(record))).collect())
    }
}
