//! Where the steps work: one customer's balances and subscriptions, in the caller's transaction, and what becomes of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::charges::charges;
use super::model::Subscription;
use super::store::Changes;
use super::terms::{credit_products, plan_terms};
use crate::base::ids::{BalanceId, CustomerId, ProductId};
use crate::base::settings::Overrides;
use crate::base::time::Time;
use crate::catalog::snapshot::Snapshot;
use crate::customers;
use crate::db::{DbError, Failure, Txn};
use crate::ledger::command::{Command, VoidKind};
use crate::ledger::entry::{Entry, Note};
use crate::ledger::error::Refusal;
use crate::ledger::model::{Balance, GrantSource};
use crate::ledger::plan::PlanTerms;
use crate::ledger::service::{self, Terms, Writes};
use crate::metering::terms::policy_of;

/// How many periods one step writes down at most; the next goes on from there.
const PERIODS: usize = 100;

/// One customer's affairs within a transaction.
pub struct Desk<'a> {
    /// The customer.
    pub customer: CustomerId,
    /// The catalog.
    pub catalog: &'a Snapshot,
    /// The present.
    pub now: Time,
    /// The customer's balances that are open, or will be.
    pub books: &'a mut Vec<Balance>,
    /// The customer's subscriptions, in order of their numbers.
    pub subscriptions: &'a mut Vec<Subscription>,
    /// What is to be written of the ledger.
    pub writes: &'a mut Writes,
    /// What is to be written of subscriptions.
    pub changes: &'a mut Changes,
    /// What has become of balances.
    pub moved: Moved,
}

/// What has become of balances.
#[derive(Debug, Default)]
pub struct Moved {
    /// The entries that were made.
    pub entries: Vec<Arc<Entry>>,
    /// Balances to be written.
    pub changed: BTreeSet<BalanceId>,
    /// Balances that were to open and will not: their rows, as they were read.
    pub removed: Vec<Balance>,
}

/// What was checked before cannot be refused; if it is, nothing of the transaction may count.
fn fault(refusal: Refusal) -> Failure {
    Failure::Db(DbError::Corrupt(format!("what a subscription posts was refused: {refusal}")))
}

impl Desk<'_> {
    /// Whether more periods are due than one step writes down.
    #[must_use]
    pub fn is_far_behind(&self, subscription: &Subscription) -> bool {
        let mut standing = subscription.clone();
        let behind = (0..PERIODS).all(|_| standing.step(self.now).is_some()) && standing.step(self.now).is_some();
        let mine = self.books.iter().filter(|balance| belongs(balance, subscription));
        behind || mine.into_iter().any(|balance| balance.renewals(self.now).0.len() > PERIODS)
    }

    /// Writes down what time has done to a subscription and its balances, boundary by boundary, as far as one step goes;
    /// answers whether something is left that is due.
    ///
    /// # Errors
    /// The fault of books that are wrong.
    pub fn catch_up(&mut self, subscription: &mut Subscription) -> Result<bool, Failure> {
        for _ in 0..PERIODS {
            let Some(step) = subscription.step(self.now) else { break };
            let due = charges(subscription, &step, self.catalog, self.now);
            self.changes.charge(due);
            self.changes.write(subscription);
        }
        self.post_due(subscription)?;
        let now = self.now;
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        let mine = self.books.iter().filter(|balance| belongs(balance, subscription));
        Ok(is_due(subscription.due_at()) || mine.into_iter().any(|balance| is_due(balance.renews_at)))
    }

    /// Posts what is due on the balances of a subscription, as far as one step goes.
    ///
    /// # Errors
    /// The fault of books that are wrong.
    pub fn post_due(&mut self, subscription: &Subscription) -> Result<(), Failure> {
        let (catalog, now) = (self.catalog, self.now);
        for balance in self.books.iter_mut().filter(|balance| belongs(balance, subscription) && balance.is_open(now)) {
            let terms = Terms::of(balance, policy_of(catalog, balance, now), now).in_steps(PERIODS);
            let entries = service::post_due(balance, &terms, self.writes).map_err(fault)?;
            self.moved.changed.insert(balance.account.id);
            self.moved.entries.extend(entries);
        }
        Ok(())
    }

    /// Ends what is unused of the credits that the period from `start` on includes, what rolled over into it too.
    ///
    /// # Errors
    /// The fault of books that are wrong.
    pub fn void_unused(&mut self, subscription: &Subscription, start: Time) -> Result<(), Failure> {
        let (catalog, now) = (self.catalog, self.now);
        let note = Note::by_subscription(subscription.id.number);
        for balance in self.books.iter_mut().filter(|balance| belongs(balance, subscription) && balance.is_open(now)) {
            let included = |source| matches!(source, GrantSource::Allowance | GrantSource::Rollover);
            let open = balance.account.lots.iter().filter(|lot| lot.ended.is_none() && !lot.is_over(now));
            let since = balance.plan.as_ref().map_or(0, |plan| plan.since);
            let mine = open.filter(|lot| included(lot.source) && since < lot.sequence);
            let unused = mine.filter(|lot| lot.effective_at >= start);
            let unused: Vec<i64> = unused.map(|lot| lot.sequence).collect();
            for lot in unused {
                let terms = Terms::of(balance, policy_of(catalog, balance, now), now);
                let command = Command::Void { lot, kind: VoidKind::Void };
                let entries = service::post(balance, &terms, (&command, &note), self.writes).map_err(fault)?;
                self.moved.changed.insert(balance.account.id);
                self.moved.entries.extend(entries);
            }
        }
        Ok(())
    }

    /// Writes into the customer's balances what a subscription means for them (S2), opens those that are missing, and
    /// lets go of those that it leaves. Of its current period, `granted` says when it began, if what it brings was posted.
    ///
    /// # Errors
    /// Those of the database; a state when the customer is archived.
    pub async fn project(
        &mut self,
        txn: &mut Txn,
        subscription: &Subscription,
        granted: Option<Time>,
    ) -> Result<(), Failure> {
        let mut wanted: Vec<(ProductId, PlanTerms)> = Vec::new();
        for product in credit_products(subscription, self.catalog) {
            wanted.extend(plan_terms(subscription, product, self.catalog).map(|terms| (product, terms)));
        }
        self.let_go(subscription, &wanted);
        for (product, terms) in wanted {
            let first = terms.stretches.first().map_or(self.now, |stretch| stretch.from);
            let place = self.books.iter().position(|balance| balance.product == product && !balance.account.closed);
            let place = match place {
                Some(place) => place,
                None => self.open(txn, product, first).await?,
            };
            let Some(balance) = self.books.get_mut(place) else { continue };
            if !balance.has_opened(self.now) {
                balance.created_at = first.max(self.now);
            }
            balance.renews_at = terms.next_renewal(granted);
            let same = balance.plan.as_ref().filter(|plan| plan.subscription == terms.subscription);
            let terms = PlanTerms { since: same.map_or(balance.account.sequence, |plan| plan.since), ..terms };
            if balance.plan.as_deref() != Some(&terms) {
                balance.plan = Some(Arc::new(terms));
                balance.updated_at = self.now;
            }
            self.moved.changed.insert(balance.account.id);
        }
        Ok(())
    }

    /// Balances that a subscription has left inherit nothing from it any more; those that it was yet to open go.
    fn let_go(&mut self, subscription: &Subscription, wanted: &[(ProductId, PlanTerms)]) {
        let now = self.now;
        let left = |balance: &Balance| {
            belongs(balance, subscription) && !wanted.iter().any(|(product, _)| *product == balance.product)
        };
        for balance in self.books.iter_mut().filter(|balance| left(balance)) {
            balance.plan = None;
            balance.renews_at = None;
            balance.updated_at = now;
            self.moved.changed.insert(balance.account.id);
        }
        let unwanted = |balance: &mut Balance| !balance.has_opened(now) && balance.plan.is_none();
        for balance in self.books.extract_if(.., unwanted) {
            self.moved.changed.remove(&balance.account.id);
            self.moved.removed.push(balance);
        }
    }

    /// Opens a balance, now or at an instant to come; answers its place.
    async fn open(&mut self, txn: &mut Txn, product: ProductId, at: Time) -> Result<usize, Failure> {
        let number = customers::service::number_balance(txn, self.customer).await?;
        let id = BalanceId { customer: self.customer, number };
        let balance = Balance::open(id, product, Overrides::default(), self.now);
        self.books.push(Balance { created_at: at.max(self.now), ..balance });
        Ok(self.books.len().saturating_sub(1))
    }
}

/// Whether a balance inherits from a subscription, or will, or did until it ended.
fn belongs(balance: &Balance, subscription: &Subscription) -> bool {
    balance.plan.as_ref().is_some_and(|plan| plan.subscription == subscription.id.number)
}
