//! A balance as of an instant: its books as they are on record, and what time alone has done since (L8).
//!
//! Pure: reads show by it what the next write will post, and write nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::model::{Account, Applied, Balance, BalanceState, Ended, GrantState, Hold, HoldState, Lot, Policy};
use super::rows::{HoldRecord, LotRecord};
use super::rules::{balance_state, carry, grant_state, next_change};
use crate::base::credits::Credits;
use crate::base::json::CanonicalJson;
use crate::base::time::Time;

/// A balance as of an instant.
#[derive(Clone, Debug)]
pub struct View {
    /// As it is on record.
    pub balance: Arc<Balance>,
    /// The rules that hold for it.
    pub policy: Policy,
    /// The instant: the one asked for, or when the newest entry was recorded, if that is later (L11).
    pub at: Time,
    /// Its books at that instant.
    pub account: Account,
    /// When a period next brings something.
    renews_at: Option<Time>,
    /// Lots that time alone has changed or ended since the newest entry, in the order of what happened to them.
    changed: Vec<Lot>,
}

/// A lot as of an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantView {
    /// What is on record of it, with what is left at that instant.
    pub record: LotRecord,
    /// Its state at that instant.
    pub state: GrantState,
}

/// The balance as of `now`.
#[must_use]
pub fn view(balance: Arc<Balance>, policy: Policy, now: Time) -> View {
    let at = now.max(balance.account.recorded_at);
    // Books that are right can always be carried; those that are not are shown as they are, for an audit to find.
    let as_it_is = || Applied { account: balance.account.clone(), postings: Vec::new(), lots: Vec::new() };
    let (renewals, renews_at) = balance.renewals(at);
    let carried = carry(&balance.account, &policy, at, &renewals);
    let Applied { account, lots, .. } = carried.unwrap_or_else(|_| as_it_is());
    View { balance, policy, at, account, renews_at, changed: lots }
}

impl View {
    /// What can be spent.
    #[must_use]
    pub fn available(&self) -> Credits {
        self.account.available().unwrap_or(self.account.settled)
    }

    /// Its state, by the threshold that is in force (L15).
    #[must_use]
    pub fn state(&self) -> BalanceState {
        if self.is_closed() { BalanceState::Closed } else { balance_state(self.available(), self.policy.threshold) }
    }

    /// Its state as lists know it: after the newest entry, or what time alone has made of that since (L15).
    #[must_use]
    pub fn listed_state(&self) -> BalanceState {
        if self.is_closed() { BalanceState::Closed } else { self.account.state }
    }

    /// When time alone next changes it; a closed one's time stands still.
    #[must_use]
    pub fn next_change_at(&self) -> Option<Time> {
        if self.is_closed() { None } else { [next_change(&self.account), self.renews_at].into_iter().flatten().min() }
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.balance.closed_at.is_some()
    }

    /// A lot that was open at the newest entry, as it is at the instant; `None` for one that was over before.
    #[must_use]
    pub fn lot(&self, sequence: i64) -> Option<&Lot> {
        let named = |lot: &&Lot| lot.sequence == sequence;
        self.account.lots.iter().find(named).or_else(|| self.changed.iter().rev().find(named))
    }

    /// The lots that were open at the newest entry, and their states at the instant.
    pub fn lots(&self) -> impl Iterator<Item = (i64, GrantState)> {
        let states = self.balance.account.lots.iter().filter_map(|lot| self.lot(lot.sequence));
        states.map(|lot| (lot.sequence, grant_state(lot, self.at)))
    }

    /// The lots that periods have brought since the newest entry, as their entries will make them.
    pub fn brought(&self) -> impl Iterator<Item = GrantView> {
        let newest = self.balance.account.sequence;
        let open = self.account.lots.iter().chain(&self.changed).map(|lot| lot.sequence);
        let made: BTreeSet<i64> = open.filter(|sequence| *sequence > newest).collect();
        let subscription = self.balance.plan.as_ref().map(|plan| plan.subscription);
        made.into_iter().filter_map(move |sequence| {
            let record = LotRecord {
                balance: self.account.id,
                lot: *self.lot(sequence)?,
                reason: None,
                metadata: CanonicalJson::empty_object(),
                created_at: self.at,
                subscription,
                purchase: None,
                paid: false,
            };
            Some(GrantView { state: grant_state(&record.lot, self.at), record })
        })
    }

    /// A hold on record, as it is at the instant: its row may have been changed since the balance was read.
    #[must_use]
    pub fn hold(&self, record: HoldRecord) -> HoldRecord {
        let active = self.balance.account.holds.iter().find(|hold| hold.sequence == record.id.sequence);
        let record = match active {
            Some(Hold { expires_at, .. }) => HoldRecord {
                state: HoldState::Active,
                captured: Credits::ZERO,
                expires_at: *expires_at,
                ended_at: None,
                ..record
            },
            None => record,
        };
        record.at(self.at)
    }

    /// A lot on record, as it is at the instant.
    #[must_use]
    pub fn grant(&self, record: LotRecord) -> GrantView {
        let lot = match self.lot(record.lot.sequence) {
            Some(lot) => *lot,
            // What was not open at the newest entry is over, though an entry since may have brought it back.
            None => Lot { ended: Some(record.lot.ended.unwrap_or(Ended::Depleted)), ..record.lot },
        };
        GrantView { state: grant_state(&lot, self.at), record: LotRecord { lot, ..record } }
    }
}
