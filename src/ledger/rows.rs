//! The rows of the ledger's tables, and how they become its shapes and back.

use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text};

use super::codec;
use super::entry::{Entry, Hash, Note, Origin};
use super::model::{Account, Balance, BalanceState, Cause, Ended, EntryKind, GrantSource, HoldState, Lot, Posting};
use super::rules;
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, CustomerId, EventKey, GrantId, HoldId, ProductId};
use crate::base::json::CanonicalJson;
use crate::base::money::Money;
use crate::base::settings::{Overdraft, Overrides};
use crate::base::time::Time;
use crate::db::DbError;
use crate::db::bulk::{bulk_insert, bulk_row, bulk_update};
use crate::db::schema::{balances, entries, holds, idempotency_keys, lots, reversals};
use crate::db::types::{Deadline, Id, Micros};

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
        lots: String as Text,
        holds: String as Text,
        hash: Vec<u8> as Binary,
        recorded_at: Time as Micros,
        next_change_at: Deadline as Micros,
        created_at: Time as Micros,
        updated_at: Time as Micros,
        closed_at: Option<Time> as Nullable<Micros>,
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
            lots: String as Text,
            holds: String as Text,
            hash: Vec<u8> as Binary,
            recorded_at: Time as Micros,
            next_change_at: Deadline as Micros,
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
        }
    }
}

bulk_insert! {
    /// A lot.
    pub(super) struct LotRow of lots {
        customer_id: CustomerId as Id,
        balance: i32 as Integer,
        sequence: i64 as BigInt,
        source: i16 as SmallInt,
        credits: Credits as BigInt,
        priority: i16 as SmallInt,
        effective_at: Time as Micros,
        expires_at: Deadline as Micros,
        paid: bool as Bool,
        cost_minor: Option<i64> as Nullable<BigInt>,
        cost_currency: Option<String> as Nullable<Text>,
        reason: Option<String> as Nullable<Text>,
        metadata: Option<CanonicalJson> as Nullable<Text>,
        ended: Option<i16> as Nullable<SmallInt>,
        created_at: Time as Micros,
    }
}

bulk_update! {
    /// What changes of a lot: by amendment, or because it ended or came back.
    pub(super) struct LotChange of lots {
        keys { customer_id: CustomerId as Id, balance: i32 as Integer, sequence: i64 as BigInt, }
        values { priority: i16 as SmallInt, expires_at: Deadline as Micros, ended: Option<i16> as Nullable<SmallInt>, }
    }
}

bulk_insert! {
    /// A hold.
    pub(super) struct HoldRow of holds {
        customer_id: CustomerId as Id,
        balance: i32 as Integer,
        sequence: i64 as BigInt,
        credits: Credits as BigInt,
        captured: Credits as BigInt,
        expires_at: Time as Micros,
        state: i16 as SmallInt,
        reason: Option<String> as Nullable<Text>,
        metadata: Option<CanonicalJson> as Nullable<Text>,
        created_at: Time as Micros,
        ended_at: Option<Time> as Nullable<Micros>,
    }
}

bulk_update! {
    /// What changes of a hold: it is extended, or ends.
    pub(super) struct HoldChange of holds {
        keys { customer_id: CustomerId as Id, balance: i32 as Integer, sequence: i64 as BigInt, }
        values {
            captured: Credits as BigInt,
            expires_at: Time as Micros,
            state: i16 as SmallInt,
            ended_at: Option<Time> as Nullable<Micros>,
        }
    }
}

bulk_insert! {
    /// An entry.
    pub(super) struct EntryRow of entries {
        customer_id: CustomerId as Id,
        balance: i32 as Integer,
        sequence: i64 as BigInt,
        kind: i16 as SmallInt,
        credits: Credits as BigInt,
        held_change: Credits as BigInt,
        uncovered: Credits as BigInt,
        available_after: Credits as BigInt,
        settled_after: Credits as BigInt,
        held_after: Credits as BigInt,
        state_after: i16 as SmallInt,
        state_before: Option<i16> as Nullable<SmallInt>,
        allocations: String as Text,
        rating: Option<String> as Nullable<Text>,
        origin: i16 as SmallInt,
        event: Option<i64> as Nullable<BigInt>,
        lot: Option<i64> as Nullable<BigInt>,
        terms: Option<String> as Nullable<Text>,
        hold: Option<i64> as Nullable<BigInt>,
        reverses: Option<i64> as Nullable<BigInt>,
        reason: Option<String> as Nullable<Text>,
        metadata: Option<CanonicalJson> as Nullable<Text>,
        idempotency_key: Option<String> as Nullable<Text>,
        occurred_at: Time as Micros,
        recorded_at: Time as Micros,
        hash: Vec<u8> as Binary,
    }
}

bulk_insert! {
    /// Which entry took which back.
    pub(super) struct ReversalRow of reversals {
        customer_id: CustomerId as Id,
        balance: i32 as Integer,
        entry: i64 as BigInt,
        sequence: i64 as BigInt,
        credits: Credits as BigInt,
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

/// When time alone next changes a balance; a closed one's time stands still.
fn next_change(balance: &Balance) -> Deadline {
    Deadline::of(if balance.closed_at.is_some() { None } else { rules::next_change(&balance.account) })
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
            next_change_at: next_change(balance),
            created_at: balance.created_at,
            updated_at: balance.updated_at,
            closed_at: balance.closed_at,
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
            next_change_at: next_change(balance),
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
        }
    }
}

/// A lot on record: its terms as they stand, and what was said when it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotRecord {
    /// The balance whose lot it is.
    pub balance: BalanceId,
    /// Its terms. What is left of an open one stands in its balance; here it is 0.
    pub lot: Lot,
    /// Why, in words.
    pub reason: Option<String>,
    /// The caller's own data.
    pub metadata: CanonicalJson,
    /// When it was made.
    pub created_at: Time,
}

impl LotRecord {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> GrantId {
        self.balance.grant(self.lot.sequence)
    }
}

impl LotRow {
    pub(super) fn of(balance: BalanceId, lot: &Lot, note: &Note, created_at: Time) -> Self {
        Self {
            customer_id: balance.customer,
            balance: balance.number,
            sequence: lot.sequence,
            source: lot.source.number(),
            credits: lot.credits,
            priority: lot.priority,
            effective_at: lot.effective_at,
            expires_at: Deadline::of(lot.expires_at),
            paid: lot.cost.is_some_and(|cost| cost.minor > 0),
            cost_minor: lot.cost.map(|cost| cost.minor),
            cost_currency: lot.cost.map(|Money { currency, .. }| currency.code().to_owned()),
            reason: note.reason.clone(),
            metadata: note.metadata.clone(),
            ended: lot.ended.map(Ended::number),
            created_at,
        }
    }

    pub(super) fn into_record(self) -> Result<LotRecord, DbError> {
        let lot = Lot {
            sequence: self.sequence,
            source: GrantSource::from_number(self.source)?,
            credits: self.credits,
            priority: self.priority,
            effective_at: self.effective_at,
            expires_at: self.expires_at.time(),
            cost: codec::money(self.cost_minor, self.cost_currency.as_deref())?,
            begun: true,
            remaining: Credits::ZERO,
            held: Credits::ZERO,
            ended: self.ended.map(Ended::from_number).transpose()?,
        };
        Ok(LotRecord {
            balance: BalanceId { customer: self.customer_id, number: self.balance },
            lot,
            reason: self.reason,
            metadata: self.metadata.unwrap_or_else(CanonicalJson::empty_object),
            created_at: self.created_at,
        })
    }
}

impl LotChange {
    pub(super) fn of(balance: BalanceId, lot: &Lot) -> Self {
        Self {
            customer_id: balance.customer,
            balance: balance.number,
            sequence: lot.sequence,
            priority: lot.priority,
            expires_at: Deadline::of(lot.expires_at),
            ended: lot.ended.map(Ended::number),
        }
    }
}

impl LotRow {
    /// Brings a row that is not written yet up to date.
    pub(super) fn change_to(&mut self, lot: &Lot) {
        self.priority = lot.priority;
        self.expires_at = Deadline::of(lot.expires_at);
        self.ended = lot.ended.map(Ended::number);
    }
}

impl HoldRow {
    pub(super) fn of(hold: HoldId, expires_at: Time, entry: &Entry) -> Self {
        Self {
            customer_id: hold.balance.customer,
            balance: hold.balance.number,
            sequence: hold.sequence,
            credits: entry.posting.held_change,
            captured: Credits::ZERO,
            expires_at,
            state: HoldState::Active.number(),
            reason: entry.note.reason.clone(),
            metadata: entry.note.metadata.clone(),
            created_at: entry.posting.recorded_at,
            ended_at: None,
        }
    }
}

impl HoldChange {
    pub(super) fn extended(hold: HoldId, expires_at: Time) -> Self {
        Self {
            customer_id: hold.balance.customer,
            balance: hold.balance.number,
            sequence: hold.sequence,
            captured: Credits::ZERO,
            expires_at,
            state: HoldState::Active.number(),
            ended_at: None,
        }
    }

    pub(super) fn ended(hold: HoldId, expires_at: Time, entry: &Posting) -> Self {
        let state = match (entry.kind, entry.cause) {
            (EntryKind::Capture, _) => HoldState::Captured,
            (_, Cause::Time) => HoldState::Lapsed,
            (_, Cause::Command | Cause::Renewal) => HoldState::Released,
        };
        Self {
            customer_id: hold.balance.customer,
            balance: hold.balance.number,
            sequence: hold.sequence,
            captured: entry.credits.negated(),
            expires_at,
            state: state.number(),
            ended_at: Some(entry.occurred_at),
        }
    }
}

impl EntryRow {
    pub(super) fn of(entry: &Entry) -> Self {
        let Entry { balance, posting, note, hash } = entry;
        Self {
            customer_id: balance.customer,
            balance: balance.number,
            sequence: posting.sequence,
            kind: posting.kind.number(),
            credits: posting.credits,
            held_change: posting.held_change,
            uncovered: posting.uncovered,
            available_after: posting.available_after,
            settled_after: posting.settled_after,
            held_after: posting.held_after,
            state_after: posting.state_after.number(),
            state_before: entry.announces().map(BalanceState::number),
            allocations: codec::write_allocations(&posting.allocations),
            rating: note.rating.as_ref().map(codec::write_rating),
            origin: note.origin.number(),
            event: note.event.map(|event| event.key),
            lot: posting.grant,
            terms: posting.terms.as_ref().map(codec::write_terms),
            hold: posting.hold,
            reverses: posting.reverses,
            reason: note.reason.clone(),
            metadata: note.metadata.clone(),
            idempotency_key: note.idempotency_key.clone(),
            occurred_at: posting.occurred_at,
            recorded_at: posting.recorded_at,
            hash: hash.to_vec(),
        }
    }

    pub(super) fn into_entry(self) -> Result<Entry, DbError> {
        let balance = BalanceId { customer: self.customer_id, number: self.balance };
        let origin = Origin::from_number(self.origin)?;
        let posting = Posting {
            sequence: self.sequence,
            kind: EntryKind::from_number(self.kind)?,
            // Why it was posted is not kept; who caused it tells the same.
            cause: match origin {
                Origin::System => Cause::Time,
                Origin::Subscription => Cause::Renewal,
                Origin::Api | Origin::Portal | Origin::Event | Origin::AutoTopUp => Cause::Command,
            },
            credits: self.credits,
            held_change: self.held_change,
            uncovered: self.uncovered,
            available_after: self.available_after,
            settled_after: self.settled_after,
            held_after: self.held_after,
            state_after: BalanceState::from_number(self.state_after)?,
            state_before: self.state_before.map(BalanceState::from_number).transpose()?,
            allocations: codec::read_allocations(&self.allocations)?,
            grant: self.lot,
            terms: self.terms.as_deref().map(codec::read_terms).transpose()?,
            hold: self.hold,
            reverses: self.reverses,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
        };
        let note = Note {
            origin,
            event: self.event.map(|key| EventKey { customer: balance.customer, key }),
            rating: self.rating.as_deref().map(codec::read_rating).transpose()?,
            reason: self.reason,
            metadata: self.metadata,
            idempotency_key: self.idempotency_key,
        };
        Ok(Entry { balance, posting, note, hash: hash(self.hash)? })
    }
}
