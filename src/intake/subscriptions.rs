//! Orders on subscriptions: one is made, changed, or brought up to date, together with the balances that it brings credits to.

use super::job::PlanOrder;
use super::work::{Made, Work};
use crate::base::ids::CustomerId;
use crate::db::{DbError, Failure, Txn};
use crate::subscriptions::change::change;
use crate::subscriptions::create::create;
use crate::subscriptions::desk::{Desk, Moved};
use crate::subscriptions::model::Changed;

impl Work {
    /// Does what an order asks for.
    pub(super) async fn plan_order(&mut self, txn: &mut Txn, order: &PlanOrder) -> Result<Changed, Failure> {
        let customer = order.customer();
        if let Some((_, key)) = order.key()
            && let Some(first) = self.first_use(customer, key)?
        {
            let known = self.subscriptions.get(&customer).into_iter().flatten();
            let made = known.into_iter().find(|known| matches!(first.made, Made::Subscription(id) if id == known.id));
            // Keys are looked up after the subscriptions: another node may have used this one in between.
            let subscription = made.cloned().ok_or_else(DbError::overtaken)?;
            return Ok(Changed { subscription, replayed: true, unfinished: false });
        }
        let (outcome, moved) = self.at_desk(txn, customer, order).await;
        self.note(customer, moved);
        let changed = outcome?;
        if let Some((_, key)) = order.key() {
            self.use_key(Made::Subscription(changed.subscription.id), key);
        }
        Ok(changed)
    }

    async fn at_desk(
        &mut self,
        txn: &mut Txn,
        customer: CustomerId,
        order: &PlanOrder,
    ) -> (Result<Changed, Failure>, Moved) {
        let mut desk = Desk {
            customer,
            catalog: &self.catalog,
            now: self.now,
            books: self.books.entry(customer).or_default(),
            subscriptions: self.subscriptions.entry(customer).or_default(),
            writes: &mut self.writes,
            changes: &mut self.plan_changes,
            moved: Moved::default(),
        };
        let outcome = match order {
            PlanOrder::Create { new, .. } => create(txn, &mut desk, new).await,
            PlanOrder::Change { id, ask } => change(txn, &mut desk, *id, ask).await,
        };
        (outcome, desk.moved)
    }

    /// Remembers what became of a customer's balances.
    fn note(&mut self, customer: CustomerId, moved: Moved) {
        let Moved { entries, changed, removed } = moved;
        for id in changed {
            self.changed.insert(id, true);
            self.look.insert(customer);
        }
        for balance in removed {
            self.changed.remove(&balance.account.id);
            if balance.revision > 0 {
                self.removed.push(balance);
            }
        }
        self.note_entries(entries);
    }
}
