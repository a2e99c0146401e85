//! Orders that move credits: a command for the ledger, once for each key; and what its refusal means to the caller.

use super::job::{Action, Amendment, Capture, Done, Extension, NewHold, Provenance, Retention, TakeBack};
use super::work::{FirstUse, Made, Work};
use crate::base::ids::{BalanceId, EntryId, HoldId};
use crate::base::problem::{Problem, Problems};
use crate::db::{DbError, Failure, Txn};
use crate::ledger::command::{Command, Cover, Spend, SpendKind, VoidKind};
use crate::ledger::error::Refusal;
use crate::ledger::lookup;
use crate::ledger::model::{Balance, Cause, DEFAULT_PRIORITY, GrantSource, GrantState};
use crate::ledger::rules;
use crate::ledger::service::{Terms, post};

/// What is to be done: a command, or nothing, since it is so already.
enum ToDo {
    Command(Command),
    Nothing,
}

impl Work {
    /// Moves credits, once for each key (L5).
    pub(super) async fn carry_out(
        &mut self,
        txn: &mut Txn,
        (id, action): (BalanceId, &Result<Action, Problems>),
        given: &Provenance,
    ) -> Result<Done, Failure> {
        if let Some(key) = &given.key
            && let Some(FirstUse { made, .. }) = self.first_use(id.customer, key)?
        {
            let Made::Entry(EntryId { balance: first, sequence }) = made else {
                return Err(DbError::overtaken().into());
            };
            // Keys are looked up after the books: another node may have used this one in between.
            let found = self.closed(first).or_else(|| self.find(first).cloned());
            let current =
                found.filter(|balance| balance.account.sequence >= sequence).ok_or_else(DbError::overtaken)?;
            return Ok(self.replayed(current, Some(sequence)));
        }
        let action = action.as_ref().map_err(Problems::clone)?;
        if let Some(closed) = self.closed(id) {
            return self.is_so_already(txn, closed, (action, Refusal::Closed)).await;
        }
        let mut balance = self.open_balance(id)?.clone();
        let terms = self.terms(&balance);
        let command = match self.command(txn, (&balance, &terms), action).await? {
            ToDo::Command(command) => command,
            ToDo::Nothing => return Ok(self.replayed(balance, None)),
        };
        let entries = match post(&mut balance, &terms, (&command, &given.note()), &mut self.writes) {
            Ok(entries) => entries,
            Err(refusal) => return self.is_so_already(txn, balance, (action, refusal)).await,
        };
        // What time did stands before it, and what a lot's end let go behind it.
        let entry = entries.iter().rfind(|entry| entry.posting.cause == Cause::Command).cloned();
        *self.open_balance(id)? = balance.clone();
        self.changed.entry(id).or_insert(false);
        self.note_entries(entries);
        if let (Some(key), Some(entry)) = (&given.key, &entry) {
            self.use_key(Made::Entry(entry.id()), key);
        }
        Ok(self.done(balance, entry))
    }

    async fn command(
        &self,
        txn: &mut Txn,
        (balance, terms): (&Balance, &Terms),
        action: &Action,
    ) -> Result<ToDo, Failure> {
        let lapse = |ttl: i64| terms.now.plus_micros(ttl).ok_or_else(|| Problem::invalid(&["ttlSeconds"], "Too long."));
        Ok(ToDo::Command(match action {
            Action::TopUp(top_up) => Command::Grant(self.grant(balance, GrantSource::TopUp, top_up)),
            Action::Retain(Retention { credits, occurred_at }) => Command::Spend(Spend {
                kind: SpendKind::Retention,
                credits: *credits,
                cover: Cover::Whole,
                occurred_at: *occurred_at,
            }),
            Action::Amend(amendment) => return self.amendment(txn, (balance, terms), amendment).await,
            Action::Void(grant) => Command::Void { lot: grant.sequence, kind: VoidKind::Void },
            Action::Reverse(TakeBack { entry, credits }) => {
                let taken_back = (balance, entry.sequence);
                let found = lookup::reversal(txn, &self.writes, taken_back, *credits).await?;
                let missing = || Problem::not_found(&[], "ledger entry", entry.to_string());
                Command::Reverse(found.ok_or_else(missing)?)
            }
            Action::Hold(NewHold { credits, ttl }) => Command::Hold { credits: *credits, expires_at: lapse(*ttl)? },
            Action::Extend(Extension { hold, ttl }) => {
                Command::Extend { hold: hold.sequence, expires_at: lapse(*ttl)? }
            }
            Action::Capture(Capture { hold, credits, overrun }) => {
                Command::Capture { hold: hold.sequence, credits: *credits, overrun: *overrun }
            }
            Action::Release(hold) => Command::Release { hold: hold.sequence },
        }))
    }

    /// The command that amends a grant; nothing when its terms are so already.
    async fn amendment(
        &self,
        txn: &mut Txn,
        (balance, terms): (&Balance, &Terms),
        amendment: &Amendment,
    ) -> Result<ToDo, Failure> {
        let Amendment { grant, priority, expires_at } = amendment;
        let carried = rules::carry(&balance.account, &terms.policy, terms.now, &terms.renewals);
        let account = carried.map_err(|refusal| refusal.problem(grant.balance))?.account;
        let Some(lot) = account.lots.iter().find(|lot| lot.sequence == grant.sequence) else {
            let missing = || Problem::not_found(&[], "grant", grant.to_string());
            let state = lookup::over_lot(txn, &self.writes, *grant, terms.now).await?.ok_or_else(missing)?;
            return Err(Refusal::GrantOver(state).problem(grant.balance).into());
        };
        let priority = priority.over(lot.priority, DEFAULT_PRIORITY);
        let expires_at = expires_at.over_optional(lot.expires_at);
        let same = priority == lot.priority && expires_at == lot.expires_at;
        let command = Command::Amend { lot: grant.sequence, priority, expires_at };
        Ok(if same { ToDo::Nothing } else { ToDo::Command(command) })
    }

    /// What a refusal comes to: what is so already is answered with it, and for the rest it is said why.
    async fn is_so_already(
        &self,
        txn: &mut Txn,
        balance: Balance,
        (action, refusal): (&Action, Refusal),
    ) -> Result<Done, Failure> {
        let id = balance.account.id;
        match (action, refusal) {
            (Action::Void(_), Refusal::GrantOver(GrantState::Voided)) => {}
            (Action::Void(grant), Refusal::NoSuchGrant | Refusal::Closed) => {
                let missing = || Problem::not_found(&[], "grant", grant.to_string());
                let state = lookup::over_lot(txn, &self.writes, *grant, self.now).await?.ok_or_else(missing)?;
                if state != GrantState::Voided {
                    return Err(Refusal::GrantOver(state).problem(id).into());
                }
            }
            (Action::Release(hold), Refusal::NoSuchHold | Refusal::Closed) => {
                self.ended(txn, &balance, *hold).await?;
            }
            (
                Action::Capture(Capture { hold, .. }) | Action::Extend(Extension { hold, .. }),
                Refusal::NoSuchHold | Refusal::Closed,
            ) => return Err(self.ended(txn, &balance, *hold).await?.into()),
            _ => return Err(refusal.problem(id).into()),
        }
        Ok(self.replayed(balance, None))
    }

    /// What there is to say of a hold that has ended; an error when there is no such hold.
    async fn ended(&self, txn: &mut Txn, balance: &Balance, hold: HoldId) -> Result<Problem, Failure> {
        let missing = || Problem::not_found(&[], "hold", hold.to_string());
        let state = lookup::ended_hold(txn, &self.writes, balance, hold).await?.ok_or_else(missing)?;
        Ok(state.problem())
    }
}
