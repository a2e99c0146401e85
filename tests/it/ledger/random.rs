//! Random commands: the ledger says what the model says, and what the rules promise holds for whatever came before.

use proptest::prelude::{ProptestConfig, Strategy, any, proptest};
use proptest::test_runner::FileFailurePersistence;
use scrip::base::credits::Credits;
use scrip::base::time::Time;
use scrip::ledger::command::{Command, Cover, Overrun, Renewal, Spend, SpendKind};
use scrip::ledger::error::Refusal;
use scrip::ledger::model::{Account, Policy, Posting};
use scrip::ledger::rules;

use super::script::{Call, Order, beginning, scripts};
use super::stage::{Stage, carry};

/// PROPTEST_CASES raises the number of cases; seeds that failed lie beside this file.
fn config() -> ProptestConfig {
    let beside = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { failure_persistence: Some(Box::new(beside)), ..ProptestConfig::default() }
}

/// Entries apart from when they were written down.
fn unrecorded(postings: &[Posting]) -> Vec<Posting> {
    postings.iter().map(|posting| Posting { recorded_at: beginning(), ..posting.clone() }).collect()
}

/// What an account holds, apart from the entries that led there.
fn holdings(account: &Account) -> impl PartialEq + std::fmt::Debug {
    let Account { settled, held, debt, lots, holds, closed, .. } = account.clone();
    (settled, held, debt, lots, holds, closed)
}

/// Up to a minute, with whole slots more often than chance would have it.
fn waits() -> impl Strategy<Value = i64> {
    (0..=6_i64, -1..=1_i64).prop_map(|(slots, beside)| (slots * 10_000_000 + beside).max(0))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn property_ledger_and_model_say_the_same_at_every_step(script in scripts(60)) {
        Stage::after(&script);
    }

    #[test]
    fn property_l8_time_carried_twice_is_time_carried_once(script in scripts(20), first in waits(), second in waits()) {
        let Stage { account, policy, now, player, .. } = Stage::after(&script);
        let renewals: Vec<Renewal> = player.every_renewal();
        let middle = now.plus_micros(first).expect("in range");
        let end = middle.plus_micros(second).expect("in range");

        let once = carry(&account, &policy, end, &renewals);
        let half = carry(&account, &policy, middle, &renewals);
        let middle = middle.max(account.recorded_at);
        let rest: Vec<Renewal> = renewals.into_iter().filter(|renewal| renewal.at > middle).collect();
        let twice = carry(&half.account, &policy, end, &rest);

        let postings = [half.postings.clone(), twice.postings].concat();
        assert_eq!(unrecorded(&postings), unrecorded(&once.postings));
        assert_eq!(holdings(&twice.account), holdings(&once.account));
        let by_then: Vec<Posting> = once.postings.into_iter().filter(|entry| entry.occurred_at <= middle).collect();
        assert_eq!(unrecorded(&half.postings), unrecorded(&by_then), "a read shows what a later entry says");
    }

    #[test]
    fn property_l8_a_command_finds_what_a_read_shows(script in scripts(20), wait in waits()) {
        let Stage { account, policy, now, player, .. } = Stage::after(&script);
        let now = now.plus_micros(wait).expect("in range");
        let read = carry(&account, &policy, now, &player.every_renewal());
        let spend = Spend {
            kind: SpendKind::Usage,
            credits: Credits::from_micros(1),
            cover: Cover::AsFarAsAllowed,
            occurred_at: None,
        };
        if let Ok(done) = rules::apply(&account, &policy, &Command::Spend(spend), now, &player.every_renewal()) {
            let (usage, due) = done.postings.split_last().expect("a spend always posts");
            assert_eq!(due, read.postings);
            let available = read.account.settled.micros() - read.account.held.micros();
            assert_eq!(usage.available_after.micros() - usage.credits.micros(), available);
            let again = rules::apply(&read.account, &policy, &Command::Spend(spend), now, &[]).expect("as before");
            assert_eq!(again.postings.first(), Some(usage));
            assert_eq!(again.account, done.account);
        }
    }

    #[test]
    fn property_l8_nothing_changes_before_the_next_change(script in scripts(20)) {
        let Stage { account, policy, now, .. } = Stage::after(&script);
        let account = carry(&account, &policy, now, &[]).account;
        let just_before = match rules::next_change(&account) {
            Some(at) => {
                assert!(!carry(&account, &policy, at, &[]).postings.is_empty(), "something changes at {at}");
                at.plus_micros(-1).expect("in range")
            }
            None => Time::MAX,
        };
        assert_eq!(carry(&account, &policy, just_before, &[]).postings, []);
    }

    #[test]
    fn property_l9_a_hold_can_be_captured_in_full_until_it_lapses(script in scripts(25)) {
        let Stage { account, now, .. } = Stage::after(&script);
        for hold in &account.holds {
            let last = hold.expires_at.plus_micros(-1).expect("in range");
            let capture = Command::Capture { hold: hold.sequence, credits: None, overrun: Overrun::Reject };
            for at in [now, last].into_iter().filter(|at| (*at).max(account.recorded_at) < hold.expires_at) {
                let done = rules::apply(&account, &Policy::default(), &capture, at, &[]).expect("it was held");
                let taken = done.postings.iter().find(|posting| posting.hold == Some(hold.sequence));
                let taken = taken.map(|posting| (posting.credits, posting.uncovered));
                assert_eq!(taken, Some((hold.credits.negated(), Credits::ZERO)));
            }
        }
    }

    #[test]
    fn property_l13_what_comes_back_leaves_what_less_would_have_done(
        script in scripts(25),
        credits in 1..=60_i64,
        sixths in (1..=5_i64, 0..=5_i64),
        kind in any::<bool>(),
    ) {
        let kind = if kind { SpendKind::Usage } else { SpendKind::Retention };
        let stage = Stage::after(&script).carried();
        let spend = |micros: i64| Command::Spend(Spend {
            kind,
            credits: Credits::from_micros(micros),
            cover: Cover::AsFarAsAllowed,
            occurred_at: None,
        });
        stage.takes_back(spend, credits * 1_000_000, sixths);
        for hold in &stage.account.holds {
            let capture = |micros: i64| Command::Capture {
                hold: hold.sequence,
                credits: Some(Credits::from_micros(micros)),
                overrun: Overrun::UpToAvailable,
            };
            stage.takes_back(capture, credits * 1_000_000, sixths);
        }
    }

    #[test]
    fn property_l4_a_refusal_is_for_a_reason(script in scripts(20), credits in 1..=60_000_000_i64) {
        let stage = Stage::after(&script).carried();
        let credits = Credits::from_micros(credits);
        let spend = Spend { kind: SpendKind::Usage, credits, cover: Cover::Whole, occurred_at: None };
        let spend = |credits| Command::Spend(Spend { credits, ..spend });
        let refused = rules::apply(&stage.account, &stage.policy, &spend(credits), stage.now, &[]);
        if let Err(Refusal::Insufficient { shortfall, .. }) = refused {
            assert!(shortfall.is_positive());
            let less = credits.minus(shortfall).expect("in range");
            if less.is_positive() {
                rules::apply(&stage.account, &stage.policy, &spend(less), stage.now, &[]).expect("that much is there");
            }
        }
    }
}

impl Stage {
    /// With what is due by now posted.
    fn carried(mut self) -> Self {
        let call = Call { policy: self.policy, now: self.now, renewals: Vec::new(), order: Order::Carry };
        self.call(&call).expect("time cannot be refused");
        self
    }

    fn did(&self, command: Command) -> Option<Self> {
        let mut next = self.clone();
        let order = Order::Apply(command);
        let done = next.call(&Call { policy: self.policy, now: self.now, renewals: Vec::new(), order });
        done.is_ok().then_some(next)
    }

    /// L13: takes so many credits and gives some of them back, at one go and at two: what is left is the same, and the
    /// same as if less had been taken.
    fn takes_back(&self, command: impl Fn(i64) -> Command, credits: i64, (first, second): (i64, i64)) {
        let Some(more) = self.did(command(credits)) else { return };
        let entry = self.account.sequence + 1;
        let mut allocations = more
            .model
            .entries()
            .iter()
            .filter(|posting| posting.sequence == entry)
            .flat_map(|posting| &posting.allocations);
        if allocations.any(|part| part.credits < part.held_change && part.held_change < Credits::ZERO) {
            // Drawn of what was pinned, and again of what was free: what came first of the two is not on record.
            return;
        }
        let taken = more.model.reversal(entry, None).taken.micros();
        let back = |stage: &Self, micros: i64| {
            if micros == 0 {
                return Some(stage.clone());
            }
            let reversal = stage.model.reversal(entry, Some(Credits::from_micros(micros)));
            stage.did(Command::Reverse(reversal))
        };
        let (first, second) = (taken / 6 * first, (taken / 6 * second).min(taken - taken / 6 * first));
        let Some(at_once) = back(&more, first + second) else { return };
        // What comes back first pays a debt that was there before, out of other lots than it would at one go.
        if self.account.debt.is_zero() {
            let at_two_goes = back(&more, first).and_then(|stage| back(&stage, second)).expect("as at one go");
            assert_eq!(holdings(&at_two_goes.account), holdings(&at_once.account), "at two goes");
        }
        let rest = taken - first - second;
        if rest > 0 {
            let less = self.did(command(rest)).expect("less than what was taken can be taken");
            assert_eq!(holdings(&at_once.account), holdings(&less.account), "{rest} instead of {taken}");
        }
    }
}
