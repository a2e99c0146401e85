//! How the ledger's shapes are kept in columns: small numbers for names, arrays of integers as JSON text for lists.
//!
//! What was written is read again for as long as the ledger lives: numbers and places are never given a new meaning.

use super::entry::{Origin, Rating};
use super::model::{Allocation, BalanceState, Ended, EntryKind, GrantSource, Hold, HoldState, Lot, Pin, Terms};
use super::plan::PlanTerms;
use crate::base::buying::Buying;
use crate::base::credits::Credits;
use crate::base::ids::MeterId;
use crate::base::money::{Currency, Money};
use crate::base::time::Time;
use crate::db::DbError;
use crate::db::types::JsonText;

/// Gives each name its number in the database.
macro_rules! numbered {
    ($($name:ident { $($variant:ident = $number:literal),+ $(,)? })+) => {$(
        impl $name {
            /// Its number in the database.
            #[must_use]
            pub const fn number(self) -> i16 {
                match self { $( Self::$variant => $number ),+ }
            }

            /// The name that has this number.
            ///
            /// # Errors
            /// [`DbError::Corrupt`] when none has.
            pub fn from_number(number: i16) -> Result<Self, DbError> {
                match number {
                    $( $number => Ok(Self::$variant), )+
                    other => Err(corrupt(stringify!($name), other)),
                }
            }
        }
    )+};
}

numbered! {
    EntryKind {
        StartingBalance = 0, TopUp = 1, Purchase = 2, Allowance = 3, Rollover = 4, Activation = 5, Usage = 6,
        Retention = 7, Hold = 8, Capture = 9, Release = 10, Expiration = 11, Void = 12, Refund = 13, Reversal = 14,
        Amendment = 15,
    }
    GrantSource { StartingBalance = 0, TopUp = 1, Purchase = 2, Allowance = 3, Rollover = 4, Reversal = 5 }
    Ended { Depleted = 0, Expired = 1, Voided = 2 }
    HoldState { Active = 0, Captured = 1, Released = 2, Lapsed = 3 }
    BalanceState { Active = 0, Low = 1, Depleted = 2, Overdrawn = 3, Closed = 4 }
    Origin { Api = 0, Portal = 1, Event = 2, Subscription = 3, AutoTopUp = 4, System = 5 }
}

/// The error that says what was read but is never written.
pub(super) fn corrupt(what: &str, value: impl std::fmt::Display) -> DbError {
    DbError::Corrupt(format!("{what} {value}"))
}

/// Money as two columns or places: minor units, currency.
pub(super) fn money(minor: Option<i64>, currency: Option<&str>) -> Result<Option<Money>, DbError> {
    match (minor, currency) {
        (Some(minor), Some(code)) => {
            let currency = Currency::stored(code).ok_or_else(|| corrupt("currency", code))?;
            Ok(Some(Money { minor, currency }))
        }
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(DbError::Corrupt("half of an amount of money".to_owned())),
    }
}

fn time(micros: i64) -> Result<Time, DbError> {
    Time::from_micros(micros).ok_or_else(|| corrupt("time", micros))
}

/// sequence, source, credits, priority, effective at, expires at, cost, currency, begun, remaining, held, ended
type LotParts<'a> =
    (i64, i16, i64, i16, i64, Option<i64>, Option<i64>, Option<std::borrow::Cow<'a, str>>, u8, i64, i64, Option<i16>);

/// Open lots as text.
pub(super) fn write_lots(lots: &[Lot]) -> JsonText {
    let parts: Vec<LotParts<'_>> = lots
        .iter()
        .map(|lot| {
            (
                lot.sequence,
                lot.source.number(),
                lot.credits.micros(),
                lot.priority,
                lot.effective_at.micros(),
                lot.expires_at.map(Time::micros),
                lot.cost.map(|cost| cost.minor),
                lot.cost.as_ref().map(|cost| cost.currency.code().into()),
                u8::from(lot.begun),
                lot.remaining.micros(),
                lot.held.micros(),
                lot.ended.map(Ended::number),
            )
        })
        .collect();
    JsonText::of(&parts)
}

/// Open lots from text.
pub(super) fn read_lots(text: &JsonText) -> Result<Vec<Lot>, DbError> {
    let parts: Vec<LotParts<'_>> = text.read("lots")?;
    parts
        .into_iter()
        .map(|(sequence, source, credits, priority, begins, ends, cost, currency, begun, remaining, held, ended)| {
            Ok(Lot {
                sequence,
                source: GrantSource::from_number(source)?,
                credits: Credits::from_micros(credits),
                priority,
                effective_at: time(begins)?,
                expires_at: ends.map(time).transpose()?,
                cost: money(cost, currency.as_deref())?,
                begun: begun != 0,
                remaining: Credits::from_micros(remaining),
                held: Credits::from_micros(held),
                ended: ended.map(Ended::from_number).transpose()?,
            })
        })
        .collect()
}

/// sequence, credits, expires at, pins of lot and credits
type HoldParts = (i64, i64, i64, Vec<(i64, i64)>);

/// Active holds as text.
pub(super) fn write_holds(holds: &[Hold]) -> JsonText {
    let parts: Vec<HoldParts> = holds
        .iter()
        .map(|hold| {
            let pins = hold.pins.iter().map(|pin| (pin.lot, pin.credits.micros())).collect();
            (hold.sequence, hold.credits.micros(), hold.expires_at.micros(), pins)
        })
        .collect();
    JsonText::of(&parts)
}

/// Active holds from text.
pub(super) fn read_holds(text: &JsonText) -> Result<Vec<Hold>, DbError> {
    let parts: Vec<HoldParts> = text.read("holds")?;
    parts
        .into_iter()
        .map(|(sequence, credits, expires_at, pins)| {
            let pins = pins.into_iter().map(|(lot, credits)| Pin { lot, credits: Credits::from_micros(credits) });
            Ok(Hold {
                sequence,
                credits: Credits::from_micros(credits),
                expires_at: time(expires_at)?,
                pins: pins.collect(),
            })
        })
        .collect()
}

/// lot, credits, held change, remaining after
type AllocationParts = (i64, i64, i64, i64);

/// Allocations as text.
pub(super) fn write_allocations(allocations: &[Allocation]) -> JsonText {
    let parts: Vec<AllocationParts> = allocations
        .iter()
        .map(|a| (a.lot, a.credits.micros(), a.held_change.micros(), a.remaining_after.micros()))
        .collect();
    JsonText::of(&parts)
}

/// Allocations from text.
pub(super) fn read_allocations(text: &JsonText) -> Result<Vec<Allocation>, DbError> {
    let parts: Vec<AllocationParts> = text.read("allocations")?;
    Ok(parts
        .into_iter()
        .map(|(lot, credits, held, remaining)| Allocation {
            lot,
            credits: Credits::from_micros(credits),
            held_change: Credits::from_micros(held),
            remaining_after: Credits::from_micros(remaining),
        })
        .collect())
}

/// credits, priority, effective at, expires at, cost, currency
type TermsParts<'a> = (i64, i16, i64, Option<i64>, Option<i64>, Option<std::borrow::Cow<'a, str>>);

/// A lot's terms as text.
pub(super) fn write_terms(terms: &Terms) -> JsonText {
    let parts: TermsParts<'_> = (
        terms.credits.micros(),
        terms.priority,
        terms.effective_at.micros(),
        terms.expires_at.map(Time::micros),
        terms.cost.map(|cost| cost.minor),
        terms.cost.as_ref().map(|cost| cost.currency.code().into()),
    );
    JsonText::of(&parts)
}

/// A lot's terms from text.
pub(super) fn read_terms(text: &JsonText) -> Result<Terms, DbError> {
    let (credits, priority, begins, ends, cost, currency): TermsParts<'_> = text.read("terms")?;
    Ok(Terms {
        credits: Credits::from_micros(credits),
        priority,
        effective_at: time(begins)?,
        expires_at: ends.map(time).transpose()?,
        cost: money(cost, currency.as_deref())?,
    })
}

/// meter, quantity, credits for each unit, exact credits, credits
type RatingParts = (String, String, String, String, i64);

/// A rating as text.
pub(super) fn write_rating(rating: &Rating) -> JsonText {
    let meter = rating.meter.0.simple().to_string();
    let Rating { quantity, credits_per_unit, exact_credits, credits, .. } = rating;
    JsonText::of(&(meter, quantity, credits_per_unit, exact_credits, credits.micros()))
}

/// A rating from text.
pub(super) fn read_rating(text: &JsonText) -> Result<Rating, DbError> {
    let (meter, quantity, credits_per_unit, exact_credits, credits): RatingParts = text.read("rating")?;
    let meter = uuid::Uuid::parse_str(&meter).map_err(|error| corrupt("meter", error))?;
    let credits = Credits::from_micros(credits);
    Ok(Rating { meter: MeterId(meter), quantity, credits_per_unit, exact_credits, credits })
}

/// A balance's plan as text.
pub(super) fn write_plan(plan: &PlanTerms) -> JsonText {
    JsonText::of(plan)
}

/// A balance's plan from text.
pub(super) fn read_plan(text: &JsonText) -> Result<PlanTerms, DbError> {
    text.read("a balance's plan")
}

/// A balance's purchases as text.
pub(super) fn write_buying(buying: &Buying) -> JsonText {
    JsonText::of(buying)
}

/// A balance's purchases from text.
pub(super) fn read_buying(text: &JsonText) -> Result<Buying, DbError> {
    text.read("a balance's purchases")
}
