//! The pure ledger and the model side by side: both get each call, and must answer it alike.

use scrip::base::time::Time;
use scrip::ledger::command::Renewal;
use scrip::ledger::error::Refusal;
use scrip::ledger::model::{Account, Applied, Lot, Policy, Posting};
use scrip::ledger::rules;

use super::audit::Audit;
use super::model::Model;
use super::script::{Call, Order, Player, Script, Step, balance, beginning};

/// A ledger and a model with the same past.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) account: Account,
    pub(crate) model: Model,
    pub(crate) player: Player,
    audit: Audit,
    /// Of the newest call.
    pub(crate) now: Time,
    pub(crate) policy: Policy,
}

impl Stage {
    pub(crate) fn new(script: &Script) -> Self {
        let model = Model::new(balance(), beginning());
        Self {
            account: model.account(),
            model,
            player: Player::new(script),
            audit: Audit::default(),
            now: beginning(),
            policy: Policy::default(),
        }
    }

    /// Plays a whole script.
    pub(crate) fn after(script: &Script) -> Self {
        let mut stage = Self::new(script);
        for step in &script.steps {
            stage.step(step);
        }
        stage
    }

    fn step(&mut self, step: &Step) {
        let call = self.player.call(step, &self.model);
        (self.now, self.policy) = (call.now, call.policy);
        let _ = self.call(&call);
    }

    /// Gives both the same call; they answer the same.
    pub(crate) fn call(&mut self, call: &Call) -> Result<Vec<Posting>, Refusal> {
        let Call { policy, now, renewals, order } = call;
        let (done, expected) = match order {
            Order::Read | Order::Carry => {
                (Ok(carry(&self.account, policy, *now, renewals)), Ok(self.model.carry(policy, *now, renewals)))
            }
            Order::Apply(command) => (
                rules::apply(&self.account, policy, command, *now, renewals),
                self.model.apply(policy, command, *now, renewals),
            ),
        };
        let (done, expected) = agreed(call, done, expected)?;
        agree_on_postings(&self.model, &done, &expected);
        assert_eq!(done.account, expected.account(), "after {call:?}");
        agree_on_lots(&self.model, &done, &expected);
        assert_eq!(rules::next_change(&done.account), expected.next_change(), "the next change of {:?}", done.account);
        for lot in &done.account.lots {
            let state = rules::grant_state(lot, expected.time(*now));
            assert_eq!(Some(state), expected.grant_state(lot.sequence), "{lot:?}");
        }
        if matches!(order, Order::Read) {
            return Ok(done.postings);
        }
        self.audit.add(&done.postings, policy);
        self.audit.covers(&done.account);
        self.account = done.account;
        self.model = expected;
        self.player.done(&self.model);
        Ok(done.postings)
    }
}

/// What time alone does; it cannot be refused.
pub(crate) fn carry(account: &Account, policy: &Policy, now: Time, renewals: &[Renewal]) -> Applied {
    rules::carry(account, policy, now, renewals).expect("time is not refused")
}

/// Both accepted the call, or both refused it for the same reason.
fn agreed(
    call: &Call,
    done: Result<Applied, Refusal>,
    expected: Result<Model, Refusal>,
) -> Result<(Applied, Model), Refusal> {
    match (done, expected) {
        (Ok(done), Ok(expected)) => Ok((done, expected)),
        (Err(refusal), Err(expected)) => {
            assert_eq!(refusal, expected, "the refusal of {call:?}");
            Err(refusal)
        }
        (done, expected) => {
            let postings = expected.map(|model| model.entries().last().cloned());
            panic!("{call:?}\ndid {done:?}\nwhere the model expected {postings:?}");
        }
    }
}

fn agree_on_postings(before: &Model, done: &Applied, expected: &Model) {
    let expected = &expected.entries()[before.entries().len()..];
    for (posting, expected) in done.postings.iter().zip(expected) {
        assert_eq!(posting, expected, "entry {}", expected.sequence);
    }
    assert_eq!(done.postings.len(), expected.len(), "entries: {:?}\nexpected: {expected:?}", done.postings);
}

/// Every lot that was made, amended or ended is told, as it stands.
fn agree_on_lots(before: &Model, done: &Applied, expected: &Model) {
    let before = before.lots();
    let facts = |lot: &Lot| (lot.priority, lot.expires_at, lot.ended);
    for lot in expected.lots() {
        let was = before.iter().find(|was| was.sequence == lot.sequence);
        let told = done.lots.iter().rfind(|told| told.sequence == lot.sequence);
        if was.map(facts) != Some(facts(&lot)) {
            assert!(told.is_some(), "nobody was told of {lot:?}\nwhich was {was:?}");
        }
        if let Some(told) = told {
            let is_open = !lot.remaining.is_zero();
            let told = if is_open { Lot { remaining: lot.remaining, held: lot.held, ..*told } } else { *told };
            assert_eq!(told, lot, "as it stands then");
        }
    }
}
