//! What becomes of a purchase: one pure step for each thing that is heard of it.
//!
//! | | begun | paid | failed | canceled | refunded |
//! |---|---|---|---|---|---|
//! | PENDING | noted | PAID, credits come | FAILED | CANCELED | refused |
//! | PAID | – | – | – | refused | REFUNDED, credits go |
//! | FAILED | – | PAID after all | – | CANCELED | refused |
//! | CANCELED | – | the money goes back | – | – | refused |
//! | REFUNDED | – | – | – | refused | – |
//!
//! Another amount or currency than was asked for brings no credits: while it is pending that is told and waited out, later the
//! money goes back, or people are told where only they can send it. "–" is so already, or too late to matter. What is said by hand
//! and cannot be (paying what was canceled) is refused.

use super::model::{Provider, Purchase, Status};
use crate::base::money::Money;
use crate::base::problem::Problem;
use crate::base::time::{HOUR, MINUTE, SECOND, Time};
use crate::ledger::entry::Origin;

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
    /// Nothing is left to be done about it: what was to go back has gone, or none had come.
    Over,
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

/// How long whoever asks for money to be moved has to tell the provider of it, before others do.
pub(super) const HEAD_START: i64 = MINUTE;
/// How long a request may be on its way to the provider of which nothing is heard.
const UNDER_WAY: i64 = 5 * MINUTE;

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
        let was = self.clone();
        let effect = self.step(fact, now)?;
        Ok(if *self == was { Effect::Nothing } else { effect })
    }

    fn step(&mut self, fact: &Fact, now: Time) -> Result<Effect, Problem> {
        match (fact, self.status) {
            (Fact::Begun { reference, .. }, Status::Pending) if self.reference.as_ref() == Some(reference) => {
                Ok(self.keep_waiting(None, now))
            }
            (Fact::Begun { reference, url, payment }, Status::Pending) => {
                self.reference = Some(reference.clone());
                self.payment_url.clone_from(url);
                self.payment = payment.clone().or_else(|| self.payment.take());
                self.page = None;
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
                let reason = format!("The provider has {money} for it instead of {}.", self.price);
                Ok(self.keep_waiting(Some(reason), now))
            }
            (Fact::Paid { money, payment }, Status::Failed | Status::Canceled) if self.refunded.minor == 0 => {
                self.payment.clone_from(payment);
                Ok(self.send_back(*money, now))
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
            (Fact::Canceled, Status::Pending | Status::Failed) => {
                self.end(Status::Canceled, now);
                self.failure = None;
                self.looks_at = self.looks_after(now);
                Ok(Effect::Noted)
            }
            (Fact::Failed { .. }, Status::Canceled | Status::Failed)
                if self.looks_at.is_some() && self.owed().is_none() =>
            {
                self.looks_at = None;
                Ok(Effect::Noted)
            }
            (Fact::Over, Status::Refunded | Status::Canceled | Status::Failed) if self.looks_at.is_some() => {
                self.looks_at = None;
                self.tries = 0;
                self.failure = None;
                Ok(Effect::Noted)
            }
            (Fact::Waiting { trouble }, _) if self.is_pending() || self.looks_at.is_some() => {
                Ok(self.keep_waiting(trouble.clone(), now))
            }
            (Fact::PaidByHand { .. }, Status::Paid) | (Fact::Canceled, Status::Canceled) => Ok(Effect::Nothing),
            (Fact::PaidByHand { .. } | Fact::Canceled, _) => Err(self.stands_in_the_way()),
            (Fact::Begun { .. } | Fact::Paid { .. } | Fact::Failed { .. } | Fact::Over | Fact::Waiting { .. }, _) => {
                Ok(Effect::Nothing)
            }
        }
    }

    /// Refunds it: `money` goes back.
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
            self.looks_at = now.plus_micros(HEAD_START);
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

    /// When to look, once it is canceled, for money that is there, or that somebody may be taking at this moment.
    fn looks_after(&self, now: Time) -> Option<Time> {
        match (self.provider, &self.payment) {
            (Provider::Stripe, Some(_)) => Some(now),
            (Provider::Stripe, None) if self.origin == Origin::AutoTopUp => now.plus_micros(UNDER_WAY),
            (Provider::Manual | Provider::Stripe, _) => None,
        }
    }

    /// Money that came too late, or not as it was asked for, goes back whole.
    pub(super) fn send_back(&mut self, money: Money, now: Time) -> Effect {
        if money.currency == self.price.currency {
            self.refunded = money;
            self.looks_at = Some(now);
            self.tries = 0;
            self.failure = Some(format!("{money} came too late or not as asked for; the money goes back."));
        } else {
            self.looks_at = None;
            self.failure = Some(format!("{money} came, and not as asked for; give it back at the provider."));
        }
        Effect::Noted
    }

    fn settle(&mut self, now: Time) {
        self.status = Status::Paid;
        self.paid_at = Some(now);
        self.ended_at = None;
        self.page = None;
        self.failure = None;
        self.looks_at = None;
        self.tries = 0;
    }

    fn end(&mut self, status: Status, now: Time) {
        self.status = status;
        self.ended_at = Some(now);
        self.page = None;
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

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::base::credits::Credits;
    use crate::base::ids::{BalanceId, CustomerId, PurchaseOptionId};
    use crate::base::money::Currency;

    fn euros(minor: i64) -> Money {
        Money { minor, currency: Currency::parse("EUR").unwrap() }
    }

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * SECOND).unwrap()
    }

    /// A purchase of 20 EUR that nobody has heard of.
    fn pending(provider: Provider, origin: Origin) -> Purchase {
        Purchase {
            id: BalanceId { customer: CustomerId(uuid::Uuid::from_u128(7)), number: 1 }.purchase(1),
            option: PurchaseOptionId(uuid::Uuid::from_u128(8)),
            quantity: 1,
            credits: Credits::from_micros(100_000_000),
            price: euros(2000),
            status: Status::Pending,
            origin,
            provider,
            pays_by: None,
            page: None,
            payment_url: None,
            reference: None,
            payment: None,
            failure: None,
            lot: None,
            refunded: euros(0),
            created_at: at(0),
            paid_at: None,
            ended_at: None,
            looks_at: None,
            tries: 0,
            revision: 1,
        }
    }

    #[test]
    fn refund_is_asked_of_the_provider_only_where_it_has_money_to_give_back() {
        for (provider, money, is_asked) in [
            (Provider::Stripe, euros(2000), true),
            (Provider::Stripe, euros(0), false),
            (Provider::Manual, euros(2000), false),
        ] {
            let paid_at = Some(at(1));
            let mut purchase = Purchase { status: Status::Paid, paid_at, ..pending(provider, Origin::Api) };
            purchase.refund(money, at(2)).unwrap();
            assert_eq!((purchase.status, purchase.refunded), (Status::Refunded, money));
            assert_eq!(purchase.looks_at, at(2).plus_micros(HEAD_START).filter(|_| is_asked), "{provider:?} {money}");
        }
    }

    #[test]
    fn canceled_purchase_is_looked_after_where_money_may_be_on_its_way() {
        let paid_for = |payment| Purchase { payment, ..pending(Provider::Stripe, Origin::Portal) };
        for (mut purchase, looks_at) in [
            (pending(Provider::Stripe, Origin::AutoTopUp), at(2).plus_micros(UNDER_WAY)),
            (paid_for(Some("pi_1".to_owned())), Some(at(2))),
            (paid_for(None), None),
            (pending(Provider::Manual, Origin::AutoTopUp), None),
        ] {
            purchase.hear(&Fact::Canceled, at(2)).unwrap();
            assert_eq!((purchase.status, purchase.looks_at), (Status::Canceled, looks_at), "{purchase:?}");
        }
    }

    fn facts() -> impl Strategy<Value = Fact> {
        let text = || Just("it".to_owned());
        let paid = prop_oneof![3 => Just(euros(2000)), 1 => Just(euros(1999)), 1 => Just(Money { minor: 2000,
            currency: Currency::parse("USD").unwrap() })];
        prop_oneof![
            text().prop_map(|reference| Fact::Begun { reference, url: None, payment: None }),
            (paid, proptest::option::of(text())).prop_map(|(money, payment)| Fact::Paid { money, payment }),
            proptest::option::of(text()).prop_map(|reference| Fact::PaidByHand { reference }),
            text().prop_map(|reason| Fact::Failed { reason }),
            Just(Fact::Canceled),
            Just(Fact::Over),
            proptest::option::of(text()).prop_map(|trouble| Fact::Waiting { trouble }),
        ]
    }

    fn purchases() -> impl Strategy<Value = Purchase> {
        let origins = prop_oneof![Just(Origin::Api), Just(Origin::Portal), Just(Origin::AutoTopUp)];
        let providers = prop_oneof![Just(Provider::Manual), Just(Provider::Stripe)];
        (providers, origins).prop_map(|(provider, origin)| pending(provider, origin))
    }

    /// Where each standing may lead.
    fn leads_to(from: Status) -> &'static [Status] {
        match from {
            Status::Pending => &[Status::Paid, Status::Failed, Status::Canceled],
            Status::Failed => &[Status::Paid, Status::Canceled],
            Status::Paid => &[Status::Refunded],
            Status::Canceled | Status::Refunded => &[],
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_heard_in_whatever_order_credits_come_once_and_only_for_the_money_asked_for(
            mut purchase in purchases(),
            heard in vec((facts(), any::<bool>(), any::<bool>()), 1..24),
        ) {
            let mut grants = 0;
            for (second, (fact, is_repeated, is_refunded)) in (1_i64..).zip(heard) {
                for _ in 0..=i32::from(is_repeated) {
                    let was = purchase.clone();
                    match purchase.hear(&fact, at(second)) {
                        Ok(Effect::Grant) => {
                            grants += 1;
                            prop_assert_eq!(purchase.status, Status::Paid);
                            let is_money = match &fact {
                                Fact::Paid { money, .. } => *money == euros(2000),
                                Fact::PaidByHand { .. } => purchase.provider == Provider::Manual,
                                _ => false,
                            };
                            prop_assert!(is_money, "{:?}", fact);
                        }
                        Ok(Effect::Noted) => prop_assert_ne!(&purchase, &was),
                        Ok(Effect::Nothing) | Err(_) => prop_assert_eq!(&purchase, &was),
                    }
                    let is_way = purchase.status == was.status || leads_to(was.status).contains(&purchase.status);
                    prop_assert!(is_way, "{:?} {:?} {:?}", was.status, fact, purchase.status);
                    prop_assert_eq!(purchase.is_pending(), purchase.paid_at.is_none() && purchase.ended_at.is_none());
                    prop_assert!(purchase.provider != Provider::Manual || purchase.owed().is_none());
                }
                if is_refunded {
                    let was = purchase.clone();
                    if purchase.refund(euros(500), at(second)).is_ok() {
                        prop_assert_eq!((was.status, purchase.status), (Status::Paid, Status::Refunded));
                    } else {
                        prop_assert_eq!(&purchase, &was);
                    }
                }
            }
            prop_assert!(grants <= 1);
            prop_assert_eq!(grants == 1, matches!(purchase.status, Status::Paid | Status::Refunded));
        }
    }

    #[test]
    fn what_comes_of_each_fact_at_each_standing_is_as_the_table_says() {
        let paid = Fact::Paid { money: euros(2000), payment: Some("pi_1".into()) };
        let short = Fact::Paid { money: euros(1), payment: Some("pi_1".into()) };
        let failed = Fact::Failed { reason: "No.".into() };
        let by_hand = Fact::PaidByHand { reference: None };
        for (before, fact, effect, status) in [
            (&[][..], &paid, Some(Effect::Grant), Status::Paid),
            (&[], &short, Some(Effect::Noted), Status::Pending),
            (&[], &failed, Some(Effect::Noted), Status::Failed),
            (&[], &Fact::Canceled, Some(Effect::Noted), Status::Canceled),
            (&[], &Fact::Over, Some(Effect::Nothing), Status::Pending),
            (&[], &by_hand, None, Status::Pending),
            (&[&paid], &paid, Some(Effect::Nothing), Status::Paid),
            (&[&paid], &failed, Some(Effect::Nothing), Status::Paid),
            (&[&paid], &Fact::Canceled, None, Status::Paid),
            (&[&failed], &paid, Some(Effect::Grant), Status::Paid),
            (&[&failed], &short, Some(Effect::Noted), Status::Failed),
            (&[&failed], &Fact::Canceled, Some(Effect::Noted), Status::Canceled),
            (&[&Fact::Canceled], &paid, Some(Effect::Noted), Status::Canceled),
            (&[&Fact::Canceled], &Fact::Canceled, Some(Effect::Nothing), Status::Canceled),
            (&[&Fact::Canceled], &by_hand, None, Status::Canceled),
        ] {
            let mut purchase = pending(Provider::Stripe, Origin::Api);
            for earlier in before {
                purchase.hear(earlier, at(1)).unwrap();
            }
            let came = purchase.hear(fact, at(2)).ok();
            assert_eq!((came, purchase.status), (effect, status), "{before:?} {fact:?}");
        }
    }

    #[test]
    fn money_that_is_too_late_or_not_as_asked_for_goes_back_whole() {
        for money in [2000, 1999] {
            let mut purchase = pending(Provider::Stripe, Origin::Api);
            purchase.hear(&Fact::Canceled, at(1)).unwrap();
            purchase.hear(&Fact::Paid { money: euros(money), payment: Some("pi_1".into()) }, at(2)).unwrap();
            assert_eq!((purchase.owed(), purchase.status), (Some(euros(money)), Status::Canceled));
            purchase.hear(&Fact::Over, at(3)).unwrap();
            assert_eq!((purchase.owed(), purchase.refunded), (None, euros(money)));
        }
    }

    #[test]
    fn the_provider_is_asked_ever_more_rarely() {
        let waits: Vec<i64> = [0, 1, 2, 7, 8, 9, i32::MAX].map(|tries| patience(tries) / SECOND).to_vec();
        assert_eq!(waits, [15, 30, 60, 1920, 3600, 3600, 3600]);
    }
}
