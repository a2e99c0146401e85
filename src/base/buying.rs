//! What a balance carries of purchases, in its own row: so a commit that takes credits knows, without asking, whether more
//! are to be bought.

use serde::{Deserialize, Serialize};

use super::credits::Credits;
use super::ids::PurchaseOptionId;
use super::time::Time;

/// What a balance carries of purchases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buying {
    /// The number of the newest purchase; they count 1, 2, 3 …
    pub last: i32,
    /// Credits of purchases that wait for their money.
    pub awaited: Credits,
    /// How more are bought without being asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<AutoTopUp>,
}

/// How more credits are bought without being asked for, and how that has gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoTopUp {
    /// Whether it is switched on.
    pub enabled: bool,
    /// It buys when what is available is at or below this.
    pub threshold: Credits,
    /// What it buys.
    pub option: PurchaseOptionId,
    /// It buys so often that at least this is there; once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Credits>,
    /// At most so many purchases in 24 hours.
    pub daily_limit: i32,
    /// The purchase whose money it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<i32>,
    /// When it bought in the last 24 hours, oldest first; not what failed or was canceled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bought: Vec<Time>,
    /// What went wrong since it last went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// When to look again, though nothing is committed until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_at: Option<Time>,
}

/// Payments that failed, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// How many.
    pub times: i32,
    /// When the last one did.
    pub at: Time,
    /// Why.
    pub reason: String,
}
