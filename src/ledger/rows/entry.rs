//! Rows of entries.

use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};

use super::hash;
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, CustomerId, EventKey};
use crate::base::json::CanonicalJson;
use crate::base::time::Time;
use crate::db::DbError;
use crate::db::bulk::bulk_insert;
use crate::db::schema::{entries, reversals};
use crate::db::types::{Id, JsonText, Micros};
use crate::ledger::codec;
use crate::ledger::entry::{Entry, Note, Origin};
use crate::ledger::model::{BalanceState, Cause, EntryKind, Posting};

bulk_insert! {
    /// An entry.
    pub(in crate::ledger) struct EntryRow of entries {
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
        allocations: JsonText as Text,
        rating: Option<JsonText> as Nullable<Text>,
        origin: i16 as SmallInt,
        event: Option<i64> as Nullable<BigInt>,
        lot: Option<i64> as Nullable<BigInt>,
        terms: Option<JsonText> as Nullable<Text>,
        hold: Option<i64> as Nullable<BigInt>,
        reverses: Option<i64> as Nullable<BigInt>,
        reason: Option<String> as Nullable<Text>,
        metadata: Option<CanonicalJson> as Nullable<Text>,
        idempotency_key: Option<String> as Nullable<Text>,
        occurred_at: Time as Micros,
        recorded_at: Time as Micros,
        hash: Vec<u8> as Binary,
        subscription: Option<i32> as Nullable<Integer>,
        purchase: Option<i32> as Nullable<Integer>,
    }
}

bulk_insert! {
    /// Which entry took which back.
    pub(in crate::ledger) struct ReversalRow of reversals {
        customer_id: CustomerId as Id,
        balance: i32 as Integer,
        entry: i64 as BigInt,
        sequence: i64 as BigInt,
        credits: Credits as BigInt,
    }
}

impl EntryRow {
    pub(in crate::ledger) fn of(entry: &Entry) -> Self {
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
            subscription: note.subscription,
            purchase: note.purchase,
        }
    }

    pub(in crate::ledger) fn into_entry(self) -> Result<Entry, DbError> {
        let balance = BalanceId { customer: self.customer_id, number: self.balance };
        let (origin, kind) = (Origin::from_number(self.origin)?, EntryKind::from_number(self.kind)?);
        let posting = Posting {
            sequence: self.sequence,
            kind,
            // Why it was posted is not kept; who caused it tells the same.
            cause: match (origin, kind, self.subscription) {
                (Origin::System, ..) => Cause::Time,
                (_, EntryKind::Allowance | EntryKind::Rollover, Some(number)) => Cause::Renewal(number),
                _ => Cause::Command,
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
            terms: self.terms.as_ref().map(codec::read_terms).transpose()?,
            hold: self.hold,
            reverses: self.reverses,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
        };
        let note = Note {
            origin,
            event: self.event.map(|key| EventKey { customer: balance.customer, key }),
            rating: self.rating.as_ref().map(codec::read_rating).transpose()?,
            reason: self.reason,
            metadata: self.metadata,
            idempotency_key: self.idempotency_key,
            subscription: self.subscription,
            purchase: self.purchase,
        };
        Ok(Entry { balance, posting, note, hash: hash(self.hash)? })
    }
}
