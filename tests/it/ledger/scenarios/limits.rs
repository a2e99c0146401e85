//! How many lots and holds a balance may have. Played on the ledger alone: the model is too slow for so many.

use scrip::base::credits::Credits;
use scrip::base::time::Time;
use scrip::ledger::command::{Allowance, Command, Cover, NewGrant, Renewal, Spend, SpendKind};
use scrip::ledger::error::Refusal;
use scrip::ledger::model::{Account, DEFAULT_PRIORITY, GrantSource, MAX_HOLDS, MAX_OPEN_LOTS, Policy};
use scrip::ledger::rules;

use crate::ledger::model::Model;
use crate::ledger::script::{balance, beginning};

const ONE: Credits = Credits::from_micros(1);

fn grant(source: GrantSource, effective_at: Option<Time>) -> Command {
    let credits = Credits::from_micros(2);
    Command::Grant(NewGrant { source, credits, priority: DEFAULT_PRIORITY, effective_at, expires_at: None, cost: None })
}

fn hold() -> Command {
    Command::Hold { credits: ONE, expires_at: Time::MAX }
}

fn done(account: &Account, command: &Command) -> Result<Account, Refusal> {
    rules::apply(account, &Policy::default(), command, beginning(), &[]).map(|done| done.account)
}

fn after_many(account: Account, command: &Command, times: usize) -> Account {
    (0..times).fold(account, |account, _| done(&account, command).expect("as many as it may have"))
}

fn new_account() -> Account {
    Model::new(balance(), beginning()).account()
}

#[test]
fn a_balance_has_at_most_a_thousand_open_lots_pending_ones_included() {
    let top_up = grant(GrantSource::TopUp, None);
    let half = after_many(new_account(), &top_up, MAX_OPEN_LOTS / 2);
    let full = after_many(half, &grant(GrantSource::TopUp, Some(Time::MAX)), MAX_OPEN_LOTS / 2);

    assert_eq!(done(&full, &top_up), Err(Refusal::TooManyLots));
    assert_eq!(done(&full, &grant(GrantSource::StartingBalance, None)), Err(Refusal::TooManyLots));

    let credits = Credits::from_micros(2);
    let spend = Spend { kind: SpendKind::Usage, credits, cover: Cover::Whole, occurred_at: None };
    let room = done(&full, &Command::Spend(spend)).expect("there is enough");
    assert_eq!(after_many(room, &top_up, 1).lots.len(), MAX_OPEN_LOTS);
}

#[test]
fn what_is_owed_comes_in_however_many_lots_there_are() {
    let full = after_many(new_account(), &grant(GrantSource::TopUp, None), MAX_OPEN_LOTS);

    let bought = after_many(full, &grant(GrantSource::Purchase, None), 1);
    assert_eq!(bought.lots.len(), MAX_OPEN_LOTS + 1);

    let allowance = Some(Allowance { credits: ONE, expires_at: None });
    let renewal = Renewal { at: beginning(), subscription: 1, rollover: None, allowance };
    let renewed = rules::carry(&bought, &Policy::default(), beginning(), &[renewal]).expect("time is not refused");
    assert_eq!(renewed.account.lots.len(), MAX_OPEN_LOTS + 2);
}

#[test]
fn a_balance_has_at_most_a_thousand_active_holds() {
    let account = after_many(new_account(), &grant(GrantSource::TopUp, None), MAX_OPEN_LOTS);
    let full = after_many(account, &hold(), MAX_HOLDS);

    assert_eq!(done(&full, &hold()), Err(Refusal::TooManyHolds));

    let first = full.holds.first().map(|hold| hold.sequence).expect("there are holds");
    let room = done(&full, &Command::Release { hold: first }).expect("it is active");
    assert_eq!(after_many(room, &hold(), 1).holds.len(), MAX_HOLDS);
}
