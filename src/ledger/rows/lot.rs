//! Rows of lots and of holds.

use diesel::sql_types::{BigInt, Bool, Integer, Nullable, SmallInt, Text};

use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, CustomerId, GrantId, HoldId};
use crate::base::json::CanonicalJson;
use crate::base::money::Money;
use crate::base::time::Time;
use crate::db::DbError;
use crate::db::bulk::{bulk_insert, bulk_update};
use crate::db::schema::{holds, lots};
use crate::db::types::{Deadline, Id, Micros};
use crate::ledger::codec;
use crate::ledger::entry::{Entry, Note};
use crate::ledger::model::{Cause, Ended, EntryKind, GrantSource, HoldState, Lot, Posting};

bulk_insert! {
    /// A lot.
    pub(in crate::ledger) struct LotRow of lots {
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
        subscription: Option<i32> as Nullable<Integer>,
        purchase: Option<i32> as Nullable<Integer>,
    }
}

bulk_update! {
    /// What changes of a lot: by amendment, or because it ended or came back.
    pub(in crate::ledger) struct LotChange of lots {
        keys { customer_id: CustomerId as Id, balance: i32 as Integer, sequence: i64 as BigInt, }
        values { priority: i16 as SmallInt, expires_at: Deadline as Micros, ended: Option<i16> as Nullable<SmallInt>, }
    }
}

bulk_insert! {
    /// A hold.
    pub(in crate::ledger) struct HoldRow of holds {
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
    pub(in crate::ledger) struct HoldChange of holds {
        keys { customer_id: CustomerId as Id, balance: i32 as Integer, sequence: i64 as BigInt, }
        values {
            captured: Credits as BigInt,
            expires_at: Time as Micros,
            state: i16 as SmallInt,
            ended_at: Option<Time> as Nullable<Micros>,
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
    /// The subscription that brought it, by its number within the customer.
    pub subscription: Option<i32>,
    /// The purchase that it was paid for by, by its number within the balance.
    pub purchase: Option<i32>,
    /// Whether its row counts as paid for, which pages of grants are ordered by.
    pub paid: bool,
}

impl LotRecord {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> GrantId {
        self.balance.grant(self.lot.sequence)
    }
}

/// A hold on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRecord {
    /// Its id.
    pub id: HoldId,
    /// How many credits were set aside.
    pub credits: Credits,
    /// How many were burned of it, or beyond it, by its capture.
    pub captured: Credits,
    /// When it lapses, or would have.
    pub expires_at: Time,
    /// Its state.
    pub state: HoldState,
    /// Why, in words.
    pub reason: Option<String>,
    /// The caller's own data.
    pub metadata: CanonicalJson,
    /// When it was made.
    pub created_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}

impl HoldRecord {
    /// As it is at an instant: a lapse shows though nobody has written it down.
    #[must_use]
    pub fn at(self, now: Time) -> Self {
        if self.state == HoldState::Active && self.expires_at <= now {
            return Self { state: HoldState::Lapsed, ended_at: Some(self.expires_at), ..self };
        }
        self
    }
}

impl HoldRow {
    pub(in crate::ledger) fn into_record(self) -> Result<HoldRecord, DbError> {
        let balance = BalanceId { customer: self.customer_id, number: self.balance };
        Ok(HoldRecord {
            id: balance.hold(self.sequence),
            credits: self.credits,
            captured: self.captured,
            expires_at: self.expires_at,
            state: HoldState::from_number(self.state)?,
            reason: self.reason,
            metadata: self.metadata.unwrap_or_else(CanonicalJson::empty_object),
            created_at: self.created_at,
            ended_at: self.ended_at,
        })
    }
}

impl LotRow {
    pub(in crate::ledger) fn of(balance: BalanceId, lot: &Lot, note: &Note, created_at: Time) -> Self {
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
            subscription: note.subscription,
            purchase: note.purchase,
        }
    }

    pub(in crate::ledger) fn into_record(self) -> Result<LotRecord, DbError> {
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
            subscription: self.subscription,
            purchase: self.purchase,
            paid: self.paid,
        })
    }
}

impl LotChange {
    pub(in crate::ledger) fn of(balance: BalanceId, lot: &Lot) -> Self {
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

impl LotChange {
    /// Does to a lot what it will do to the row.
    pub(in crate::ledger) fn apply(&self, lot: &mut Lot) -> Result<(), DbError> {
        lot.priority = self.priority;
        lot.expires_at = self.expires_at.time();
        lot.ended = self.ended.map(Ended::from_number).transpose()?;
        Ok(())
    }
}

impl LotRow {
    /// Brings a row that is not written yet up to date.
    pub(in crate::ledger) fn change_to(&mut self, lot: &Lot) {
        self.priority = lot.priority;
        self.expires_at = Deadline::of(lot.expires_at);
        self.ended = lot.ended.map(Ended::number);
    }
}

impl HoldRow {
    pub(in crate::ledger) fn of(hold: HoldId, expires_at: Time, entry: &Entry) -> Self {
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
    pub(in crate::ledger) fn extended(hold: HoldId, expires_at: Time) -> Self {
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

    pub(in crate::ledger) fn ended(hold: HoldId, expires_at: Time, entry: &Posting) -> Self {
        let state = match (entry.kind, entry.cause) {
            (EntryKind::Capture, _) => HoldState::Captured,
            (_, Cause::Time) => HoldState::Lapsed,
            (_, Cause::Command | Cause::Renewal(_)) => HoldState::Released,
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
