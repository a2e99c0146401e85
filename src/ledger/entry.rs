//! A sealed entry: what the rules said, who caused it, and its place in the chain (L12).
//!
//! The canonical form of an entry is RFC 8785 JSON of the API's own values. Its keys are written here in sorted order
//! by hand, since every event passes through; a test holds it to the general writer.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::model::{BalanceState, Cause, EntryKind, FIRST_HASH, Hash, Posting, Terms};
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, EntryId, EventKey, MeterId, PurchaseId, SubscriptionId};
use crate::base::json::CanonicalJson;
use crate::base::time::Time;

/// An entry of the ledger, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The balance whose entry it is.
    pub balance: BalanceId,
    /// What the rules said.
    pub posting: Posting,
    /// Who caused it.
    pub note: Note,
    /// SHA-256 over the hash before it and its canonical form.
    pub hash: Hash,
}

/// Who caused an entry, and what the caller said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Through which door it came.
    pub origin: Origin,
    /// The usage event, for usage.
    pub event: Option<EventKey>,
    /// How the credits came about, for usage.
    pub rating: Option<Rating>,
    /// Why, in words.
    pub reason: Option<String>,
    /// The caller's own data; `None` is `{}`.
    pub metadata: Option<CanonicalJson>,
    /// The key that the caller gave.
    pub idempotency_key: Option<String>,
    /// The subscription that caused it, by its number within the customer.
    pub subscription: Option<i32>,
    /// The purchase that caused it, by its number within the balance.
    pub purchase: Option<i32>,
}

/// Through which door an entry came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum Origin {
    Api,
    Portal,
    Event,
    Subscription,
    AutoTopUp,
    System,
}

/// How the credits of a usage entry came about; decimals as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// The meter.
    pub meter: MeterId,
    /// What the meter read.
    pub quantity: String,
    /// Credits for each unit.
    pub credits_per_unit: String,
    /// quantity × creditsPerUnit.
    pub exact_credits: String,
    /// The same, rounded to six fraction digits.
    pub credits: Credits,
}

impl Note {
    /// A note of that origin and nothing else.
    #[must_use]
    pub const fn of(origin: Origin) -> Self {
        let (reason, metadata, idempotency_key) = (None, None, None);
        let (event, rating, subscription, purchase) = (None, None, None, None);
        Self { origin, event, rating, reason, metadata, idempotency_key, subscription, purchase }
    }

    /// A note of what a subscription causes.
    #[must_use]
    pub fn by_subscription(number: i32) -> Self {
        Self { subscription: Some(number), ..Self::of(Origin::Subscription) }
    }

    /// What is noted of an entry by why it was posted: only what the command asked for carries its words.
    pub(super) fn for_cause(&self, cause: Cause) -> Self {
        match cause {
            Cause::Command => self.clone(),
            Cause::Time => Self::of(Origin::System),
            Cause::Renewal(subscription) => Self::by_subscription(subscription),
        }
    }
}

impl Entry {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> EntryId {
        self.balance.entry(self.posting.sequence)
    }

    /// The subscription that caused it.
    #[must_use]
    pub fn subscription(&self) -> Option<SubscriptionId> {
        self.note.subscription.map(|number| SubscriptionId { customer: self.balance.customer, number })
    }

    /// The purchase that caused it.
    #[must_use]
    pub fn purchase(&self) -> Option<PurchaseId> {
        self.note.purchase.map(|number| self.balance.purchase(number))
    }

    /// Whether it is announced to operators: it changed the state, and was not the first (L15).
    #[must_use]
    pub fn announces(&self) -> Option<BalanceState> {
        self.posting.state_before.filter(|before| *before != self.posting.state_after)
    }

    /// Seals an entry behind `previous`.
    #[must_use]
    pub(super) fn seal(balance: BalanceId, posting: Posting, note: Note, previous: &Hash) -> Self {
        let mut entry = Self { balance, posting, note, hash: FIRST_HASH };
        entry.hash = entry.hash_behind(previous);
        entry
    }

    /// What its hash must be behind `previous`.
    #[must_use]
    pub fn hash_behind(&self, previous: &Hash) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(previous);
        hasher.update(self.canonical().as_bytes());
        hasher.finalize().into()
    }

    /// Its canonical form.
    #[must_use]
    pub fn canonical(&self) -> String {
        let posting = &self.posting;
        let balance = self.balance;
        let mut json = Writer(String::with_capacity(1024));
        json.allocations(balance, posting);
        json.credits(",\"availableAfter\":", posting.available_after);
        json.display(",\"balance\":", Some(balance));
        json.credits(",\"credits\":", posting.credits);
        json.display(",\"event\":", self.note.event);
        json.display(",\"grant\":", posting.grant.map(|sequence| balance.grant(sequence)));
        json.credits(",\"heldAfter\":", posting.held_after);
        json.credits(",\"heldChange\":", posting.held_change);
        json.display(",\"hold\":", posting.hold.map(|sequence| balance.hold(sequence)));
        json.text(",\"idempotencyKey\":", self.note.idempotency_key.as_deref());
        json.text(",\"kind\":", Some(posting.kind.name()));
        json.raw(",\"metadata\":", self.note.metadata.as_ref().map_or("{}", CanonicalJson::as_str));
        json.time(",\"occurredAt\":", Some(posting.occurred_at));
        json.text(",\"origin\":", Some(self.note.origin.name()));
        json.display(",\"purchase\":", self.purchase());
        json.rating(self.note.rating.as_ref());
        json.text(",\"reason\":", self.note.reason.as_deref());
        json.time(",\"recordedAt\":", Some(posting.recorded_at));
        json.display(",\"reverses\":", posting.reverses.map(|sequence| balance.entry(sequence)));
        json.display(",\"sequence\":", Some(posting.sequence));
        json.credits(",\"settledAfter\":", posting.settled_after);
        json.text(",\"stateAfter\":", Some(posting.state_after.name()));
        json.display(",\"subscription\":", self.subscription());
        json.terms(posting.terms.as_ref());
        json.credits(",\"uncovered\":", posting.uncovered);
        json.0.push('}');
        json.0
    }
}

/// Writes canonical JSON piece by piece. Writing to a String does not fail.
struct Writer(String);

impl Writer {
    fn raw(&mut self, key: &str, value: &str) {
        self.0.push_str(key);
        self.0.push_str(value);
    }

    fn display(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        self.0.push_str(key);
        let _ = match value {
            Some(value) => write!(self.0, "\"{value}\""),
            None => write!(self.0, "null"),
        };
    }

    fn credits(&mut self, key: &str, value: Credits) {
        self.display(key, Some(value));
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        self.0.push_str(key);
        match value.map(serde_json::to_string) {
            Some(Ok(text)) => self.0.push_str(&text),
            Some(Err(_)) | None => self.0.push_str("null"),
        }
    }

    fn time(&mut self, key: &str, value: Option<Time>) {
        self.0.push_str(key);
        match value {
            Some(time) => {
                self.0.push('"');
                time.write_to(&mut self.0);
                self.0.push('"');
            }
            None => self.0.push_str("null"),
        }
    }

    fn allocations(&mut self, balance: BalanceId, posting: &Posting) {
        self.0.push_str("{\"allocations\":[");
        for (place, allocation) in posting.allocations.iter().enumerate() {
            self.0.push_str(if place == 0 { "[" } else { ",[" });
            self.display("", Some(balance.grant(allocation.lot)));
            self.credits(",", allocation.credits);
            self.credits(",", allocation.held_change);
            self.0.push(']');
        }
        self.0.push(']');
    }

    fn rating(&mut self, rating: Option<&Rating>) {
        self.0.push_str(",\"rating\":");
        let Some(rating) = rating else { return self.0.push_str("null") };
        self.credits("{\"credits\":", rating.credits);
        self.display(",\"creditsPerUnit\":", Some(&rating.credits_per_unit));
        self.display(",\"exactCredits\":", Some(&rating.exact_credits));
        self.display(",\"meter\":", Some(rating.meter));
        self.display(",\"quantity\":", Some(&rating.quantity));
        self.0.push('}');
    }

    fn terms(&mut self, terms: Option<&Terms>) {
        self.0.push_str(",\"terms\":");
        let Some(terms) = terms else { return self.0.push_str("null") };
        self.0.push_str("{\"cost\":");
        match terms.cost {
            Some(cost) => {
                self.display("{\"amount\":", Some(cost.amount()));
                self.display(",\"currency\":", Some(cost.currency.code()));
                self.0.push('}');
            }
            None => self.0.push_str("null"),
        }
        self.credits(",\"credits\":", terms.credits);
        self.time(",\"effectiveAt\":", Some(terms.effective_at));
        self.time(",\"expiresAt\":", terms.expires_at);
        let _ = write!(self.0, ",\"priority\":{}}}", terms.priority);
    }
}

impl EntryKind {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StartingBalance => "STARTING_BALANCE",
            Self::TopUp => "TOP_UP",
            Self::Purchase => "PURCHASE",
            Self::Allowance => "ALLOWANCE",
            Self::Rollover => "ROLLOVER",
            Self::Activation => "ACTIVATION",
            Self::Usage => "USAGE",
            Self::Retention => "RETENTION",
            Self::Hold => "HOLD",
            Self::Capture => "CAPTURE",
            Self::Release => "RELEASE",
            Self::Expiration => "EXPIRATION",
            Self::Void => "VOID",
            Self::Refund => "REFUND",
            Self::Reversal => "REVERSAL",
            Self::Amendment => "AMENDMENT",
        }
    }
}

impl BalanceState {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Low => "LOW",
            Self::Depleted => "DEPLETED",
            Self::Overdrawn => "OVERDRAWN",
            Self::Closed => "CLOSED",
        }
    }
}

impl Origin {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Portal => "PORTAL",
            Self::Event => "EVENT",
            Self::Subscription => "SUBSCRIPTION",
            Self::AutoTopUp => "AUTO_TOP_UP",
            Self::System => "SYSTEM",
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::base::ids::CustomerId;
    use crate::base::money::{Currency, Money};
    use crate::ledger::model::Allocation;

    /// An entry in which everything is said that can be.
    fn entry() -> Entry {
        let balance = BalanceId { customer: CustomerId(Uuid::from_u128(7)), number: 2 };
        let time = Time::parse("2026-01-02T03:04:05.000006Z").unwrap();
        let credits = Credits::from_micros(12_500_000);
        let cost = Some(Money { minor: 500, currency: Currency::parse("EUR").unwrap() });
        let posting = Posting {
            sequence: 3,
            kind: EntryKind::TopUp,
            cause: Cause::Command,
            credits,
            held_change: Credits::ZERO,
            uncovered: Credits::ZERO,
            available_after: credits,
            settled_after: credits,
            held_after: Credits::ZERO,
            state_after: BalanceState::Active,
            state_before: None,
            allocations: vec![
                Allocation { lot: 3, credits, held_change: Credits::ZERO, remaining_after: credits },
                Allocation { lot: 1, credits: credits.negated(), held_change: credits, remaining_after: credits },
            ],
            grant: Some(3),
            terms: Some(Terms { credits, priority: 500, effective_at: time, expires_at: None, cost }),
            hold: None,
            reverses: Some(1),
            occurred_at: time,
            recorded_at: time,
        };
        let note = Note {
            rating: Some(Rating {
                meter: MeterId(Uuid::from_u128(9)),
                quantity: "1200".to_owned(),
                credits_per_unit: "0.004".to_owned(),
                exact_credits: "4.8".to_owned(),
                credits: Credits::from_micros(4_800_000),
            }),
            reason: Some("for \"you\"\n\u{7f}é".to_owned()),
            subscription: Some(4),
            purchase: Some(5),
            metadata: Some(CanonicalJson::of(&serde_json::json!({"b": 1, "a": [true]})).unwrap()),
            ..Note::of(Origin::Api)
        };
        Entry::seal(balance, posting, note, &FIRST_HASH)
    }

    #[test]
    fn canonical_form_is_what_the_general_writer_of_canonical_json_makes_of_it() {
        let written = entry().canonical();
        let general = CanonicalJson::of(&serde_json::from_str(&written).unwrap()).unwrap();
        assert_eq!(written, general.as_str());
    }

    #[test]
    fn hash_of_an_entry_stays_what_it_was_in_every_version() {
        insta::assert_snapshot!(data_encoding::HEXLOWER.encode(&entry().hash), @"38f0e3aeb10a9a90fdbfba818bebd760b734ffd0d363b1e73a91f27890a83c23");
    }

    #[test]
    fn entry_names_its_causes_within_its_customer() {
        let entry = entry();
        let customer = entry.balance.customer;
        assert_eq!(entry.subscription(), Some(SubscriptionId { customer, number: 4 }));
        assert_eq!(entry.purchase(), Some(entry.balance.purchase(5)));
    }
}
