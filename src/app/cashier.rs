//! The cashier: asks the payment provider, outside of any transaction, and hands what he hears to the queue.
//!
//! A purchase is on record before he asks and whatever becomes of him: it says when to ask again, and asking is repeatable.
//! So a crash, a lost answer or a second server costs time at most. He asks at a pace, of each customer and in all: what is
//! ahead of it waits for its turn.

use std::collections::HashMap;

use crate::access::budget::{Buckets, Budget};
use crate::base::caller::CallerId;
use crate::base::clock::Clock;
use crate::base::credits::Credits;
use crate::base::ids::{CustomerId, PurchaseId};
use crate::base::money::Money;
use crate::base::problem::{Problem, ProblemKind, Problems, all};
use crate::base::time::{HOUR, MINUTE, Time};
use crate::db::{Db, DbError, Failure};
use crate::intake::{Bought, Intake, PurchaseOrder};
use crate::ledger::entry::Origin;
use crate::ledger::store::find_balances;
use crate::purchases::input::{Ask, GivenPurchase, NewPurchase};
use crate::purchases::model::{Provider, Purchase, Status};
use crate::purchases::rules::{check_quantity, share};
use crate::purchases::store::{claim, find_purchases, list_due};
use crate::purchases::stripe::{Heard, Stripe, Trouble};
use crate::purchases::transitions::Fact;

/// For how long the provider keeps idempotency keys, less an hour: later, the same request could charge twice.
const KEPT: i64 = 23 * HOUR;
/// How long nobody else asks of a purchase of which one server is asking.
const TURN: i64 = MINUTE;

/// How often the provider is asked of one customer's purchases, and in all.
const PACE_OF_CUSTOMER: Budget = Budget { burst: 20, per_second: 1 };
const PACE: Budget = Budget { burst: 100, per_second: 25 };
/// Among how many purchases that are due the turns are shared out, as a multiple of the turns.
const CHOICE: usize = 8;

/// Why a purchase was not canceled.
#[derive(Debug, thiserror::Error)]
pub enum NotCanceled {
    /// The caller can act on it, or the database failed.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The provider, which is to know of it first, did not answer.
    #[error("{0}")]
    Away(Trouble),
}

/// Who asks the provider.
pub struct Cashier {
    db: Db,
    intake: Intake,
    clock: Clock,
    stripe: Option<Stripe>,
    origins: Vec<String>,
    pace: Buckets,
}

impl Cashier {
    /// Without a provider, people take the money. Pages of the provider lead back to these origins alone.
    pub(super) fn new((db, intake, clock): (Db, Intake, Clock), stripe: Option<Stripe>, origins: Vec<String>) -> Self {
        Self { db, intake, clock, stripe, origins, pace: Buckets::new(PACE, PACE_OF_CUSTOMER) }
    }

    /// Buys: puts the purchase on record, and tells the provider of it.
    ///
    /// # Errors
    /// A problem that the caller can act on, or the database's failure.
    pub async fn buy(&self, intake: &Intake, order: PurchaseOrder) -> Result<Bought, Failure> {
        let bought = intake.purchase(order).await?;
        let Some(purchase) = &bought.purchase else { return Ok(bought) };
        if !self.takes(purchase) || !purchase.is_pending() || purchase.known_as().is_some() {
            return Ok(bought);
        }
        if !self.may_ask(purchase.id.balance.customer) {
            tracing::info!(purchase = %purchase.id, "the payment provider is asked of a purchase later, to keep the pace");
            return Ok(bought);
        }
        let now = self.tell(purchase, None).await?;
        Ok(Bought { replayed: bought.replayed, ..now })
    }

    /// Takes one call to the provider out of the pace of a customer and of all; false if there is none left now.
    fn may_ask(&self, customer: CustomerId) -> bool {
        let (now, own) = (self.clock.now(), CallerId::Customer(customer));
        if self.pace.take(own, 1, now).is_err() {
            return false;
        }
        let is_free = self.pace.take(CallerId::Program, 1, now).is_ok();
        if !is_free {
            self.pace.give_back(own, 1, now);
        }
        is_free
    }

    /// A purchase that was asked for, as far as it can be checked without the balance.
    ///
    /// # Errors
    /// Invalid, at each field that cannot be taken.
    pub fn validate(&self, given: &GivenPurchase) -> Result<NewPurchase, Problems> {
        let (option, quantity, return_url) = all((
            given.option.read(&["optionId"]).copied(),
            check_quantity(given.quantity),
            self.return_url(given.return_url.clone()),
        ))?;
        Ok(NewPurchase { option, quantity, return_url })
    }

    /// Where a customer comes back to: what is given must be ours.
    fn return_url(&self, given: Option<String>) -> Result<Option<String>, Problem> {
        let Some(url) = given else {
            let first = self.origins.first().filter(|_| self.stripe.is_some());
            if self.stripe.is_none() || first.is_some() {
                return Ok(first.cloned());
            }
            let message = "returnUrl is needed: no origin is allowed that the provider's page could lead back to. Add yours \
                           to SCRIP_ALLOWED_ORIGINS.";
            return Err(Problem::invalid(&["returnUrl"], message));
        };
        let is_under = |origin: &String| {
            let rest = url.strip_prefix(origin.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        };
        let is_plain = url.len() <= 2_000 && url.chars().all(|c| c.is_ascii_graphic());
        if is_plain && self.origins.iter().any(is_under) {
            return Ok(Some(url));
        }
        let message =
            "returnUrl is not under an allowed origin (SCRIP_ALLOWED_ORIGINS), such as https://app.example.com/done.";
        Err(Problem::invalid(&["returnUrl"], message))
    }

    /// Cancels a purchase; the provider is told first, so that it cannot be paid any more. Not while its money is on the way.
    ///
    /// # Errors
    /// A problem that the caller can act on, the database's failure, or that the provider is away.
    pub async fn cancel(&self, id: PurchaseId) -> Result<Bought, NotCanceled> {
        let purchase = self.find(id).await?;
        if purchase.is_pending() {
            self.check_provider(&purchase).map_err(Failure::from)?;
        }
        if let Some(stripe) = self.stripe.as_ref().filter(|_| self.takes(&purchase) && purchase.is_pending())
            && let Some(known_as) = purchase.known_as()
        {
            stripe.let_go(known_as).await.map_err(NotCanceled::Away)?;
            let stands = match stripe.look(&purchase, known_as).await {
                Err(Trouble::Missing(_)) => None,
                stands => Some(stands.map_err(NotCanceled::Away)?),
            };
            match stands {
                // Whoever paid just before that has paid.
                Some(heard @ Heard { fact: Fact::Paid { .. }, .. }) => drop(self.hear(id, heard).await?),
                Some(Heard { fact: Fact::Waiting { .. } | Fact::Begun { .. }, .. }) => {
                    let message =
                        "The payment is under way and cannot be stopped any more; wait for it, then refund it.";
                    return Err(Failure::from(Problem::state(&["purchaseId"], "PROCESSING", message)).into());
                }
                _ => {}
            }
        }
        Ok(self.hear(id, Fact::Canceled.into()).await?)
    }

    /// Refunds a purchase: its credits go, then the money. When the provider says that the money cannot go back, nothing
    /// happens; when it is away, the money goes as soon as it is there again.
    ///
    /// # Errors
    /// A problem that the caller can act on, or the database's failure.
    pub async fn refund(&self, id: PurchaseId, reason: Option<String>) -> Result<Bought, Failure> {
        let purchase = self.find(id).await?;
        if purchase.status == Status::Paid {
            self.check_provider(&purchase)?;
        }
        if let (Some(stripe), Some(payment), Status::Paid) = (&self.stripe, &purchase.payment, purchase.status) {
            let money = self.left(&purchase).await?;
            if let Err(Trouble::Refused(reason) | Trouble::Missing(reason)) =
                stripe.check_refund((payment, money)).await
            {
                return Err(Problem::of(ProblemKind::Payment { purchase: id }, &["purchaseId"], reason).into());
            }
        }
        let order = PurchaseOrder::Change { id, ask: Ask::Refund { reason } };
        let bought = self.intake.purchase(order).await?;
        match &bought.purchase {
            Some(purchase) if purchase.owed().is_some() && self.takes(purchase) => {
                let now = self.tell(purchase, None).await?;
                Ok(Bought { replayed: bought.replayed, ..now })
            }
            _ => Ok(bought),
        }
    }

    /// Asks how a purchase stands, since the provider hinted at what it calls so.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn hint(&self, id: PurchaseId, object: &str) -> Result<(), DbError> {
        let Some(purchase) = find_purchases(&mut self.db.read().await?, &[id]).await?.pop() else { return Ok(()) };
        let is_over = matches!(purchase.status, Status::Paid | Status::Refunded) && purchase.looks_at.is_none();
        if is_over || !self.takes(&purchase) {
            return Ok(());
        }
        match self.tell(&purchase, Some(object)).await {
            Ok(_) => Ok(()),
            Err(Failure::Db(error)) => Err(error),
            Err(Failure::Problems(problems)) => {
                tracing::warn!(%id, %problems, "a webhook changed nothing");
                Ok(())
            }
        }
    }

    /// Purchases of which the provider is to be asked by now, at most so many; for a minute nobody else gets them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn take_turns(&self, limit: usize) -> Result<Vec<Purchase>, DbError> {
        let now = self.clock.now();
        if self.stripe.is_none() {
            return Ok(Vec::new());
        }
        let most = i64::try_from(limit.saturating_mul(CHOICE)).unwrap_or(i64::MAX);
        let due = list_due(&mut self.db.read().await?, now, most).await?;
        let mut turns = in_turn(due);
        turns.retain({
            let mut left = limit;
            move |purchase| {
                let is_taken = left > 0 && self.may_ask(purchase.id.balance.customer);
                left = left.saturating_sub(usize::from(is_taken));
                is_taken
            }
        });
        if turns.is_empty() {
            return Ok(turns);
        }
        let until = now.plus_micros(TURN).unwrap_or(Time::MAX);
        self.db.write(async |txn| claim(txn, &turns, until).await).await
    }

    /// Asks of a purchase whose turn it is.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle(&self, purchase: &Purchase) -> Result<(), DbError> {
        if !self.takes(purchase) {
            return Ok(());
        }
        match self.tell(purchase, None).await {
            Ok(_) | Err(Failure::Problems(_)) => Ok(()),
            Err(Failure::Db(error)) => Err(error),
        }
    }

    /// The money for what is left of what a purchase brought.
    async fn left(&self, purchase: &Purchase) -> Result<Money, DbError> {
        let balance = find_balances(&mut self.db.read().await?, &[purchase.id.balance]).await?.pop();
        let missing = || {
            DbError::Corrupt(format!("there is a purchase of the balance {}, and no such balance", purchase.id.balance))
        };
        let lots = balance.ok_or_else(missing)?.account.lots;
        let left = lots.iter().find(|lot| Some(lot.sequence) == purchase.lot).map(|lot| lot.remaining);
        share((purchase.price, purchase.provider), purchase.credits, left.unwrap_or(Credits::ZERO))
    }

    /// Whether it was made longer ago than the provider keeps keys, and pages open.
    fn is_late(&self, purchase: &Purchase) -> bool {
        purchase.created_at.plus_micros(KEPT).is_none_or(|end| end < self.clock.now())
    }

    fn takes(&self, purchase: &Purchase) -> bool {
        purchase.provider != Provider::Manual && self.stripe.is_some()
    }

    async fn find(&self, id: PurchaseId) -> Result<Purchase, Failure> {
        let missing = || Problem::not_found(&["purchaseId"], "purchase", id.to_string());
        Ok(find_purchases(&mut self.db.read().await?, &[id]).await?.pop().ok_or_else(missing)?)
    }

    /// Without the provider there is nobody to move a purchase's money.
    fn check_provider(&self, purchase: &Purchase) -> Result<(), Problem> {
        if purchase.provider == Provider::Manual || self.stripe.is_some() {
            return Ok(());
        }
        let message = "Stripe takes the money of this purchase and is not set up now; set it up first.";
        Err(Problem::state(&["purchaseId"], "PROVIDER", message))
    }

    async fn hear(&self, id: PurchaseId, Heard { fact, method }: Heard) -> Result<Bought, Failure> {
        let is_paid = matches!(fact, Fact::Paid { .. });
        let bought = self.intake.purchase(PurchaseOrder::Change { id, ask: Ask::Hear { fact, method } }).await?;
        if let Some(purchase) = bought.purchase.as_ref().filter(|now| is_paid && now.status != Status::Paid) {
            let (status, reason) = (purchase.status.name(), purchase.failure.as_deref());
            tracing::warn!(purchase = %id, status, reason, "money has come and brings no credits");
        }
        Ok(bought)
    }

    /// Tells the provider what there is to tell of a purchase, or asks it how that stands, and notes what it says.
    async fn tell(&self, purchase: &Purchase, hint: Option<&str>) -> Result<Bought, Failure> {
        let heard = match self.ask(purchase, hint).await? {
            Ok(heard) => heard,
            Err(trouble) => {
                tracing::warn!(purchase = %purchase.id, %trouble, "the payment provider did not do what it was asked");
                let failed = matches!(trouble, Trouble::Refused(_) | Trouble::Missing(_)) && purchase.is_pending();
                let reason = trouble.to_string();
                if failed { Fact::Failed { reason } } else { Fact::Waiting { trouble: Some(reason) } }.into()
            }
        };
        self.hear(purchase.id, heard).await
    }

    async fn ask(&self, purchase: &Purchase, hint: Option<&str>) -> Result<Result<Heard, Trouble>, Failure> {
        let nothing_new = || Ok(Ok(Fact::Waiting { trouble: purchase.failure.clone() }.into()));
        let Some(stripe) = &self.stripe else { return nothing_new() };
        if let (Some(money), Some(payment)) = (purchase.owed(), &purchase.payment) {
            return Ok(stripe.give_back(purchase, (payment, money)).await.map(Heard::from));
        }
        if let Some(hint) = hint.filter(|hint| purchase.known_as().is_some_and(|known_as| known_as != *hint))
            && let Ok(paid @ Heard { fact: Fact::Paid { .. }, .. }) = stripe.look(purchase, hint).await
        {
            // The payment of its page, say.
            return Ok(Ok(paid));
        }
        if let Some(known_as) = purchase.known_as().or(hint) {
            return match stripe.look(purchase, known_as).await {
                // What is only hinted at may be of another.
                Err(Trouble::Missing(_)) if purchase.known_as().is_none() => nothing_new(),
                // It was there once: a page lives for a day.
                Err(Trouble::Missing(_)) if self.is_late(purchase) => {
                    Ok(Ok(gone(purchase, "The payment provider does not know it any more.")))
                }
                // It is not known there as that: that is not the purchase's fault.
                heard => Ok(heard.map_err(Trouble::passing)),
            };
        }
        if self.is_late(purchase) || !purchase.is_pending() {
            // Whoever asked before may have got the money; no page was handed out of which nothing is on record.
            if let Some(method) = purchase.pays_by.as_ref().filter(|_| purchase.origin == Origin::AutoTopUp) {
                match stripe.find_charge(purchase, method).await {
                    Ok(Some(heard)) => return Ok(Ok(heard)),
                    Ok(None) => {}
                    Err(trouble) => return Ok(Err(trouble.passing())),
                }
            }
            return Ok(Ok(gone(purchase, "The payment provider could not be reached for a day.")));
        }
        if purchase.origin == Origin::AutoTopUp {
            return Ok(match &purchase.pays_by {
                Some(method) => stripe.charge(purchase, method).await,
                None => Ok(Fact::Failed { reason: "There is no way of payment on record.".to_owned() }.into()),
            });
        }
        match &purchase.page {
            Some(page) => Ok(stripe.open_page(purchase, page).await),
            None => Ok(Ok(gone(purchase, "There is no page to pay on."))),
        }
    }
}

/// Purchases in an order in which each customer's first come before anybody's second.
fn in_turn(due: Vec<Purchase>) -> Vec<Purchase> {
    let mut before: HashMap<CustomerId, usize> = HashMap::new();
    let numbered = due.into_iter().map(|purchase| {
        let count = before.entry(purchase.id.balance.customer).or_default();
        let turn = *count;
        *count = count.saturating_add(1);
        (turn, purchase)
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_by_key(|(turn, _)| *turn);
    numbered.into_iter().map(|(_, purchase)| purchase).collect()
}

/// There is no money, and none will come.
fn gone(purchase: &Purchase, reason: &str) -> Heard {
    if purchase.is_pending() { Fact::Failed { reason: reason.to_owned() } } else { Fact::Over }.into()
}
