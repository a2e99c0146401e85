//! The order of steps of purchases, always inside the caller's transaction: a purchase and its balance change together.

use std::sync::Arc;

use super::auto_top_up::{Circumstances, Decision};
use super::input::{AutoTopUpChanges, NewPurchase};
use super::model::{Page, Provider, Purchase, Status};
use super::rules::{self, Buyer, judged, share};
use super::store::Changes;
use super::transitions::{Effect, Fact, HEAD_START};
use crate::base::buying::Buying;
use crate::base::credits::Credits;
use crate::base::ids::PurchaseOptionId;
use crate::base::money::Money;
use crate::base::problem::{Problem, Problems};
use crate::base::time::{HOUR, Time};
use crate::catalog::snapshot::Snapshot;
use crate::db::{DbError, Failure};
use crate::ledger::command::{Command, NewGrant, VoidKind};
use crate::ledger::entry::{Entry, Note, Origin};
use crate::ledger::error::Refusal;
use crate::ledger::model::{Balance, Cause, DEFAULT_PRIORITY, GrantSource};
use crate::ledger::rules::carry;
use crate::ledger::service::{Terms, Writes, post};
use crate::metering::terms::{inherited_expiry, policy_of};

/// Where the steps work, in the caller's transaction.
pub struct Till<'a> {
    /// The catalog.
    pub catalog: &'a Snapshot,
    /// The present.
    pub now: Time,
    /// Who takes the money of new purchases.
    pub provider: Provider,
    /// What is to be written of the ledger.
    pub writes: &'a mut Writes,
    /// What is to be written of purchases.
    pub changes: &'a mut Changes,
}

/// The entries that a step made.
pub type Entries = Vec<Arc<Entry>>;

/// Why a purchase is not refunded.
#[derive(Debug)]
pub enum NotRefunded {
    /// It does not stand so.
    Problem(Problem),
    /// Its lot cannot be taken back.
    Lot(i64, Refusal),
    /// What is stored of it cannot be.
    Db(DbError),
}

impl Till<'_> {
    /// Makes a purchase; nobody has been asked for money yet. What costs nothing is paid at once.
    ///
    /// # Errors
    /// Not found, a state, invalid or a limit; at the field. Or sums that cannot be.
    pub fn create(
        &mut self,
        balance: &mut Balance,
        (new, buyer): (&NewPurchase, &Buyer),
        origin: Origin,
    ) -> Result<(Purchase, Entries), Failure> {
        let (option, credits, price) = judged(self.catalog, balance, (new, buyer), self.now)?;
        let mut purchase = Purchase {
            option: option.id,
            quantity: new.quantity,
            credits,
            price,
            origin,
            pays_by: buyer.method.clone(),
            page: new.return_url.clone().filter(|_| self.provider != Provider::Manual).map(|return_url| Page {
                name: option.name.clone(),
                email: buyer.email.clone(),
                return_url,
            }),
            looks_at: self.first_look(HEAD_START),
            ..self.blank(balance, price)
        };
        self.open(balance, &purchase)?;
        let entries = self.take_nothing(balance, &mut purchase)?;
        Ok((purchase, entries))
    }

    /// There is no money to wait for where there is no price.
    fn take_nothing(&mut self, balance: &mut Balance, purchase: &mut Purchase) -> Result<Entries, Failure> {
        if purchase.price.minor > 0 {
            return Ok(Vec::new());
        }
        let fact = Fact::Paid { money: purchase.price, payment: None };
        self.hear(balance, purchase, &fact).map(|(_, entries)| entries)
    }

    /// When the provider is asked of a new purchase, unless whoever made it does so before.
    fn first_look(&self, head_start: i64) -> Option<Time> {
        (self.provider != Provider::Manual).then(|| self.now.plus_micros(head_start)).flatten()
    }

    /// The next purchase of a balance, of nothing yet.
    fn blank(&self, balance: &Balance, price: Money) -> Purchase {
        let last = balance.buying.as_ref().map_or(0, |buying| buying.last);
        Purchase {
            id: balance.account.id.purchase(last.saturating_add(1)),
            option: PurchaseOptionId(uuid::Uuid::nil()),
            quantity: 1,
            credits: Credits::ZERO,
            price,
            status: Status::Pending,
            origin: Origin::Api,
            provider: self.provider,
            pays_by: None,
            page: None,
            payment_url: None,
            reference: None,
            payment: None,
            failure: None,
            lot: None,
            refunded: Money { minor: 0, ..price },
            created_at: self.now,
            paid_at: None,
            ended_at: None,
            looks_at: None,
            tries: 0,
            revision: 0,
        }
    }

    /// Notes a new purchase in its balance.
    fn open(&mut self, balance: &mut Balance, purchase: &Purchase) -> Result<(), DbError> {
        let buying = buying(balance);
        buying.awaited = buying.awaited.plus(purchase.credits)?;
        buying.last = purchase.id.number;
        self.changes.write(purchase);
        Ok(())
    }

    /// Takes note of a fact about a purchase of a balance: when it is paid, its credits come in.
    ///
    /// # Errors
    /// A state, when it is asked for by hand and cannot be; a limit, when the balance has no room. Nothing has changed then.
    /// Or sums that cannot be.
    pub fn hear(
        &mut self,
        balance: &mut Balance,
        purchase: &mut Purchase,
        fact: &Fact,
    ) -> Result<(Effect, Entries), Failure> {
        let was = purchase.clone();
        let effect = purchase.hear(fact, self.now)?;
        if effect == Effect::Nothing {
            return Ok((effect, Vec::new()));
        }
        let mut entries = Vec::new();
        if effect == Effect::Grant {
            match self.grant(balance, purchase) {
                Ok(granted) => entries = granted,
                Err(refusal) if matches!(fact, Fact::PaidByHand { .. }) => {
                    *purchase = was;
                    return Err(refusal.problem(balance.account.id).into());
                }
                Err(refusal) => {
                    // The money is there and the credits cannot come in: they may later, or the money goes back.
                    let payment = purchase.payment.take();
                    *purchase = Purchase { payment, ..was };
                    let trouble = Some(format!("It is paid, but {refusal}."));
                    if purchase.is_pending() {
                        purchase.hear(&Fact::Waiting { trouble }, self.now)?;
                    } else {
                        purchase.send_back(purchase.price, self.now);
                    }
                    self.changes.write(purchase);
                    return Ok((Effect::Noted, Vec::new()));
                }
            }
        }
        if was.is_pending() && !purchase.is_pending() {
            self.close(balance, purchase)?;
        }
        self.changes.write(purchase);
        Ok((effect, entries))
    }

    /// Its money is waited for no more.
    fn close(&self, balance: &mut Balance, purchase: &Purchase) -> Result<(), DbError> {
        let (now, id) = (self.now, balance.account.id);
        let buying = buying(balance);
        let awaited = buying.awaited.minus(purchase.credits)?;
        if awaited < Credits::ZERO {
            return Err(DbError::Corrupt(format!("the balance {id} awaits less than its purchases bring")));
        }
        buying.awaited = awaited;
        if let Some(auto) = &mut buying.auto {
            let failure = match purchase.status {
                Status::Failed => Some(purchase.failure.as_deref().unwrap_or("The payment failed.")),
                Status::Canceled => Some("The purchase was canceled."),
                Status::Pending | Status::Paid | Status::Refunded => None,
            };
            auto.ended(purchase.id.number, failure, (purchase.created_at, now));
        }
        Ok(())
    }

    fn grant(&mut self, balance: &mut Balance, purchase: &mut Purchase) -> Result<Entries, Refusal> {
        let (id, policy) = (purchase.id, policy_of(self.catalog, balance, self.now));
        let terms = Terms::of(balance, policy, self.now);
        let grant = NewGrant {
            source: GrantSource::Purchase,
            credits: purchase.credits,
            priority: DEFAULT_PRIORITY,
            effective_at: None,
            expires_at: inherited_expiry(self.catalog, balance, (terms.now, terms.now)),
            cost: Some(purchase.price),
        };
        let note = Note { purchase: Some(id.number), ..Note::of(purchase.origin) };
        let entries = post(balance, &terms, (&Command::Grant(grant), &note), self.writes)?;
        purchase.lot = by_command(&entries).and_then(|entry| entry.posting.grant);
        Ok(entries)
    }

    /// Takes back what is left of the lot that a purchase made, with the money for it.
    ///
    /// # Errors
    /// A state: it is not paid, nothing is left, or a hold pins some of it. Nothing has changed then.
    pub fn refund(
        &mut self,
        balance: &mut Balance,
        purchase: &mut Purchase,
        reason: Option<String>,
    ) -> Result<Entries, NotRefunded> {
        let Some(lot) = purchase.lot.filter(|_| purchase.status == Status::Paid) else {
            return Err(NotRefunded::Problem(purchase.stands_in_the_way()));
        };
        let refused = |refusal: Refusal| NotRefunded::Lot(lot, refusal);
        let terms = Terms::of(balance, policy_of(self.catalog, balance, self.now), self.now);
        let carried = carry(&balance.account, &terms.policy, terms.now, &terms.renewals).map_err(refused)?;
        let open = carried.account.lots.iter().find(|open| open.sequence == lot);
        let left = open.map_or(Credits::ZERO, |open| open.remaining);
        let note = Note { purchase: Some(purchase.id.number), reason, ..Note::of(Origin::Api) };
        let command = Command::Void { lot, kind: VoidKind::Refund };
        let entries = post(balance, &terms, (&command, &note), self.writes).map_err(refused)?;
        let money = share((purchase.price, purchase.provider), purchase.credits, left).map_err(NotRefunded::Db)?;
        purchase.refund(money, self.now).map_err(NotRefunded::Problem)?;
        self.changes.write(purchase);
        Ok(entries)
    }

    /// Sets how a balance buys by itself.
    ///
    /// # Errors
    /// Invalid, not found or a state; at the field.
    pub fn set_auto_top_up(
        &self,
        balance: &mut Balance,
        (changes, buyer): (&AutoTopUpChanges, &Buyer),
    ) -> Result<(), Problems> {
        let auto = rules::auto_top_up(self.catalog, balance, (changes, buyer), self.now)?;
        buying(balance).auto = Some(auto);
        Ok(())
    }

    /// Buys for a balance, when it is to and can: once, but for what costs nothing, which does not have to be waited for. Answers
    /// the purchases that it made, with the entries of those that cost nothing, and whether the balance is to be written.
    ///
    /// # Errors
    /// Sums that cannot be.
    pub fn consider(
        &mut self,
        balance: &mut Balance,
        buyer: &Buyer,
    ) -> Result<(Vec<(Purchase, Entries)>, bool), DbError> {
        let mut made = Vec::new();
        let Some(was) = balance.buying.as_deref().and_then(|buying| buying.auto.clone()) else {
            return Ok((made, false));
        };
        let looks_at = loop {
            let world = circumstances(self.catalog, balance, (buyer, self.provider), self.now);
            let available = balance.account.available()?;
            let Some(auto) = balance.buying.as_deref().and_then(|buying| buying.auto.as_ref()) else { break None };
            match auto.decide(available, rules::awaited(balance), &world) {
                Decision::Enough => break None,
                Decision::Blocked { until, .. } => break until,
                Decision::Buy(packs) => match self.buy(balance, (was.option, packs), buyer)? {
                    Some(bought) => made.push(bought),
                    None => break self.now.plus_micros(HOUR),
                },
            }
        };
        let looks_at = match (looks_at, was.looks_at) {
            // It looks before that already: what is blocked costs no write with each change.
            (Some(until), Some(known)) if self.now < known && known <= until => Some(known),
            (until, _) => until,
        };
        let is_changed = !made.is_empty() || looks_at != was.looks_at;
        if let Some(auto) = buying(balance).auto.as_mut().filter(|_| is_changed) {
            auto.looks_at = looks_at;
        }
        Ok((made, is_changed))
    }

    fn buy(
        &mut self,
        balance: &mut Balance,
        (option, packs): (PurchaseOptionId, i32),
        buyer: &Buyer,
    ) -> Result<Option<(Purchase, Entries)>, DbError> {
        let judged = |quantity| {
            let new = NewPurchase { option, quantity, return_url: None };
            let (_, credits, price) = judged(self.catalog, balance, (&new, buyer), self.now).ok()?;
            Some((quantity, credits, price))
        };
        // Where so many cannot be had at once, one after the other.
        let Some((quantity, credits, price)) = judged(packs).or_else(|| judged(1)) else { return Ok(None) };
        let mut purchase = Purchase {
            option,
            quantity,
            credits,
            price,
            origin: Origin::AutoTopUp,
            pays_by: buyer.method.clone(),
            looks_at: self.first_look(0),
            ..self.blank(balance, price)
        };
        self.open(balance, &purchase)?;
        if let Some(auto) = &mut buying(balance).auto {
            auto.bought(purchase.id.number, self.now);
        }
        let entries = self.take_nothing(balance, &mut purchase).map_err(|failure| match failure {
            Failure::Db(error) => error,
            Failure::Problems(problems) => DbError::Corrupt(format!("a new purchase is not paid: {problems}")),
        })?;
        Ok(Some((purchase, entries)))
    }
}

/// What there is to know besides the balance, when it might buy by itself.
#[must_use]
pub fn circumstances(
    catalog: &Snapshot,
    balance: &Balance,
    (buyer, provider): (&Buyer, Provider),
    now: Time,
) -> Circumstances {
    let is_saved = buyer.method.as_ref().is_some_and(|known| known.method.is_some());
    let auto = balance.buying.as_deref().and_then(|buying| buying.auto.as_ref());
    let option = auto.map_or(PurchaseOptionId(uuid::Uuid::nil()), |auto| auto.option);
    let one = NewPurchase { option, quantity: 1, return_url: None };
    let pack = judged(catalog, balance, (&one, buyer), now);
    let is_free = pack.as_ref().is_ok_and(|(.., price)| price.minor == 0);
    Circumstances {
        pack: pack.map(|(_, credits, _)| credits).map_err(|problem| problem.message),
        can_pay: provider == Provider::Manual || is_saved || is_free,
        trouble: None,
        now,
    }
}

/// What a balance carries of purchases.
fn buying(balance: &mut Balance) -> &mut Buying {
    Arc::make_mut(balance.buying.get_or_insert_default())
}

fn by_command(entries: &[Arc<Entry>]) -> Option<&Arc<Entry>> {
    entries.iter().rfind(|entry| entry.posting.cause == Cause::Command)
}
