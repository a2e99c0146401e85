//! What callers ask of balances, as plain values of the right form: judged here, and told from another input by one text.
//!
//! Whoever comes with an idempotency key is looked up first and judged after it (L5). So a judgement is a part of the
//! order, and the key is made of the input as it was given, after coercion: "25.50" is "25.5", absent is the default.

use std::fmt::Display;

use serde_json::{Map, Value, json};

use super::job::{
    Action, Amendment, BalanceChanges, Capture, Extension, Given, Key, NewBalance, NewHold, Retention, Scope, TakeBack,
    TopUp,
};
use crate::base::decimal::Decimal;
use crate::base::fields;
use crate::base::ids::{CustomerId, EntryId, GrantId, HoldId, ProductId};
use crate::base::json::CanonicalJson;
use crate::base::patch::Patch;
use crate::base::problem::Problem;
use crate::base::settings::Overrides;
use crate::base::text::MAX_REFERENCE;
use crate::base::time::{SECOND, Time};
use crate::catalog::input::GivenOverdraft;
use crate::catalog::product_rules;
use crate::ledger::command::Overrun;
use crate::ledger::entry::Origin;
use crate::ledger::model::MAX_PRIORITY;

// --- Balances ----------------------------------------------------------------------------------------------------------

/// A balance to be opened.
#[derive(Clone, Debug)]
pub struct OpenBalance {
    /// Whose.
    pub customer: CustomerId,
    /// Of which credits.
    pub product: ProductId,
    /// Its own name.
    pub name: Option<String>,
    /// Credits to start with.
    pub starting: Decimal,
    /// Warn at or below this.
    pub low_balance_threshold: Option<Decimal>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Option<GivenOverdraft>,
}

impl OpenBalance {
    /// What it comes to.
    ///
    /// # Errors
    /// Invalid, at the field.
    pub fn judged(&self) -> Result<NewBalance, Problem> {
        let threshold = |given: &Decimal| fields::amount(&["lowBalanceThreshold"], given);
        Ok(NewBalance {
            customer: self.customer,
            product: self.product,
            own: Overrides {
                name: self.name.as_deref().map(|name| fields::name(&["name"], name)).transpose()?,
                low_balance_threshold: self.low_balance_threshold.as_ref().map(threshold).transpose()?,
                overdraft: self.overdraft.as_ref().map(product_rules::overdraft).transpose()?,
            },
            starting: fields::amount(&["startingBalance"], &self.starting)?,
        })
    }
}

/// What changes of a balance's own settings; cleared inherits again.
#[derive(Clone, Debug, Default)]
pub struct UpdateBalance {
    /// Its own name.
    pub name: Patch<String>,
    /// Warn at or below this.
    pub low_balance_threshold: Patch<Decimal>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Patch<GivenOverdraft>,
}

impl UpdateBalance {
    /// What it comes to.
    ///
    /// # Errors
    /// Invalid, at the field.
    pub fn judged(self) -> Result<BalanceChanges, Problem> {
        let threshold = |given: Decimal| fields::amount(&["lowBalanceThreshold"], &given);
        Ok(BalanceChanges {
            name: self.name.try_map(|name| fields::name(&["name"], &name))?,
            low_balance_threshold: self.low_balance_threshold.try_map(threshold)?,
            overdraft: self.overdraft.try_map(|overdraft| product_rules::overdraft(&overdraft))?,
        })
    }
}

// --- Credits -----------------------------------------------------------------------------------------------------------

/// Credits to come in by hand.
#[derive(Clone, Debug)]
pub struct TopUpCredits {
    /// How many.
    pub credits: Decimal,
    /// The lower burns first.
    pub priority: i32,
    /// When they begin.
    pub effective_at: Option<Time>,
    /// When they end.
    pub expires_at: Option<Time>,
}

impl TopUpCredits {
    /// What it comes to.
    ///
    /// # Errors
    /// Invalid, at the field.
    pub fn judged(&self) -> Result<Action, Problem> {
        let credits = fields::positive_amount(&["credits"], &self.credits)?;
        let priority = priority(self.priority)?;
        Ok(Action::TopUp(TopUp { credits, priority, effective_at: self.effective_at, expires_at: self.expires_at }))
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({
            "credits": self.credits.canonical(),
            "priority": self.priority,
            "effectiveAt": self.effective_at.map(|time| time.to_string()),
            "expiresAt": self.expires_at.map(|time| time.to_string()),
        })
    }
}

/// Credits to be burned by hand.
#[derive(Clone, Debug)]
pub struct RetainCredits {
    /// How many.
    pub credits: Decimal,
    /// When it happened.
    pub occurred_at: Option<Time>,
}

impl RetainCredits {
    /// What it comes to.
    ///
    /// # Errors
    /// Invalid, at the field: an amount that is none, or what has not happened yet.
    pub fn judged(&self, now: Time) -> Result<Action, Problem> {
        let credits = fields::positive_amount(&["credits"], &self.credits)?;
        if self.occurred_at.is_some_and(|time| time > now) {
            let message = "occurredAt lies in the future; credits are retained for what has happened.";
            return Err(Problem::invalid(&["occurredAt"], message));
        }
        Ok(Action::Retain(Retention { credits, occurred_at: self.occurred_at }))
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({
            "credits": self.credits.canonical(),
            "occurredAt": self.occurred_at.map(|time| time.to_string()),
        })
    }
}

/// New terms of a grant.
#[derive(Clone, Debug)]
pub struct UpdateGrant {
    /// Which grant.
    pub grant: GrantId,
    /// Cleared: the default.
    pub priority: Patch<i32>,
    /// Cleared: it does not end.
    pub expires_at: Patch<Time>,
}

impl UpdateGrant {
    /// What it comes to.
    ///
    /// # Errors
    /// Invalid, at the field.
    pub fn judged(self) -> Result<Action, Problem> {
        let priority = self.priority.try_map(priority)?;
        Ok(Action::Amend(Amendment { grant: self.grant, priority, expires_at: self.expires_at }))
    }
}

fn priority(given: i32) -> Result<i16, Problem> {
    let known = i16::try_from(given).ok().filter(|priority| (0..=MAX_PRIORITY).contains(priority));
    known.ok_or_else(|| Problem::invalid(&["priority"], format!("priority is {given}; write 0 to {MAX_PRIORITY}.")))
}

/// An entry to be taken back.
#[derive(Clone, Debug)]
pub struct ReverseEntry {
    /// Which one.
    pub entry: EntryId,
    /// How much of it; all that is left when absent.
    pub credits: Option<Decimal>,
}

impl ReverseEntry {
    /// What it comes to.
    ///
    /// # Errors
    /// Invalid, at the field.
    pub fn judged(&self) -> Result<Action, Problem> {
        let credits =
            self.credits.as_ref().map(|credits| fields::positive_amount(&["credits"], credits)).transpose()?;
        Ok(Action::Reverse(TakeBack { entry: self.entry, credits }))
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({ "credits": self.credits.as_ref().map(Decimal::canonical) })
    }
}

// --- Holds -------------------------------------------------------------------------------------------------------------

/// For how many seconds credits are set aside at least and at most: a second to a week.
const TTL: std::ops::RangeInclusive<i32> = 1..=604_800;

/// Credits to be set aside.
#[derive(Clone, Debug)]
pub struct HoldCredits {
    /// How many.
    pub credits: Decimal,
    /// For how long.
    pub ttl_seconds: i32,
}

impl HoldCredits {
    /// What it comes to.
    ///
    /// # Errors
    /// Invalid, at the field.
    pub fn judged(&self) -> Result<Action, Problem> {
        let credits = fields::positive_amount(&["credits"], &self.credits)?;
        Ok(Action::Hold(NewHold { credits, ttl: ttl(self.ttl_seconds)? }))
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({ "credits": self.credits.canonical(), "ttlSeconds": self.ttl_seconds })
    }
}

/// A hold that is to last longer.
///
/// # Errors
/// Invalid, at the field.
pub fn extend_hold(hold: HoldId, ttl_seconds: i32) -> Result<Action, Problem> {
    Ok(Action::Extend(Extension { hold, ttl: ttl(ttl_seconds)? }))
}

/// Credits set aside that are to be burned.
#[derive(Clone, Debug)]
pub struct CaptureHold {
    /// Of which hold.
    pub hold: HoldId,
    /// How many; all of them when absent.
    pub credits: Option<Decimal>,
    /// When that is more than was set aside.
    pub overrun: Overrun,
}

impl CaptureHold {
    /// What it comes to.
    ///
    /// # Errors
    /// Invalid, at the field.
    pub fn judged(&self) -> Result<Action, Problem> {
        let credits = self.credits.as_ref().map(|credits| fields::amount(&["credits"], credits)).transpose()?;
        Ok(Action::Capture(Capture { hold: self.hold, credits, overrun: self.overrun }))
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        let overrun = match self.overrun {
            Overrun::Reject => "REJECT",
            Overrun::UpToAvailable => "UP_TO_AVAILABLE",
            Overrun::Overdraft => "OVERDRAFT",
        };
        json!({ "credits": self.credits.as_ref().map(Decimal::canonical), "overrun": overrun })
    }
}

fn ttl(seconds: i32) -> Result<i64, Problem> {
    if TTL.contains(&seconds) {
        return Ok(i64::from(seconds).saturating_mul(SECOND));
    }
    let (least, most) = (TTL.start(), TTL.end());
    let message = format!("ttlSeconds is {seconds}; credits are set aside for {least} to {most} seconds.");
    Err(Problem::invalid(&["ttlSeconds"], message))
}

// --- What goes with them -----------------------------------------------------------------------------------------------

/// What a caller says beside the command itself.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Why, in words.
    pub reason: Option<String>,
    /// The caller's own data.
    pub metadata: Option<Value>,
}

impl Words {
    /// What the caller said, with the command that it was said about: a problem with either is the command's.
    pub fn with(&self, origin: Origin, action: Result<Action, Problem>) -> (Result<Action, Problem>, Given) {
        match (action, self.judged()) {
            (Ok(action), Ok((reason, metadata))) => (Ok(action), Given { origin, reason, metadata, key: None }),
            (Err(problem), _) | (Ok(_), Err(problem)) => {
                (Err(problem), Given { origin, reason: None, metadata: None, key: None })
            }
        }
    }

    fn judged(&self) -> Result<(Option<String>, Option<CanonicalJson>), Problem> {
        let reason = self.reason.as_deref().map(|reason| fields::prose(&["reason"], reason)).transpose()?;
        let metadata = fields::metadata(&["metadata"], self.metadata.as_ref())?;
        Ok((reason, Some(metadata).filter(|metadata| *metadata != CanonicalJson::empty_object())))
    }
}

/// An idempotency key among those of API keys, for this command with this input, about a balance or customer.
///
/// # Errors
/// Invalid, at `["idempotencyKey"]`, when it is not 1 to 255 characters.
pub fn keyed(key: &str, command: &str, about: (impl Display, Value), words: &Words) -> Result<Key, Problem> {
    keyed_in((Scope::Api, key), command, about, words)
}

/// As [`keyed`], among the keys of a scope.
///
/// # Errors
/// As [`keyed`].
pub fn keyed_in(
    (scope, key): (Scope, &str),
    command: &str,
    (about, input): (impl Display, Value),
    words: &Words,
) -> Result<Key, Problem> {
    let key = fields::text(&["idempotencyKey"], key, MAX_REFERENCE)?;
    let mut all = Map::new();
    all.insert("command".to_owned(), command.into());
    // It is called so in every key that is on record.
    all.insert("balance".to_owned(), about.to_string().into());
    all.insert("input".to_owned(), input);
    all.insert("reason".to_owned(), words.reason.clone().into());
    all.insert("metadata".to_owned(), words.metadata.clone().unwrap_or_else(|| Value::Object(Map::new())));
    let all = Value::Object(all);
    // What has no canonical form is refused later; as it was written it can still be told from another.
    let text = CanonicalJson::of(&all).map_or_else(|_| all.to_string(), CanonicalJson::into_string);
    Ok(Key::of(scope, key, &text))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::base::ids::BalanceId;

    fn balance() -> BalanceId {
        BalanceId { customer: CustomerId(Uuid::from_u128(7)), number: 1 }
    }

    fn top_up(credits: &str) -> TopUpCredits {
        TopUpCredits { credits: Decimal::new(credits).unwrap(), priority: 500, effective_at: None, expires_at: None }
    }

    fn key(input: &TopUpCredits, words: &Words) -> Key {
        keyed("k", "topUpCredits", (balance(), input.fields()), words).unwrap()
    }

    #[test]
    fn the_same_input_is_the_same_however_it_is_written() {
        let first = key(&top_up("25.50"), &Words::default());
        let empty = Words { metadata: Some(json!({})), ..Words::default() };
        assert_eq!(first, key(&top_up("25.5"), &empty));
        assert_ne!(first, key(&top_up("25.51"), &Words::default()));
        assert_ne!(first, key(&TopUpCredits { priority: 1, ..top_up("25.5") }, &Words::default()));
        assert_ne!(first, key(&top_up("25.5"), &Words { reason: Some(String::new()), ..Words::default() }));
        assert_ne!(first, keyed("k", "other", (balance(), top_up("25.5").fields()), &Words::default()).unwrap());
        let ordered = |metadata| key(&top_up("1"), &Words { metadata: Some(metadata), ..Words::default() });
        assert_eq!(ordered(json!({"a": 1, "b": 2.0})), ordered(json!({"b": 2, "a": 1.0})));
    }

    #[test]
    fn a_key_has_1_to_255_characters() {
        for key in ["", &"x".repeat(256), "a\0"] {
            let refused = keyed(key, "topUpCredits", (balance(), json!({})), &Words::default());
            assert_eq!(refused.unwrap_err().path, ["idempotencyKey"], "{key}");
        }
        assert!(keyed(&"é".repeat(255), "topUpCredits", (balance(), json!({})), &Words::default()).is_ok());
    }

    #[test]
    fn what_cannot_be_taken_names_its_field() {
        let now = Time::parse("2026-01-01T00:00:00Z").unwrap();
        let path = |result: Result<Action, Problem>| result.unwrap_err().path;
        assert_eq!(path(top_up("0").judged()), ["credits"]);
        assert_eq!(path(top_up("1.0000001").judged()), ["credits"]);
        assert_eq!(path(TopUpCredits { priority: 1001, ..top_up("1") }.judged()), ["priority"]);
        assert_eq!(path(TopUpCredits { priority: -1, ..top_up("1") }.judged()), ["priority"]);
        let credits = Decimal::new("1").unwrap();
        let late = RetainCredits { credits: credits.clone(), occurred_at: now.plus_micros(1) };
        assert_eq!(path(late.judged(now)), ["occurredAt"]);
        assert!(RetainCredits { credits, occurred_at: Some(now) }.judged(now).is_ok());
        let (action, _) = Words { metadata: Some(json!([])), reason: None }.with(Origin::Api, top_up("1").judged());
        assert_eq!(path(action), ["metadata"]);
    }
}
