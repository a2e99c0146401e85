//! What stands in the rows: as the server would write it, but for hashes.

use scrip::base::clock::Clock;
use scrip::base::ids::{CustomerId, Ids, MeterId, ProductId};
use scrip::base::time::Time;

use crate::CUSTOMERS;
use crate::load::Draw;
use crate::setup::MODEL;

/// What each balance begins with, in millionths of a credit.
pub(super) const START: i64 = 1_000_000_000_000_000;
/// What each event burns: 1,200 tokens at 0.004.
pub(super) const BURNED: i64 = 4_800_000;
/// What each top-up adds.
pub(super) const TOP_UP: i64 = 25_000_000;

/// `customers.metadata` and the like.
pub(super) const NOTHING: &str = "{}";
/// `meters.filter`; nothing reads it here.
pub(super) const NO_FILTER: &str = "[]";
/// `balances.holds`
pub(super) const NO_HOLDS: &str = "[]";
/// `entries.kind`, `entries.origin` and `lots.source`, by the numbers that the migrations describe.
pub(super) const KIND_STARTING_BALANCE: i16 = 0;
pub(super) const KIND_TOP_UP: i16 = 1;
pub(super) const KIND_USAGE: i16 = 6;
pub(super) const ORIGIN_API: i16 = 0;
pub(super) const ORIGIN_EVENT: i16 = 2;
pub(super) const SOURCE_STARTING_BALANCE: i16 = 0;
pub(super) const SOURCE_TOP_UP: i16 = 1;
/// `entries.hash`
pub(super) const HASH: usize = 32;
/// `events.content_hash` and `idempotency_keys.input_hash`
pub(super) const SHORT_HASH: usize = 16;
/// `lots.priority`
pub(super) const PRIORITY: i16 = 500;

/// Who and what there is, and the texts that are the same in every row.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) customers: Vec<CustomerId>,
    pub(super) meter: MeterId,
    pub(super) product: ProductId,
    /// When it was all made.
    pub(super) made_at: Time,
    /// `events.properties`
    pub(super) properties: String,
    /// `events.outcomes`
    pub(super) outcomes: String,
    /// `entries.rating`
    pub(super) rating: String,
}

impl World {
    pub(super) fn new() -> Self {
        let (clock, ids) = (Clock::System, Ids::from_entropy());
        let made_at = clock.now();
        let (meter, product) = (MeterId(ids.uuid(made_at)), ProductId(ids.uuid(made_at)));
        Self {
            customers: (0..CUSTOMERS).map(|_| CustomerId(ids.uuid(made_at))).collect(),
            properties: format!(r#"{{"model":"{MODEL}","tokens":1200}}"#),
            outcomes: format!(r#"[["{}","{}",0,"1200","0.004",{BURNED}]]"#, product.0.simple(), meter.0.simple()),
            rating: format!(r#"["{}","1200","0.004","4.8",{BURNED}]"#, meter.0.simple()),
            clock,
            meter,
            product,
            made_at,
        }
    }

    /// The lot that a balance begins with, as it stands in `balances.lots`, without the brackets around all lots.
    pub(super) fn first_lot(&self, remaining: i64) -> String {
        lot(1, SOURCE_STARTING_BALANCE, (START, self.made_at, remaining))
    }
}

/// A lot as it stands in `balances.lots`.
pub(super) fn lot(sequence: i64, source: i16, (credits, begins, remaining): (i64, Time, i64)) -> String {
    format!("[{sequence},{source},{}", lot_behind_source((credits, begins, remaining)))
}

/// The same without its first two places.
pub(super) fn lot_behind_source((credits, begins, remaining): (i64, Time, i64)) -> String {
    format!("{credits},{PRIORITY},{},null,null,null,1,{remaining},0,null]", begins.micros())
}

/// `entries.terms` of an entry that made a lot.
pub(super) fn terms(credits: i64, begins: Time) -> String {
    format!("[{credits},{PRIORITY},{},null,null,null]", begins.micros())
}

/// `entries.allocations` of an entry that touched one lot.
pub(super) fn allocations(lot: i64, credits: i64, remaining: i64) -> String {
    format!("[[{lot},{credits},0,{remaining}]]")
}

/// An event's id, and its key.
pub(super) fn event_id() -> (String, i64) {
    (format!("evt-{:016x}", Draw::unique()), Draw::unique().cast_signed())
}

/// An idempotency key.
pub(super) fn idempotency_key() -> String {
    format!("top-up-{:016x}", Draw::unique())
}

/// Something in the place of a hash, of so many bytes.
pub(super) fn hash(length: usize) -> Vec<u8> {
    std::iter::repeat_with(Draw::unique).flat_map(u64::to_be_bytes).take(length).collect()
}
