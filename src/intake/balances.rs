//! Orders on one balance: it is opened, changed, brought up to date, closed.

use super::job::{BalanceChanges, Done, NewBalance, Order, TopUp};
use super::work::Work;
use crate::base::ids::{BalanceId, ProductId};
use crate::base::problem::Problem;
use crate::customers::service::number_balance;
use crate::db::{Failure, Txn};
use crate::ledger::command::{Command, NewGrant};
use crate::ledger::entry::{Note, Origin};
use crate::ledger::error::Refusal;
use crate::ledger::model::{Balance, DEFAULT_PRIORITY, GrantSource};
use crate::ledger::service::{Terms, post, post_due};
use crate::metering::terms::{inherited_expiry, policy_of};
use crate::purchases::rules::awaited;

/// How many periods one step catches up on at most; the next step goes on from there.
const PERIODS: usize = 100;

impl Work {
    /// Does what an order asks for.
    pub(super) async fn order(&mut self, txn: &mut Txn, order: &Order) -> Result<Done, Failure> {
        match order {
            Order::Open(new) => self.open(txn, new).await,
            Order::Update { balance, changes } => Ok(self.update(*balance, changes)?),
            Order::Close { balance } => Ok(self.close(*balance)?),
            Order::PostDue { balance } => Ok(self.post_due(*balance)?),
            Order::Move { balance, action, given } => self.carry_out(txn, (*balance, action), given).await,
        }
    }

    async fn open(&mut self, txn: &mut Txn, new: &NewBalance) -> Result<Done, Failure> {
        self.check_product(new.product)?;
        let books = self.books.get(&new.customer).map_or(&[][..], Vec::as_slice);
        let known = books.iter().find(|balance| balance.product == new.product && !balance.account.closed).cloned();
        let mut balance = match known {
            Some(open) if open.is_open(self.now) => {
                let message = "The customer has an open balance of this product already; there is at most one.";
                return Err(Problem::exists(&["productId"], open.account.id.to_string(), message).into());
            }
            // A subscription would have opened it later; it joins the one that is opened now.
            Some(waiting) => Balance { own: new.own.clone(), created_at: self.now, updated_at: self.now, ..waiting },
            None => {
                let number = number_balance(txn, new.customer).await?;
                let id = BalanceId { customer: new.customer, number };
                Balance::open(id, new.product, new.own.clone(), self.now)
            }
        };
        let id = balance.account.id;
        let entry = if new.starting.is_positive() {
            let grant = self.grant(
                &balance,
                GrantSource::StartingBalance,
                &TopUp { credits: new.starting, priority: DEFAULT_PRIORITY, effective_at: None, expires_at: None },
            );
            let terms = self.terms(&balance);
            let command = (&Command::Grant(grant), &Note::of(Origin::Api));
            let entries = post(&mut balance, &terms, command, &mut self.writes).map_err(|r| r.problem(id))?;
            let entry = entries.last().cloned();
            self.note_entries(entries);
            entry
        } else {
            None
        };
        self.changed.insert(id, true);
        self.look.insert(new.customer);
        let books = self.books.entry(new.customer).or_default();
        books.retain(|known| known.account.id != id);
        books.push(balance.clone());
        books.sort_by_key(|known| known.account.id);
        Ok(self.done(balance, entry))
    }

    fn check_product(&self, id: ProductId) -> Result<(), Problem> {
        match self.catalog.product(id) {
            None => Err(Problem::not_found(&["productId"], "credit product", id.to_string())),
            Some(product) if product.archived_at.is_some() => {
                let message = "The product is archived; a balance can only be opened of one that is not.";
                Err(Problem::state(&["productId"], "ARCHIVED", message))
            }
            Some(_) => Ok(()),
        }
    }

    /// The terms of credits that come in: their expiry is their own, or what the settings in force say.
    pub(super) fn grant(&self, balance: &Balance, source: GrantSource, top_up: &TopUp) -> NewGrant {
        // A balance's time does not go back (L11).
        let now = self.now.max(balance.account.recorded_at);
        let begins = top_up.effective_at.map_or(now, |begin| begin.max(now));
        let inherited = || inherited_expiry(&self.catalog, balance, (now, begins));
        NewGrant {
            source,
            credits: top_up.credits,
            priority: top_up.priority,
            effective_at: top_up.effective_at,
            expires_at: top_up.expires_at.or_else(inherited),
            cost: None,
        }
    }

    /// The balance that an order is about; a problem when it is not open.
    pub(super) fn open_balance(&mut self, id: BalanceId) -> Result<&mut Balance, Problem> {
        if self.others.iter().any(|balance| balance.account.id == id) {
            return Err(Refusal::Closed.problem(id));
        }
        let (now, missing) = (self.now, || Problem::not_found(&[], "credit balance", id.to_string()));
        let books = self.books.get_mut(&id.customer).ok_or_else(missing)?;
        let named = |balance: &&mut Balance| balance.account.id == id && balance.has_opened(now);
        let balance = books.iter_mut().find(named).ok_or_else(missing)?;
        if balance.closed_at.is_some() { Err(Refusal::Closed.problem(id)) } else { Ok(balance) }
    }

    fn update(&mut self, id: BalanceId, changes: &BalanceChanges) -> Result<Done, Problem> {
        let now = self.now;
        let balance = self.open_balance(id)?;
        let own = &mut balance.own;
        let before = own.clone();
        own.name = changes.name.clone().over_optional(own.name.take());
        own.low_balance_threshold = changes.low_balance_threshold.over_optional(own.low_balance_threshold);
        own.overdraft = changes.overdraft.over_optional(own.overdraft);
        let same = *own == before;
        if !same {
            balance.updated_at = now;
        }
        let balance = balance.clone();
        if !same {
            self.changed.insert(id, true);
        }
        Ok(self.done(balance, None))
    }

    fn close(&mut self, id: BalanceId) -> Result<Done, Problem> {
        if let Some(closed) = self.closed(id) {
            return Ok(self.replayed(closed, None));
        }
        let now = self.now;
        let mut closing = self.open_balance(id)?.clone();
        if closing.plan.as_ref().is_some_and(|plan| plan.lasts_beyond(now)) {
            let message = "A running subscription includes these credits; cancel it first, or change to another plan.";
            return Err(Problem::state(&[], "SUBSCRIBED", message));
        }
        if awaited(&closing).is_positive() {
            let message = "A purchase for this balance waits for its money; cancel it first.";
            return Err(Problem::state(&[], "PURCHASE_PENDING", message));
        }
        let terms = self.terms(&closing);
        let entries = post(&mut closing, &terms, (&Command::Close, &Note::of(Origin::Api)), &mut self.writes)
            .map_err(|refusal| refusal.problem(id))?;
        closing.closed_at = Some(now);
        closing.updated_at = now;
        let done = self.done(closing.clone(), None);
        *self.open_balance(id)? = closing;
        self.note_entries(entries);
        self.changed.insert(id, true);
        self.look.insert(id.customer);
        Ok(done)
    }

    /// A balance that is closed already.
    pub(super) fn closed(&self, id: BalanceId) -> Option<Balance> {
        let before = self.others.iter().find(|balance| balance.account.id == id);
        before.or_else(|| self.find(id).filter(|balance| balance.closed_at.is_some())).cloned()
    }

    /// The terms on which a command is applied to a balance.
    pub(super) fn terms(&self, balance: &Balance) -> Terms {
        Terms::of(balance, policy_of(&self.catalog, balance, self.now), self.now)
    }

    fn post_due(&mut self, id: BalanceId) -> Result<Done, Problem> {
        let mut balance = self.open_balance(id)?.clone();
        let terms = self.terms(&balance).in_steps(PERIODS);
        let entries = post_due(&mut balance, &terms, &mut self.writes).map_err(|refusal| refusal.problem(id))?;
        // A period may have begun that brought nothing after all: there was nothing to roll over.
        let renewed = self.find(id).is_some_and(|before| before.renews_at != balance.renews_at);
        self.considered.insert(id);
        let done = self.done(balance.clone(), None);
        *self.open_balance(id)? = balance;
        if renewed {
            self.changed.entry(id).or_insert(false);
        }
        self.note_entries(entries);
        Ok(done)
    }
}
