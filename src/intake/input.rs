//! What callers ask of balances, as plain values: validated here, and told from another input by one text.
//!
//! A command with an idempotency key is looked up first and validated after that (L5). So the outcome of validation is a part
//! of the order, and the key is made of the input as it was given, after coercion: "25.50" is "25.5", absent is the default.

use std::fmt::Display;

use serde_json::{Map, Value, json};

use super::job::{Action, BalanceChanges, NewBalance, NewHold, Provenance, Retention, TopUp};
use crate::base::credits::Credits;
use crate::base::decimal::Decimal;
use crate::base::fields::{self, optional};
use crate::base::given::Given;
use crate::base::idempotency::{Key, Scope};
use crate::base::ids::{CustomerId, ProductId};
use crate::base::json::CanonicalJson;
use crate::base::patch::Patch;
use crate::base::problem::{Problem, Problems, all};
use crate::base::settings::Overrides;
use crate::base::time::{SECOND, Time};
use crate::catalog::input::GivenOverdraft;
use crate::catalog::product_rules;
use crate::ledger::command::Overrun;
use crate::ledger::entry::Origin;
use crate::ledger::error::expiry_too_early;
use crate::ledger::model::MAX_PRIORITY;

// --- Balances ----------------------------------------------------------------------------------------------------------

/// A balance to be opened.
#[derive(Clone, Debug)]
pub struct OpenBalance {
    /// Of which credits.
    pub product: Given<ProductId>,
    /// Its own name.
    pub name: Option<String>,
    /// Credits to start with.
    pub starting: Given<Decimal>,
    /// Warn at or below this.
    pub low_balance_threshold: Option<Given<Decimal>>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Option<GivenOverdraft>,
}

impl OpenBalance {
    /// All fields but the customer, checked.
    ///
    /// # Errors
    /// Invalid, at each field that cannot be taken.
    pub fn validate(&self) -> Result<CheckedBalance, Problems> {
        let (product, name, starting, low_balance_threshold, overdraft) = all((
            self.product.read(&["productId"]).copied(),
            optional(self.name.as_deref(), |name| fields::name(&["name"], name)),
            fields::amount(&["startingBalance"], &self.starting),
            optional(self.low_balance_threshold.as_ref(), product_rules::low_balance_threshold),
            optional(self.overdraft.as_ref(), product_rules::overdraft),
        ))?;
        Ok(CheckedBalance { product, own: Overrides { name, low_balance_threshold, overdraft }, starting })
    }
}

/// A balance to be opened, all fields checked.
#[derive(Clone, Debug)]
pub struct CheckedBalance {
    product: ProductId,
    own: Overrides,
    starting: Credits,
}

impl CheckedBalance {
    /// The balance of a customer.
    #[must_use]
    pub fn of(self, customer: CustomerId) -> NewBalance {
        let Self { product, own, starting } = self;
        NewBalance { customer, product, own, starting }
    }
}

/// What changes of a balance's own settings; cleared inherits again.
#[derive(Clone, Debug, Default)]
pub struct UpdateBalance {
    /// Its own name.
    pub name: Patch<String>,
    /// Warn at or below this.
    pub low_balance_threshold: Patch<Given<Decimal>>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Patch<GivenOverdraft>,
}

impl UpdateBalance {
    /// The changes, all fields checked.
    ///
    /// # Errors
    /// Invalid, at each field that cannot be taken.
    pub fn validate(&self) -> Result<BalanceChanges, Problems> {
        let (name, low_balance_threshold, overdraft) = all((
            self.name.as_ref().try_map(|name| fields::name(&["name"], name)),
            self.low_balance_threshold.as_ref().try_map(product_rules::low_balance_threshold),
            self.overdraft.as_ref().try_map(product_rules::overdraft),
        ))?;
        Ok(BalanceChanges { name, low_balance_threshold, overdraft })
    }
}

// --- Credits -----------------------------------------------------------------------------------------------------------

/// Credits to come in by hand.
#[derive(Clone, Debug)]
pub struct TopUpCredits {
    /// How many.
    pub credits: Given<Decimal>,
    /// The lower burns first.
    pub priority: i32,
    /// When they begin.
    pub effective_at: Option<Given<Time>>,
    /// When they end.
    pub expires_at: Option<Given<Time>>,
}

impl TopUpCredits {
    /// The top-up as of `now`, all fields checked.
    ///
    /// # Errors
    /// Invalid, at each field that cannot be taken.
    pub fn validate(&self, now: Time) -> Result<Action, Problems> {
        let effective_at = optional(self.effective_at.as_ref(), |given| given.read(&["effectiveAt"]).copied());
        // Grants begin now at the earliest.
        let begin = effective_at.as_ref().ok().copied().flatten().map_or(now, |begin| begin.max(now));
        let expires_at = optional(self.expires_at.as_ref(), |given| end_after(given, begin));
        let (credits, priority, effective_at, expires_at) = all((
            fields::positive_amount(&["credits"], &self.credits),
            priority(self.priority),
            effective_at,
            expires_at,
        ))?;
        Ok(Action::TopUp(TopUp { credits, priority, effective_at, expires_at }))
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({
            "credits": self.credits.canonical(),
            "priority": self.priority,
            "effectiveAt": self.effective_at.as_ref().map(ToString::to_string),
            "expiresAt": self.expires_at.as_ref().map(ToString::to_string),
        })
    }
}

/// Credits to be burned by hand.
#[derive(Clone, Debug)]
pub struct RetainCredits {
    /// How many.
    pub credits: Given<Decimal>,
    /// When it happened.
    pub occurred_at: Option<Given<Time>>,
}

impl RetainCredits {
    /// The retention as of `now`, all fields checked.
    ///
    /// # Errors
    /// Invalid, at each field that cannot be taken: an amount that is none, or what has not happened yet.
    pub fn validate(&self, now: Time) -> Result<Action, Problems> {
        let occurred_at = optional(self.occurred_at.as_ref(), |given| {
            let time = *given.read(&["occurredAt"])?;
            let message = "occurredAt lies in the future; credits are retained for what has happened.";
            if time > now { Err(Problem::invalid(&["occurredAt"], message)) } else { Ok(time) }
        });
        let (credits, occurred_at) = all((fields::positive_amount(&["credits"], &self.credits), occurred_at))?;
        Ok(Action::Retain(Retention { credits, occurred_at }))
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({
            "credits": self.credits.canonical(),
            "occurredAt": self.occurred_at.as_ref().map(ToString::to_string),
        })
    }
}

/// New terms of a grant.
#[derive(Clone, Debug)]
pub struct UpdateGrant {
    /// Cleared: the default.
    pub priority: Patch<i32>,
    /// Cleared: it does not end.
    pub expires_at: Patch<Given<Time>>,
}

impl UpdateGrant {
    /// Priority and expiry as of `now`, both checked.
    ///
    /// # Errors
    /// Invalid, at each field that cannot be taken.
    pub fn validate(&self, now: Time) -> Result<(Patch<i16>, Patch<Time>), Problems> {
        all((self.priority.try_map(priority), self.expires_at.as_ref().try_map(|given| end_after(given, now))))
    }
}

/// When a grant ends: later than now, and than it begins.
fn end_after(given: &Given<Time>, begin: Time) -> Result<Time, Problem> {
    let end = *given.read(&["expiresAt"])?;
    if end > begin { Ok(end) } else { Err(expiry_too_early()) }
}

fn priority(given: i32) -> Result<i16, Problem> {
    let known = i16::try_from(given).ok().filter(|priority| (0..=MAX_PRIORITY).contains(priority));
    known.ok_or_else(|| Problem::invalid(&["priority"], format!("priority is {given}; write 0 to {MAX_PRIORITY}.")))
}

/// An entry to be taken back.
#[derive(Clone, Debug)]
pub struct ReverseEntry {
    /// How much of it; all that is left when absent.
    pub credits: Option<Given<Decimal>>,
}

impl ReverseEntry {
    /// How many credits come back.
    ///
    /// # Errors
    /// Invalid, at `["credits"]`.
    pub fn validate(&self) -> Result<Option<Credits>, Problems> {
        Ok(optional(self.credits.as_ref(), |credits| fields::positive_amount(&["credits"], credits))?)
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({ "credits": self.credits.as_ref().map(Given::canonical) })
    }
}

// --- Holds -------------------------------------------------------------------------------------------------------------

/// For how many seconds credits are set aside at least and at most: a second to a week.
const TTL: std::ops::RangeInclusive<i32> = 1..=604_800;

/// Credits to be set aside.
#[derive(Clone, Debug)]
pub struct HoldCredits {
    /// How many.
    pub credits: Given<Decimal>,
    /// For how long.
    pub ttl_seconds: i32,
}

impl HoldCredits {
    /// The hold, all fields checked.
    ///
    /// # Errors
    /// Invalid, at each field that cannot be taken.
    pub fn validate(&self) -> Result<Action, Problems> {
        let (credits, ttl) = all((fields::positive_amount(&["credits"], &self.credits), ttl(self.ttl_seconds)))?;
        Ok(Action::Hold(NewHold { credits, ttl }))
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        json!({ "credits": self.credits.canonical(), "ttlSeconds": self.ttl_seconds })
    }
}

/// For how long a hold is to last from now on, in microseconds.
///
/// # Errors
/// Invalid, at the field.
pub fn extend_hold(ttl_seconds: i32) -> Result<i64, Problems> {
    Ok(ttl(ttl_seconds)?)
}

/// Credits set aside that are to be burned.
#[derive(Clone, Debug)]
pub struct CaptureHold {
    /// How many; all of them when absent.
    pub credits: Option<Given<Decimal>>,
    /// When that is more than was set aside.
    pub overrun: Overrun,
}

impl CaptureHold {
    /// How many credits are burned.
    ///
    /// # Errors
    /// Invalid, at `["credits"]`.
    pub fn validate(&self) -> Result<Option<Credits>, Problems> {
        Ok(optional(self.credits.as_ref(), |credits| fields::amount(&["credits"], credits))?)
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Value {
        let overrun = match self.overrun {
            Overrun::Reject => "REJECT",
            Overrun::UpToAvailable => "UP_TO_AVAILABLE",
            Overrun::Overdraft => "OVERDRAFT",
        };
        json!({ "credits": self.credits.as_ref().map(Given::canonical), "overrun": overrun })
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
    /// The caller's words with the command that they are about: a problem with either is the command's.
    pub fn with(&self, origin: Origin, action: Result<Action, Problems>) -> (Result<Action, Problems>, Provenance) {
        match all((action, self.validate())) {
            Ok((action, (reason, metadata))) => (Ok(action), Provenance { origin, reason, metadata, key: None }),
            Err(problems) => (Err(problems), Provenance { origin, reason: None, metadata: None, key: None }),
        }
    }

    /// Reason and metadata, both checked; metadata that says nothing is none.
    ///
    /// # Errors
    /// Invalid, at `["reason"]` or `["metadata"]`.
    pub fn validate(&self) -> Result<(Option<String>, Option<CanonicalJson>), Problems> {
        let (reason, metadata) = all((
            optional(self.reason.as_deref(), |reason| fields::prose(&["reason"], reason)),
            fields::metadata(&["metadata"], self.metadata.as_ref()),
        ))?;
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
    let mut all = Map::new();
    all.insert("command".to_owned(), command.into());
    // It is called so in every key that is on record.
    all.insert("balance".to_owned(), about.to_string().into());
    all.insert("input".to_owned(), input);
    all.insert("reason".to_owned(), words.reason.clone().into());
    all.insert("metadata".to_owned(), words.metadata.clone().unwrap_or_else(|| Value::Object(Map::new())));
    Key::of_fields((scope, key), all)
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
        let credits = Decimal::new(credits).unwrap().into();
        TopUpCredits { credits, priority: 500, effective_at: None, expires_at: None }
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
    fn all_fields_that_cannot_be_taken_are_named_at_once() {
        let now = Time::parse("2026-01-01T00:00:00Z").unwrap();
        let paths = |result: Result<Action, Problems>| -> Vec<String> {
            result.unwrap_err().into_iter().map(|problem| problem.path.join(".")).collect()
        };
        let wrong = TopUpCredits {
            credits: Given::unreadable("12,5", "is no decimal"),
            priority: 1001,
            effective_at: Some(Given::unreadable("soon", "is no time")),
            expires_at: Some(now.into()),
        };
        assert_eq!(paths(wrong.validate(now)), ["credits", "priority", "effectiveAt", "expiresAt"]);
        for credits in ["0", "1.0000001", "-1"] {
            assert_eq!(paths(top_up(credits).validate(now)), ["credits"]);
        }
        assert_eq!(paths(TopUpCredits { priority: -1, ..top_up("1") }.validate(now)), ["priority"]);
        let credits = Decimal::new("1").unwrap();
        let late = now.plus_micros(1).map(Given::from);
        assert_eq!(
            paths(RetainCredits { credits: credits.clone().into(), occurred_at: late }.validate(now)),
            ["occurredAt"]
        );
        assert!(RetainCredits { credits: credits.into(), occurred_at: Some(now.into()) }.validate(now).is_ok());
        let (action, _) =
            Words { metadata: Some(json!([])), reason: None }.with(Origin::Api, top_up("0").validate(now));
        assert_eq!(paths(action), ["credits", "metadata"]);
    }

    #[test]
    fn grant_ends_after_now_and_after_it_begins() {
        let at = |seconds: i64| Time::parse("2026-01-01T00:00:00Z").unwrap().plus_micros(seconds * SECOND).unwrap();
        let ends = |begin: Option<i64>, end: i64| {
            let effective_at = begin.map(|begin| at(begin).into());
            TopUpCredits { effective_at, expires_at: Some(at(end).into()), ..top_up("1") }.validate(at(10)).is_ok()
        };
        assert!(ends(None, 11) && ends(Some(5), 11) && ends(Some(11), 12));
        assert!(!ends(None, 10) && !ends(Some(5), 10) && !ends(Some(12), 12));
    }
}
