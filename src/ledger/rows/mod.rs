//! The rows of the ledger's tables, and how they become its shapes and back.

mod checkpoint;
mod entry;
mod lot;

use std::sync::Arc;

use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text};

use super::codec;
use super::model::{Account, Balance, BalanceState, Hash};
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, CustomerId, ProductId};
use crate::base::settings::{Overdraft, Overrides};
use crate::base::time::Time;
use crate::db::DbError;
use crate::db::bulk::{bulk_insert, bulk_row, bulk_update};
use crate::db::schema::{balances, idempotency_keys};
use crate::db::types::{Deadline, Id, JsonText, Micros};
pub(super) use checkpoint::CheckpointRow;
pub(super) use entry::{EntryRow, ReversalRow};
pub(super) use lot::{HoldChange, HoldRow, LotChange, LotRow};
pub use lot::{HoldRecord, LotRecord};

bulk_insert! {
    /// A balance.
    pub(super) struct BalanceRow of balances {
        customer_id: CustomerId as Id,
        number: i32 as Integer,
        product_id: ProductId as Id,
        name: Option<String> as Nullable<Text>,
        low_balance_threshold: Option<Credits> as Nullable<BigInt>,
        overdraft_allowed: Option<bool> as Nullable<Bool>,
        overdraft_limit: Option<Credits> as Nullable<BigInt>,
        revision: i64 as BigInt,
        sequence: i64 as BigInt,
        settled: Credits as BigInt,
        held: Credits as BigInt,
        debt: Credits as BigInt,
        state: i16 as SmallInt,
        lots: JsonText as Text,
        holds: JsonText as Text,
        hash: Vec<u8> as Binary,
        recorded_at: Time as Micros,
        next_change_at: Deadline as Micros,
        created_at: Time as Micros,
        updated_at: Time as Micros,
        closed_at: Option<Time> as Nullable<Micros>,
        plan: Option<JsonText> as Nullable<Text>,
        renews_at: Option<Time> as Nullable<Micros>,
        buying: Option<JsonText> as Nullable<Text>,
    }
}

bulk_row! {
    /// How often a balance was written: what tells whether a copy is still true.
    pub(super) struct RevisionRow of balances {
        customer_id: CustomerId as Id,
        number: i32 as Integer,
        revision: i64 as BigInt,
        closed_at: Option<Time> as Nullable<Micros>,
    }
}

bulk_update! {
    /// What entries change of a balance: the hot path.
    pub(super) struct BooksChange of balances {
        keys { customer_id: CustomerId as Id, number: i32 as Integer, }
        values {
            revision: i64 as BigInt,
            sequence: i64 as BigInt,
            settled: Credits as BigInt,
            held: Credits as BigInt,
            debt: Credits as BigInt,
            state: i16 as SmallInt,
            lots: JsonText as Text,
            holds: JsonText as Text,
            hash: Vec<u8> as Binary,
            recorded_at: Time as Micros,
            next_change_at: Deadline as Micros,
            renews_at: Option<Time> as Nullable<Micros>,
        }
    }
}

bulk_update! {
    /// What people change of a balance.
    pub(super) struct SettingsChange of balances {
        keys { customer_id: CustomerId as Id, number: i32 as Integer, }
        values {
            name: Option<String> as Nullable<Text>,
            low_balance_threshold: Option<Credits> as Nullable<BigInt>,
            overdraft_allowed: Option<bool> as Nullable<Bool>,
            overdraft_limit: Option<Credits> as Nullable<BigInt>,
            updated_at: Time as Micros,
            closed_at: Option<Time> as Nullable<Micros>,
            created_at: Time as Micros,
            plan: Option<JsonText> as Nullable<Text>,
            buying: Option<JsonText> as Nullable<Text>,
        }
    }
}

bulk_insert! {
    /// What an idempotency key did.
    pub struct KeyRow of idempotency_keys {
        /// Whose balance was moved.
        customer_id: CustomerId as Id,
        /// 0 API keys, 1 portal sessions.
        scope: i16 as SmallInt,
        /// The key that the caller gave.
        key: String as Text,
        /// What tells the same input from another.
        input_hash: Vec<u8> as Binary,
        /// The balance's number.
        balance: i32 as Integer,
        /// The entry that it made.
        sequence: i64 as BigInt,
        /// When it was first used.
        created_at: Time as Micros,
        /// The number of the subscription that it made; balance and entry are then 0.
        subscription: Option<i32> as Nullable<Integer>,
        /// The number of the balance's purchase that it made; the entry is then 0.
        purchase: Option<i32> as Nullable<Integer>,
    }
}

fn hash(bytes: Vec<u8>) -> Result<Hash, DbError> {
    bytes.try_into().map_err(|bytes: Vec<u8>| codec::corrupt("a hash of bytes", bytes.len()))
}

fn overdraft_columns(own: &Overrides) -> (Option<bool>, Option<Credits>) {
    match own.overdraft {
        None => (None, None),
        Some(Overdraft::Deny) => (Some(false), None),
        Some(Overdraft::Allow { limit }) => (Some(true), limit),
    }
}

/// The number of a balance's state, a closed one's included.
fn state_number(balance: &Balance) -> i16 {
    if balance.closed_at.is_some() { BalanceState::Closed.number() } else { balance.account.state.number() }
}

impl BalanceRow {
    pub(super) fn of(balance: &Balance) -> Self {
        let Balance { account, own, .. } = balance;
        let (overdraft_allowed, overdraft_limit) = overdraft_columns(own);
        Self {
            customer_id: account.id.customer,
            number: account.id.number,
            product_id: balance.product,
            name: own.name.clone(),
            low_balance_threshold: own.low_balance_threshold,
            overdraft_allowed,
            overdraft_limit,
            revision: balance.revision.saturating_add(1),
            sequence: account.sequence,
            settled: account.settled,
            held: account.held,
            debt: account.debt,
            state: state_number(balance),
            lots: codec::write_lots(&account.lots),
            holds: codec::write_holds(&account.holds),
            hash: balance.hash.to_vec(),
            recorded_at: account.recorded_at,
            next_change_at: Deadline::of(balance.next_change_at()),
            created_at: balance.created_at,
            updated_at: balance.updated_at,
            closed_at: balance.closed_at,
            plan: balance.plan.as_deref().map(codec::write_plan),
            renews_at: balance.renews_at,
            buying: balance.buying.as_deref().map(codec::write_buying),
        }
    }

    pub(super) fn into_balance(self) -> Result<Balance, DbError> {
        let closed = self.closed_at.is_some();
        let overdraft = self
            .overdraft_allowed
            .map(|allowed| if allowed { Overdraft::Allow { limit: self.overdraft_limit } } else { Overdraft::Deny });
        let account = Account {
            id: BalanceId { customer: self.customer_id, number: self.number },
            sequence: self.sequence,
            recorded_at: self.recorded_at,
            settled: self.settled,
            held: self.held,
            debt: self.debt,
            state: BalanceState::from_number(self.state)?,
            lots: codec::read_lots(&self.lots)?,
            holds: codec::read_holds(&self.holds)?,
            closed,
        };
        Ok(Balance {
            account,
            product: self.product_id,
            own: Overrides { name: self.name, low_balance_threshold: self.low_balance_threshold, overdraft },
            plan: self.plan.as_ref().map(codec::read_plan).transpose()?.map(Arc::new),
            renews_at: self.renews_at,
            buying: self.buying.as_ref().map(codec::read_buying).transpose()?.map(Arc::new),
            revision: self.revision,
            hash: hash(self.hash)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            closed_at: self.closed_at,
        })
    }
}

impl BooksChange {
    pub(super) fn of(balance: &Balance) -> Self {
        let account = &balance.account;
        Self {
            customer_id: account.id.customer,
            number: account.id.number,
            revision: balance.revision.saturating_add(1),
            sequence: account.sequence,
            settled: account.settled,
            held: account.held,
            debt: account.debt,
            state: state_number(balance),
            lots: codec::write_lots(&account.lots),
            holds: codec::write_holds(&account.holds),
            hash: balance.hash.to_vec(),
            recorded_at: account.recorded_at,
            next_change_at: Deadline::of(balance.next_change_at()),
            renews_at: balance.renews_at,
        }
    }
}

impl SettingsChange {
    pub(super) fn of(balance: &Balance) -> Self {
        let (overdraft_allowed, overdraft_limit) = overdraft_columns(&balance.own);
        Self {
            customer_id: balance.account.id.customer,
            number: balance.account.id.number,
            name: balance.own.name.clone(),
            low_balance_threshold: balance.own.low_balance_threshold,
            overdraft_allowed,
            overdraft_limit,
            updated_at: balance.updated_at,
            closed_at: balance.closed_at,
            created_at: balance.created_at,
            plan: balance.plan.as_deref().map(codec::write_plan),
            buying: balance.buying.as_deref().map(codec::write_buying),
        }
    }
}
