//! Typed ids, and where new ones come from.
//!
//! Shapes
//! - A catalog row or customer is 16 bytes: a UUID of version 7, so that newer ids are greater.
//! - What belongs to a customer contains the customer: a balance is numbered within it, an entry within its balance,
//!   and a lot or hold is named by the entry that made it. So an id finds its shard, and the hot path makes up none.
//! - Written, an id is a prefix and lower-case base32 of its bytes (`cus_06f…`); numbers within are LEB128, shortest form.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use data_encoding::{Encoding, Specification};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

use super::time::Time;

/// Why a text is not the id that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// An id, but of another kind.
    #[error("is the id of {found}; {wanted} is needed here (\"{prefix}_…\")")]
    Kind {
        /// What the text names, with its article.
        found: &'static str,
        /// What was needed, with its article.
        wanted: &'static str,
        /// The prefix that was needed.
        prefix: &'static str,
    },
    /// No id at all.
    #[error("is not the id of {wanted} (\"{prefix}_…\")")]
    Form {
        /// What was needed, with its article.
        wanted: &'static str,
        /// The prefix that was needed.
        prefix: &'static str,
    },
}

/// Every kind of id: its prefix and its name in messages.
const KINDS: [(&str, &str); 17] = [
    ("mtr", "a meter"),
    ("prd", "a product"),
    ("opt", "a purchase option"),
    ("pln", "a plan"),
    ("plv", "a plan version"),
    ("cus", "a customer"),
    ("bal", "a credit balance"),
    ("ent", "a ledger entry"),
    ("grt", "a grant"),
    ("hld", "a hold"),
    ("evt", "a usage event"),
    ("sub", "a plan subscription"),
    ("chg", "a charge"),
    ("pli", "a plan item"),
    ("sbi", "a subscription item"),
    ("key", "an API key"),
    ("pur", "a purchase"),
];

fn kind_name(prefix: &str) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == prefix).map(|(_, name)| *name)
}

/// Lower-case base32 (RFC 4648, extended hex) without padding: its order is the order of the bytes.
#[must_use]
pub fn base32() -> &'static Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut spec = Specification::new();
        spec.symbols.push_str("0123456789abcdefghijklmnopqrstuv");
        spec.encoding().unwrap_or(data_encoding::BASE32HEX_NOPAD)
    });
    &ENCODING
}

fn decode(prefix: &'static str, text: &str) -> Result<Vec<u8>, IdError> {
    let wanted = kind_name(prefix).unwrap_or("an id");
    let form = IdError::Form { wanted, prefix };
    let (found, rest) = text.split_once('_').ok_or_else(|| form.clone())?;
    let bytes = base32().decode(rest.as_bytes()).map_err(|_| form.clone())?;
    if found == prefix {
        return Ok(bytes);
    }
    Err(kind_name(found).map_or(form, |found| IdError::Kind { found, wanted, prefix }))
}

/// Bytes that are read from the front; `None` where they do not fit.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn uuid(&mut self) -> Option<Uuid> {
        let (head, rest) = self.0.split_first_chunk::<16>()?;
        self.0 = rest;
        Some(Uuid::from_bytes(*head))
    }

    fn int64(&mut self) -> Option<i64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(i64::from_be_bytes(*head))
    }

    fn number(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for place in 0..9_u32 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (place * 7);
            if byte & 0x80 == 0 {
                // A zero at the end is a longer way to write the same number: one id has one text.
                return if *byte == 0 && place > 0 { None } else { i64::try_from(value).ok() };
            }
        }
        None
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

fn push_number(out: &mut Vec<u8>, number: i64) {
    let mut rest = number.unsigned_abs();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

macro_rules! id_text {
    ($name:ident, $prefix:literal) => {
        impl $name {
            /// What the written form begins with.
            pub const PREFIX: &'static str = $prefix;
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = String::with_capacity(48);
                text.push_str(concat!($prefix, "_"));
                base32().encode_append(&self.bytes(), &mut text);
                f.write_str(&text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let bytes = decode($prefix, text)?;
                let wanted = kind_name($prefix).unwrap_or("an id");
                Self::from_bytes(&bytes).ok_or(IdError::Form { wanted, prefix: $prefix })
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);
        impl $name {
            fn bytes(self) -> Vec<u8> {
                self.0.as_bytes().to_vec()
            }
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let mut bytes = Bytes(bytes);
                let id = Self(bytes.uuid()?);
                bytes.end().map(|()| id)
            }
        }
        id_text!($name, $prefix);
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! numbered_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// Whose it is.
            pub customer: CustomerId,
            /// Its number within the customer.
            pub number: i32,
        }
        impl $name {
            fn bytes(self) -> Vec<u8> {
                let mut bytes = self.customer.bytes();
                push_number(&mut bytes, i64::from(self.number));
                bytes
            }
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let mut bytes = Bytes(bytes);
                let id = Self::read(&mut bytes)?;
                bytes.end().map(|()| id)
            }
            fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
                let customer = CustomerId(bytes.uuid()?);
                let number = i32::try_from(bytes.number()?).ok()?;
                Some(Self { customer, number })
            }
        }
        id_text!($name, $prefix);
    };
}

macro_rules! entry_named_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The balance it belongs to.
            pub balance: BalanceId,
            /// The sequence of the entry that it is, or that made it.
            pub sequence: i64,
        }
        impl $name {
            fn bytes(self) -> Vec<u8> {
                let mut bytes = self.balance.bytes();
                push_number(&mut bytes, self.sequence);
                bytes
            }
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let mut bytes = Bytes(bytes);
                let balance = BalanceId::read(&mut bytes)?;
                let sequence = bytes.number()?;
                bytes.end().map(|()| Self { balance, sequence })
            }
        }
        id_text!($name, $prefix);
    };
}

uuid_id!(
    /// A meter.
    MeterId, "mtr"
);
uuid_id!(
    /// A product of any kind.
    ProductId, "prd"
);
uuid_id!(
    /// A purchase option.
    PurchaseOptionId, "opt"
);
uuid_id!(
    /// A plan.
    PlanId, "pln"
);
uuid_id!(
    /// A published version of a plan.
    PlanVersionId, "plv"
);
uuid_id!(
    /// A customer.
    CustomerId, "cus"
);

uuid_id!(
    /// An API key.
    ApiKeyId, "key"
);

numbered_id!(
    /// A credit balance: numbered 1, 2, 3 … within its customer.
    BalanceId, "bal"
);

impl BalanceId {
    /// The entry of this balance with that sequence.
    #[must_use]
    pub const fn entry(self, sequence: i64) -> EntryId {
        EntryId { balance: self, sequence }
    }

    /// The lot of this balance that the entry with that sequence made.
    #[must_use]
    pub const fn grant(self, sequence: i64) -> GrantId {
        GrantId { balance: self, sequence }
    }

    /// The hold of this balance that the entry with that sequence made.
    #[must_use]
    pub const fn hold(self, sequence: i64) -> HoldId {
        HoldId { balance: self, sequence }
    }

    /// The purchase for this balance with that number.
    #[must_use]
    pub const fn purchase(self, number: i32) -> PurchaseId {
        PurchaseId { balance: self, number }
    }
}
entry_named_id!(
    /// A ledger entry.
    EntryId, "ent"
);
entry_named_id!(
    /// A grant: the lot that the entry of the same balance and sequence made.
    GrantId, "grt"
);
entry_named_id!(
    /// A hold: the one that the entry of the same balance and sequence made.
    HoldId, "hld"
);

/// A purchase of credits: numbered 1, 2, 3 … within its balance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PurchaseId {
    /// The balance that its credits are for.
    pub balance: BalanceId,
    /// Its number.
    pub number: i32,
}

impl PurchaseId {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = self.balance.bytes();
        push_number(&mut bytes, i64::from(self.number));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let balance = BalanceId::read(&mut bytes)?;
        let number = i32::try_from(bytes.number()?).ok()?;
        bytes.end().map(|()| Self { balance, number })
    }
}
id_text!(PurchaseId, "pur");

/// A usage event: its customer and eight bytes of the hash of the caller's event id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Whose usage it is.
    pub customer: CustomerId,
    /// The first eight bytes of the SHA-256 of the caller's event id.
    pub key: i64,
}

impl EventKey {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = self.customer.bytes();
        bytes.extend_from_slice(&self.key.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let customer = CustomerId(bytes.uuid()?);
        let key = bytes.int64()?;
        bytes.end().map(|()| Self { customer, key })
    }
}
id_text!(EventKey, "evt");

numbered_id!(
    /// A subscription to a plan: numbered 1, 2, 3 … within its customer.
    SubscriptionId, "sub"
);

/// What one period of one item of a subscription costs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChargeId {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The period, from 0.
    pub period: i32,
    /// The item's place in the plan, from 0.
    pub item: i32,
}

impl ChargeId {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = self.subscription.bytes();
        push_number(&mut bytes, i64::from(self.period));
        push_number(&mut bytes, i64::from(self.item));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let subscription = SubscriptionId::read(&mut bytes)?;
        let period = i32::try_from(bytes.number()?).ok()?;
        let item = i32::try_from(bytes.number()?).ok()?;
        bytes.end().map(|()| Self { subscription, period, item })
    }
}
id_text!(ChargeId, "chg");

/// An item of a plan's version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanItemId {
    /// The version.
    pub version: PlanVersionId,
    /// Its place in it, from 0.
    pub item: i32,
}

impl PlanItemId {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = self.version.bytes();
        push_number(&mut bytes, i64::from(self.item));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let version = PlanVersionId(bytes.uuid()?);
        let item = i32::try_from(bytes.number()?).ok()?;
        bytes.end().map(|()| Self { version, item })
    }
}
id_text!(PlanItemId, "pli");

/// An item of a subscription: what it has of one product.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionItemId {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The product.
    pub product: ProductId,
}

impl SubscriptionItemId {
    fn bytes(self) -> Vec<u8> {
        [self.subscription.bytes(), self.product.bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let subscription = SubscriptionId::read(&mut bytes)?;
        let product = ProductId(bytes.uuid()?);
        bytes.end().map(|()| Self { subscription, product })
    }
}
id_text!(SubscriptionItemId, "sbi");

/// Where new ids come from: the time, and randomness that is seeded once.
#[derive(Clone, Debug)]
pub struct Ids(Arc<Mutex<Source>>);

#[derive(Debug)]
struct Source {
    random: StdRng,
    /// The time of the last id in milliseconds, and how many came before it in that millisecond, in 12 bits.
    last: u64,
}

const COUNTER_BITS: u32 = 12;

impl Ids {
    /// Seeded by the machine.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the randomness that everybody else is handed")]
    pub fn from_entropy() -> Self {
        Self::from(rand::make_rng())
    }

    /// The same ids each time, for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::from(StdRng::seed_from_u64(seed))
    }

    fn from(random: StdRng) -> Self {
        Self(Arc::new(Mutex::new(Source { random, last: 0 })))
    }

    /// Random bytes, for secrets.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).random.fill_bytes(&mut bytes);
        bytes
    }

    /// A new UUID of version 7 at `now`, greater than each one before it: lists by id are lists by age.
    #[must_use]
    pub fn uuid(&self, now: Time) -> Uuid {
        let mut source = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let millis = u64::try_from(now.micros() / 1_000).unwrap_or_default();
        source.last = (millis << COUNTER_BITS).max(source.last.saturating_add(1));
        let [.., high, low] = source.last.to_be_bytes();
        let mut rest = [0_u8; 10];
        source.random.fill_bytes(&mut rest);
        // Of the first byte, the version takes the upper half.
        rest[..2].copy_from_slice(&[high, low]);
        uuid::Builder::from_unix_timestamp_millis(source.last >> COUNTER_BITS, &rest).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn customer() -> CustomerId {
        CustomerId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
    }

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_goes_back() {
        let ids = Ids::seeded(1);
        let at = |micros| Time::from_micros(micros).expect("it can be written");
        let mut made: Vec<Uuid> = (0..5_000).map(|_| ids.uuid(at(1_000_000))).collect();
        made.extend([ids.uuid(at(0)), ids.uuid(at(1_000_000)), ids.uuid(at(2_000_000))]);
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made.iter().all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122));
    }

    #[test]
    fn an_id_tells_the_millisecond_in_which_it_was_made() {
        let made = Ids::seeded(1).uuid(Time::from_micros(1_767_268_800_123_456).expect("it can be written"));
        assert_eq!(made.as_u128() >> 80, 1_767_268_800_123);
    }

    #[test]
    fn an_id_of_the_wrong_kind_names_both_kinds() {
        let balance = BalanceId { customer: customer(), number: 1 };
        let error = balance.to_string().parse::<CustomerId>().unwrap_err();
        assert_eq!(error.to_string(), "is the id of a credit balance; a customer is needed here (\"cus_…\")");
        assert_eq!(
            "nonsense".parse::<CustomerId>().unwrap_err().to_string(),
            "is not the id of a customer (\"cus_…\")"
        );
    }

    #[test]
    fn one_id_has_one_text() {
        let id = EntryId { balance: BalanceId { customer: customer(), number: 1 }, sequence: 1 };
        let mut long = id.balance.bytes();
        long.extend_from_slice(&[0x81, 0x00]);
        let text = format!("ent_{}", base32().encode(&long));
        assert!(text.parse::<EntryId>().is_err(), "{text}");
        assert!(id.to_string().to_uppercase().replace("ENT_", "ent_").parse::<EntryId>().is_err());
    }

    proptest! {
        #[test]
        fn ids_are_read_as_they_were_written(bits in any::<u128>(), number in 0..i32::MAX, sequence in 0..i64::MAX) {
            let balance = BalanceId { customer: CustomerId(Uuid::from_u128(bits)), number };
            let entry = balance.entry(sequence);
            prop_assert_eq!(entry.to_string().parse::<EntryId>(), Ok(entry));
            let event = EventKey { customer: balance.customer, key: sequence };
            prop_assert_eq!(event.to_string().parse::<EventKey>(), Ok(event));
            let subscription = SubscriptionId { customer: balance.customer, number };
            prop_assert_eq!(subscription.to_string().parse::<SubscriptionId>(), Ok(subscription));
            let charge = ChargeId { subscription, period: number, item: 3 };
            prop_assert_eq!(charge.to_string().parse::<ChargeId>(), Ok(charge));
            let product = ProductId(Uuid::from_u128(!bits));
            let item = SubscriptionItemId { subscription, product };
            prop_assert_eq!(item.to_string().parse::<SubscriptionItemId>(), Ok(item));
            let item = PlanItemId { version: PlanVersionId(product.0), item: number };
            prop_assert_eq!(item.to_string().parse::<PlanItemId>(), Ok(item));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(ent|bal|cus|evt|grt|sub|chg)_[0-9a-v]{0,40}") {
            let _ = text.parse::<EntryId>();
            let _ = text.parse::<BalanceId>();
            let _ = text.parse::<EventKey>();
            let _ = text.parse::<SubscriptionId>();
            let _ = text.parse::<ChargeId>();
        }
    }
}
