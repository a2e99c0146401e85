//! What becomes of a purchase: one pure step for each thing that is heard of it.
//!
//! | | begun | paid | failed | canceled | refunded |
//! |---|---|---|---|---|---|
//! | PENDING | noted | PAID, credits come | FAILED | CANCELED | refused |
//! | PAID | – | – | – | refused | REFUNDED, credits go |
//! | FAILED | – | PAID after all | – | refused | refused |
//! | CANCELED | – | the money goes back | – | – | refused |
//! | REFUNDED | – | – | – | refused | – |
//!
//! Money is believed as it was asked for: another amount or currency changes nothing, and is told. "–" is so already, or too
//! late to matter. What is said by hand and cannot be (paying what was canceled) is refused.

use super::model::{Provider, Purchase, Status};
use crate::base::money::Money;
use crate::base::problem::Problem;
use crate::base::time::{HOUR, SECOND, Time};

/// What is heard of a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The provider knows of it.
    Begun {
        /// What it calls what the customer pays by.
        reference: String,
        /// Its page to pay on.
        url: Option<String>,
        /// What it calls the payment, where there is one.
        payment: Option<String>,
    },
    /// The provider has the money.
    Paid {
        /// How much.
        money: Money,
        /// What it calls the payment; none where there was nothing to pay.
        payment: Option<String>,
    },
    /// Somebody has the money, and says so.
    PaidByHand {
        /// What was said of it.
        reference: Option<String>,
    },
    /// The provider will not get the money.
    Failed {
        /// Why.
        reason: String,
    },
    /// Nobody wants it any more.
    Canceled,
    /// What was to go back has gone.
    Returned,
    /// The provider was asked, and there is nothing new.
    Waiting {
        /// What is in the way, if something is.
        trouble: Option<String>,
    },
}

/// What follows from a step besides the purchase's new standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it is so already, or too late to matter.
    Nothing,
    /// It is written down.
    Noted,
    /// Its credits come in.
    Grant,
}

/// How long to wait before the provider is asked again, after so many times: from 15 seconds to an hour.
#[must_use]
pub fn patience(tries: i32) -> i64 {
    let doubled = u32::try_from(tries.clamp(0, 8)).ok().and_then(|tries| 2_i64.checked_pow(tries)).unwrap_or(1);
    doubled.saturating_mul(15).saturating_mul(SECOND).min(HOUR)
}

impl Purchase {
    /// Takes note of a fact.
    ///
    /// # Errors
    /// A state, when it is asked for by hand and cannot be; nothing has changed then.
    pub fn hear(&mut self, fact: &Fact, now: Time) -> Result<Effect, Problem> {
        match (fact, self.status) {
            (Fact::Begun { reference, url, payment }, Status::Pending) => {
                self.reference = Some(reference.clone());
                self.payment_url.clone_from(url);
                self.payment = payment.clone().or_else(|| self.payment.take());
                self.failure = None;
                self.look_again(now, 0);
                Ok(Effect::Noted)
            }
            (Fact::Paid { money, payment }, Status::Pending | Status::Failed) if *money == self.price => {
                self.payment.clone_from(payment);
                self.settle(now);
                Ok(Effect::Grant)
            }
            (Fact::Paid { money, payment }, Status::Pending) => {
                self.payment.clone_from(payment);
                let reason = format!(
                    "The provider has {} {} for it instead of {} {}.",
                    money.amount(),
                    money.currency.code(),
                    self.price.amount(),
                    self.price.currency.code()
                );
                Ok(self.keep_waiting(Some(reason), now))
            }
            (Fact::Paid { money, payment }, Status::Canceled)
                if self.refunded.minor == 0 && money.currency == self.price.currency =>
            {
                self.payment.clone_from(payment);
                self.refunded = *money;
                self.failure = Some("The money came after it was canceled, and goes back.".to_owned());
                self.looks_at = Some(now);
                Ok(Effect::Noted)
            }
            (Fact::PaidByHand { reference }, Status::Pending) => {
                if self.provider != Provider::Manual {
                    let message = "A provider takes the money of this purchase and says when it has come.";
                    return Err(Problem::state(&["purchaseId"], "PROVIDER", message));
                }
                self.reference.clone_from(reference);
                self.settle(now);
                Ok(Effect::Grant)
            }
            (Fact::Failed { reason }, Status::Pending) => {
                self.end(Status::Failed, now);
                self.failure = Some(reason.clone());
                Ok(Effect::Noted)
            }
            (Fact::Canceled, Status::Pending) => {
                self.end(Status::Canceled, now);
                self.failure = None;
                Ok(Effect::Noted)
            }
            (Fact::Returned, Status::Refunded | Status::Canceled) if self.looks_at.is_some() => {
                self.looks_at = None;
                self.tries = 0;
                self.failure = None;
                Ok(Effect::Noted)
            }
            (Fact::Waiting { trouble }, _) if self.is_pending() || self.owed().is_some() => {
                Ok(self.keep_waiting(trouble.clone(), now))
            }
            (Fact::PaidByHand { .. }, Status::Paid) | (Fact::Canceled, Status::Canceled) => Ok(Effect::Nothing),
            (Fact::PaidByHand { .. } | Fact::Canceled, _) => Err(self.stands_in_the_way()),
            (
                Fact::Begun { .. }
                | Fact::Paid { .. }
                | Fact::Failed { .. }
                | Fact::Returned
                | Fact::Waiting { .. },
                _,
            ) => Ok(Effect::Nothing),
        }
    }

    /// Refunds it: `money` goes back. False when that has happened already.
    ///
    /// # Errors
    /// A state, when it is not paid.
    pub fn refund(&mut self, money: Money, now: Time) -> Result<(), Problem> {
        if self.status != Status::Paid {
            return Err(self.stands_in_the_way());
        }
        self.end(Status::Refunded, now);
        self.refunded = money;
        if self.provider != Provider::Manual && money.minor > 0 {
            self.looks_at = Some(now);
        }
        Ok(())
    }

    /// What is told to who wants of it what its standing does not allow.
    #[must_use]
    pub fn stands_in_the_way(&self) -> Problem {
        let message = match self.status {
            Status::Pending => "The purchase is not paid yet: cancel it, or wait for its money.",
            Status::Paid => "The purchase is paid: refund it to take it back.",
            Status::Failed => "The purchase's payment has failed; make a new purchase.",
            Status::Canceled => "The purchase was canceled; make a new one.",
            Status::Refunded => "The purchase was refunded; make a new one.",
        };
        Problem::state(&["purchaseId"], self.status.name(), message)
    }

    fn settle(&mut self, now: Time) {
        self.status = Status::Paid;
        self.paid_at = Some(now);
        self.ended_at = None;
        self.failure = None;
        self.looks_at = None;
        self.tries = 0;
    }

    fn end(&mut self, status: Status, now: Time) {
        self.status = status;
        self.ended_at = Some(now);
        self.looks_at = None;
        self.tries = 0;
    }

    fn keep_waiting(&mut self, trouble: Option<String>, now: Time) -> Effect {
        self.failure = trouble;
        let tries = self.tries.saturating_add(1);
        self.look_again(now, tries);
        Effect::Noted
    }

    fn look_again(&mut self, now: Time, tries: i32) {
        self.tries = tries;
        self.looks_at = now.plus_micros(patience(tries));
    }
}
