//! Orders on purchases: one is made, heard of, refunded; and what balances buy by themselves when a batch leaves too little.

use std::collections::{BTreeSet, HashMap};

use super::job::{Bought, PurchaseOrder};
use super::work::{Made, Work};
use crate::base::credits::Overflow;
use crate::base::ids::{BalanceId, CustomerId, GrantId, PurchaseId, PurchaseOptionId};
use crate::base::problem::{Problem, Problems};
use crate::catalog::model::PurchaseOption;
use crate::customers::model::Customer;
use crate::customers::store::find_customers;
use crate::db::{DbError, Failure, Txn};
use crate::ledger::entry::Origin;
use crate::ledger::error::Refusal;
use crate::ledger::lookup;
use crate::ledger::model::Balance;
use crate::purchases::input::Ask;
use crate::purchases::model::{Method, Provider, Purchase, Status};
use crate::purchases::rules::{Buyer, MAX_WAITING};
use crate::purchases::service::{Entries, NotRefunded, Till};
use crate::purchases::store::{find_methods, list_bought, list_waiting};
use crate::purchases::transitions::{Effect, Fact};

impl Work {
    /// Does what an order asks for.
    pub(super) async fn purchase_order(&mut self, txn: &mut Txn, order: &PurchaseOrder) -> Result<Bought, Failure> {
        match order {
            PurchaseOrder::Create { balance, new, origin, key } => {
                if let Some(first) = self.first_use(balance.customer, key)? {
                    // Keys are looked up before what they made is read: it is there.
                    let purchase = match first.made {
                        Made::Purchase(id) => self.purchases.get(&id).cloned(),
                        Made::Entry(_) | Made::Subscription(_) => None,
                    };
                    let purchase = purchase.ok_or_else(DbError::overtaken)?;
                    let balance = self.any_balance(purchase.id.balance)?;
                    return Ok(self.bought(balance, Some(purchase), true));
                }
                let new = new.as_ref().map_err(Problems::clone)?;
                let mut open = self.open_balance(*balance)?.clone();
                let buyer = self.buyer(txn, balance.customer, *origin == Origin::Portal).await?;
                let waiting = self.count_waiting(txn, *balance).await?;
                let buyer = Buyer { waiting, left: self.count_left(txn, balance.customer, new.option).await?, ..buyer };
                let (purchase, entries) = self.till().create(&mut open, (new, &buyer), *origin)?;
                self.put((&open, &purchase), entries);
                self.use_key(Made::Purchase(purchase.id), key);
                Ok(self.bought(open, Some(purchase), false))
            }
            PurchaseOrder::Change { id, ask: Ask::Hear { fact, method } } => self.hear(*id, (fact, method.as_ref())),
            PurchaseOrder::Change { id, ask: Ask::Refund { reason } } => self.refund(txn, *id, reason.clone()).await,
            PurchaseOrder::SetAutoTopUp { balance, changes } => {
                let mut open = self.open_balance(*balance)?.clone();
                let buyer = self.buyer(txn, balance.customer, false).await?;
                self.till().set_auto_top_up(&mut open, (changes, &buyer))?;
                open.updated_at = self.now;
                *self.open_balance(*balance)? = open.clone();
                self.changed.insert(*balance, true);
                Ok(self.bought(open, None, false))
            }
        }
    }

    fn till(&mut self) -> Till<'_> {
        Till {
            catalog: &self.catalog,
            now: self.now,
            provider: self.provider,
            writes: &mut self.writes,
            changes: &mut self.purchase_changes,
        }
    }

    fn bought(&self, balance: Balance, purchase: Option<Purchase>, replayed: bool) -> Bought {
        Bought { purchase, balance, catalog: self.catalog.clone(), replayed }
    }

    async fn buyer(&self, txn: &mut Txn, customer: CustomerId, in_portal: bool) -> Result<Buyer, DbError> {
        let buyer = self.buyers(txn, &[customer]).await?.remove(&customer).ok_or_else(|| no_customer(customer))?;
        Ok(Buyer { in_portal, ..buyer })
    }

    /// How many purchases of a balance wait for their money.
    async fn count_waiting(&self, txn: &mut Txn, balance: BalanceId) -> Result<usize, DbError> {
        let here = |purchase: &&Purchase| purchase.id.balance == balance;
        let most = self.purchases.values().filter(here).count().saturating_add(MAX_WAITING);
        let stored = list_waiting(txn, balance, i64::try_from(most).unwrap_or(i64::MAX)).await?;
        let stored = stored.into_iter().map(|number| balance.purchase(number));
        let stored = stored.filter(|id| !self.purchases.contains_key(id)).count();
        let known = self.purchases.values().filter(here).filter(|purchase| purchase.is_pending()).count();
        Ok(stored.saturating_add(known))
    }

    /// How many packs of an option that is limited a customer may still buy.
    async fn count_left(
        &self,
        txn: &mut Txn,
        customer: CustomerId,
        option: PurchaseOptionId,
    ) -> Result<Option<i32>, DbError> {
        let Some(most) = self.catalog.option(option).and_then(PurchaseOption::most_per_customer) else {
            return Ok(None);
        };
        let counts = |purchase: &&Purchase| {
            let is_his = purchase.id.balance.customer == customer && purchase.option == option;
            is_his
                && purchase.origin != Origin::AutoTopUp
                && !matches!(purchase.status, Status::Failed | Status::Canceled)
        };
        let stored = list_bought(txn, customer, option).await?.into_iter();
        let stored = stored.filter(|(id, _)| !self.purchases.contains_key(id)).map(|(_, quantity)| quantity);
        let known = self.purchases.values().filter(counts).map(|purchase| purchase.quantity);
        let bought = stored.chain(known).fold(0, i32::saturating_add);
        Ok(Some(most.saturating_sub(bought).max(0)))
    }

    /// Customers as buyers.
    async fn buyers(&self, txn: &mut Txn, ids: &[CustomerId]) -> Result<HashMap<CustomerId, Buyer>, DbError> {
        let customers = find_customers(txn, ids).await?;
        let mut methods = match self.provider {
            Provider::Manual => HashMap::new(),
            Provider::Stripe => find_methods(txn, ids).await?,
        };
        let buyer = |(id, customer): (CustomerId, Customer)| {
            let method = self.purchase_changes.method(id).cloned().or_else(|| methods.remove(&id));
            (
                id,
                Buyer {
                    currency: customer.currency,
                    email: customer.email,
                    in_portal: false,
                    method,
                    waiting: 0,
                    left: None,
                },
            )
        };
        Ok(customers.into_iter().map(buyer).collect())
    }

    /// A balance, closed or not.
    fn any_balance(&mut self, id: BalanceId) -> Result<Balance, Problem> {
        match self.closed(id) {
            Some(closed) => Ok(closed),
            None => self.open_balance(id).cloned(),
        }
    }

    fn known(&self, id: PurchaseId) -> Result<Purchase, Problem> {
        let missing = || Problem::not_found(&["purchaseId"], "purchase", id.to_string());
        self.purchases.get(&id).cloned().ok_or_else(missing)
    }

    fn hear(&mut self, id: PurchaseId, (fact, method): (&Fact, Option<&Method>)) -> Result<Bought, Failure> {
        let (mut purchase, mut balance) = (self.known(id)?, self.any_balance(id.balance)?);
        let (effect, entries) = self.till().hear(&mut balance, &mut purchase, fact)?;
        if let Some(method) = method {
            self.purchase_changes.pay_by(id.balance.customer, method);
            let books = self.books.get(&id.balance.customer).into_iter().flatten();
            self.considered.extend(books.map(|balance| balance.account.id));
        }
        if effect != Effect::Nothing {
            self.put((&balance, &purchase), entries);
        }
        Ok(self.bought(balance, Some(purchase), effect == Effect::Nothing))
    }

    async fn refund(&mut self, txn: &mut Txn, id: PurchaseId, reason: Option<String>) -> Result<Bought, Failure> {
        let (mut purchase, mut balance) = (self.known(id)?, self.any_balance(id.balance)?);
        if purchase.status == Status::Refunded {
            return Ok(self.bought(balance, Some(purchase), true));
        }
        let entries = match self.till().refund(&mut balance, &mut purchase, reason) {
            Ok(entries) => entries,
            Err(NotRefunded::Problem(problem)) => return Err(problem.into()),
            Err(NotRefunded::Lot(lot, refusal)) => {
                return Err(self.why_not(txn, id.balance.grant(lot), refusal).await?.into());
            }
            Err(NotRefunded::Db(error)) => return Err(error.into()),
        };
        self.put((&balance, &purchase), entries);
        Ok(self.bought(balance, Some(purchase), false))
    }

    /// Of a lot that is open no more it is said what became of it.
    async fn why_not(&self, txn: &mut Txn, grant: GrantId, refusal: Refusal) -> Result<Problem, Failure> {
        let state = match refusal {
            Refusal::NoSuchGrant | Refusal::Closed => lookup::over_lot(txn, &self.writes, grant, self.now).await?,
            _ => None,
        };
        let refusal = state.map_or(refusal, Refusal::GrantOver);
        Ok(Problem { path: vec!["purchaseId".to_owned()], ..refusal.problem(grant.balance) })
    }

    /// Remembers how a purchase and its balance stand.
    fn put(&mut self, (balance, purchase): (&Balance, &Purchase), entries: Entries) {
        let id = balance.account.id;
        self.purchases.insert(purchase.id, purchase.clone());
        let books = self.books.get_mut(&id.customer).into_iter().flatten();
        if let Some(open) = books.into_iter().find(|open| open.account.id == id) {
            if open.buying != balance.buying {
                self.changed.insert(id, true);
            }
            *open = balance.clone();
        }
        self.note_entries(entries);
    }

    /// Buys for the balances that the batch leaves with too little, where they are to buy by themselves.
    pub(super) async fn top_up(&mut self, txn: &mut Txn) -> Result<(), DbError> {
        let touched: BTreeSet<BalanceId> = self.changed.keys().chain(&self.considered).copied().collect();
        let mut called = Vec::new();
        for balance in touched.into_iter().filter_map(|id| self.find(id)) {
            if may_buy(balance)? {
                called.push(balance.account.id);
            }
        }
        if called.is_empty() {
            return Ok(());
        }
        let customers: BTreeSet<CustomerId> = called.iter().map(|id| id.customer).collect();
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let buyers = self.buyers(txn, &customers).await?;
        for id in called {
            let Some(mut balance) = self.find(id).cloned() else { continue };
            let buyer = buyers.get(&id.customer).ok_or_else(|| no_customer(id.customer))?;
            let (made, is_changed) = self.till().consider(&mut balance, buyer)?;
            if is_changed && let Ok(open) = self.open_balance(id) {
                *open = balance;
                self.changed.insert(id, true);
            }
            for (purchase, entries) in made {
                self.purchases.insert(purchase.id, purchase);
                self.note_entries(entries);
            }
        }
        Ok(())
    }
}

/// Whether a balance may be about to buy by itself, as far as its own row tells.
fn may_buy(balance: &Balance) -> Result<bool, Overflow> {
    let Some(buying) = balance.buying.as_deref() else { return Ok(false) };
    let available = balance.account.available()?;
    let auto = buying.auto.as_ref().filter(|auto| auto.enabled && !balance.account.closed);
    Ok(auto.is_some_and(|auto| auto.looks_at.is_some() || auto.is_called_for(available, buying.awaited)))
}

/// A balance stands under a customer who is not there: nothing is sold to them.
fn no_customer(id: CustomerId) -> DbError {
    DbError::Corrupt(format!("there are balances of the customer {id}, and no such customer"))
}
