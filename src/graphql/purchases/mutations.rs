//! What is asked of purchases.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::Purchase;
use crate::app::cashier::NotCanceled;
use crate::base::decimal::Decimal;
use crate::base::fields::{self, optional};
use crate::base::given::Given;
use crate::base::idempotency::Scope;
use crate::base::ids::{BalanceId, PurchaseId};
use crate::base::problem::{Problem, all};
use crate::base::text::MAX_REFERENCE;
use crate::db::Failure;
use crate::graphql::context::Reach;
use crate::graphql::errors::{UserError, away, payload, refused};
use crate::graphql::ids::{id_given, id_input};
use crate::graphql::ledger::CreditBalance;
use crate::graphql::ledger::payloads::CreditBalancePayload;
use crate::graphql::patch::patch;
use crate::intake::input::{Words, keyed_in};
use crate::intake::{Bought, PurchaseOrder};
use crate::ledger::entry::Origin;
use crate::purchases::input::{Ask, GivenAutoTopUp, GivenPurchase};
use crate::purchases::rules;
use crate::purchases::transitions::Fact;

// --- Inputs and payloads -----------------------------------------------------------------------------------------------

/// Credits to be bought.
#[derive(InputObject, Clone, Debug)]
pub struct PurchaseCreditsInput {
    /// The balance that they are for.
    pub balance_id: ID,
    /// What is bought: one of the balance's `purchaseOptions`.
    pub option_id: ID,
    /// How often: 1 to 1000.
    #[graphql(default = 1)]
    pub quantity: i32,
    /// Where the provider sends the customer back to, paid or not: a page of an allowed origin, such as
    /// `"https://app.example.com/credits"`. With `STRIPE` and left out, the first allowed origin itself.
    pub return_url: Option<String>,
    /// What makes a repeat harmless: 1 to 255 characters, unique among all of this customer's commands, whichever mutation:
    /// `"order-1042"`. The same key with the same input answers the same purchase, and nobody is charged twice.
    pub idempotency_key: String,
}

/// A purchase whose money has come.
#[derive(InputObject, Clone, Debug)]
pub struct MarkPurchasePaidInput {
    /// The purchase's id.
    pub purchase_id: ID,
    /// How you find the payment again: an invoice's number, a line of a bank statement; the customer sees it. At most 255
    /// characters.
    pub reference: Option<String>,
}

/// A purchase that nobody wants any more.
#[derive(InputObject, Clone, Debug)]
pub struct CancelPurchaseInput {
    /// The purchase's id.
    pub purchase_id: ID,
}

/// A purchase to be taken back.
#[derive(InputObject, Clone, Debug)]
pub struct RefundPurchaseInput {
    /// The purchase's id.
    pub purchase_id: ID,
    /// Why, in words; the customer sees it. At most 2000 characters.
    pub reason: Option<String>,
}

/// How a balance is to buy by itself; what is left out stays as it was.
#[derive(InputObject, Clone, Debug)]
pub struct SetAutoTopUpInput {
    /// The balance.
    pub balance_id: ID,
    /// Whether it is switched on.
    pub enabled: bool,
    /// It buys when `available` is at or below this, in credits: `"200"`; needed the first time.
    pub threshold: MaybeUndefined<Given<Decimal>>,
    /// What it buys; needed the first time.
    pub option_id: MaybeUndefined<ID>,
    /// It buys as many packs at once as it takes to get to at least this, in credits, at most 1000 packs; at more than the
    /// threshold. Null buys one pack, as it does when it was never set.
    pub target: MaybeUndefined<Given<Decimal>>,
    /// At most this many purchases in 24 hours: 1 to 100; null is 5 again.
    pub daily_limit: MaybeUndefined<i32>,
}

/// What a mutation of a purchase answers.
#[derive(SimpleObject, Default)]
pub struct PurchasePayload {
    /// The purchase as it stands now; null when nothing happened.
    pub purchase: Option<Purchase>,
    /// The balance that its credits are for, as it stands now.
    pub balance: Option<CreditBalance>,
    /// True when this is an earlier result: of the same idempotency key, or of what was so already.
    pub replayed: bool,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(PurchasePayload);

/// What was done, shown as of now.
fn shown(ctx: &Context<'_>, outcome: Result<Bought, Failure>) -> Result<PurchasePayload> {
    match outcome {
        Ok(bought) => {
            ctx.refresh();
            let balance = CreditBalance::answered(ctx, &bought.balance, &bought.catalog)?;
            Ok(PurchasePayload {
                purchase: bought.purchase.map(|purchase| Purchase(Arc::new(purchase))),
                balance: Some(balance),
                replayed: bought.replayed,
                errors: Vec::new(),
            })
        }
        Err(failure) => refused(ctx, failure),
    }
}

fn purchase_input(id: &ID) -> Result<PurchaseId, Problem> {
    id_input(&["purchaseId"], id)
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The mutations of purchases.
#[derive(Default)]
pub struct PurchaseMutation;

#[Object]
impl PurchaseMutation {
    /// Buys credits: answers the purchase, which is `PENDING` until its money has come, or `FAILED`. With `STRIPE` the
    /// customer pays on `paymentUrl`; with `MANUAL` you take the money and say so with `markPurchasePaid`. What costs
    /// nothing is `PAID` at once. A portal session buys for its own customer, of what is shown in the portal. `InvalidState`
    /// says `ARCHIVED`, `NOT_OFFERED` or `CLOSED`.
    async fn purchase_credits(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is bought.")] input: PurchaseCreditsInput,
    ) -> Option<Result<PurchasePayload>> {
        ctx.refresh();
        let outcome = async {
            let given = GivenPurchase {
                option: id_given(&input.option_id),
                quantity: input.quantity,
                return_url: input.return_url,
            };
            let new = ctx.app().cashier.validate(&given);
            let balance = id_input::<BalanceId>(&["balanceId"], &input.balance_id);
            let in_portal = ctx.caller().only().is_some();
            let (origin, scope) = if in_portal { (Origin::Portal, Scope::Portal) } else { (Origin::Api, Scope::Api) };
            let name = balance.as_ref().map_or_else(|_| String::new(), ToString::to_string);
            let words = Words::default();
            let key = keyed_in((scope, &input.idempotency_key), "purchaseCredits", (name, given.fields()), &words);
            let (balance, key) = match all((balance, key)) {
                Ok(known) => known,
                Err(problems) => return Err(problems.and(new).into()),
            };
            if !ctx.may_see(balance.customer) {
                return Err(Problem::not_found(&["balanceId"], "credit balance", balance.to_string()).into());
            }
            let order = PurchaseOrder::Create { balance, new, origin, key };
            ctx.app().cashier.buy(ctx.intake(), order).await.map_err(|failure| failure.about("balanceId"))
        };
        Some(shown(ctx, outcome.await))
    }

    /// Says that the money of a purchase has come, for `MANUAL` payment: its credits are there then. Repeated, it answers
    /// `replayed`. `InvalidState` says `PROVIDER` when Stripe takes the money, or `CANCELED`, `FAILED` or `REFUNDED`. Not for
    /// portal sessions.
    async fn mark_purchase_paid(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which purchase.")] input: MarkPurchasePaidInput,
    ) -> Option<Result<PurchasePayload>> {
        ctx.refresh();
        let outcome = async {
            let text = |given: &str| fields::text(&["reference"], given, MAX_REFERENCE);
            let (id, reference) =
                all((purchase_input(&input.purchase_id), optional(input.reference.as_deref(), text)))?;
            let ask = Ask::Hear { fact: Fact::PaidByHand { reference }, method: None };
            let order = PurchaseOrder::Change { id, ask };
            ctx.intake().purchase(order).await.map_err(|failure| failure.about("purchaseId"))
        };
        Some(shown(ctx, outcome.await))
    }

    /// Cancels a purchase that is not paid yet: it cannot be paid any more. Repeated, it answers `replayed`. `InvalidState` says
    /// `PAID` (refund it instead), `REFUNDED`, `PROCESSING` while its money is on the way, or `PROVIDER` when Stripe takes
    /// the money and is not set up now. Not for portal sessions.
    async fn cancel_purchase(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which purchase.")] input: CancelPurchaseInput,
    ) -> Option<Result<PurchasePayload>> {
        ctx.refresh();
        let outcome = async {
            let id = purchase_input(&input.purchase_id).map_err(Failure::from)?;
            ctx.app().cashier.cancel(id).await
        };
        let outcome = match outcome.await {
            Err(NotCanceled::Away(trouble)) => return Some(Err(away(&trouble))),
            Err(NotCanceled::Failure(failure)) => Err(failure.about("purchaseId")),
            Ok(bought) => Ok(bought),
        };
        Some(shown(ctx, outcome))
    }

    /// Takes back what is left of the credits that a purchase brought, and returns the money for that share, rounded down to
    /// the currency's unit; with `STRIPE` by way of Stripe, with `MANUAL` you do. Repeated, it answers `replayed`. `InvalidState`
    /// says `HELD` while a hold pins any of them, `DEPLETED`, `EXPIRED` or `VOIDED` when nothing is left, or how the purchase
    /// stands; `PaymentFailed` that the provider will not give the money back. Not for portal sessions.
    async fn refund_purchase(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which purchase.")] input: RefundPurchaseInput,
    ) -> Option<Result<PurchasePayload>> {
        ctx.refresh();
        let outcome = async {
            let prose = |reason: &str| fields::prose(&["reason"], reason);
            let (id, reason) = all((purchase_input(&input.purchase_id), optional(input.reason.as_deref(), prose)))?;
            ctx.app().cashier.refund(id, reason).await.map_err(|failure| failure.about("purchaseId"))
        };
        Some(shown(ctx, outcome.await))
    }

    /// Sets how a balance buys by itself. What went wrong before is forgotten: it tries again. Switching it off does not cancel
    /// what it has on order: `cancelPurchase` does. Not for portal sessions.
    async fn set_auto_top_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: SetAutoTopUpInput,
    ) -> Option<Result<CreditBalancePayload>> {
        ctx.refresh();
        let outcome = async {
            let given = GivenAutoTopUp {
                enabled: input.enabled,
                threshold: patch(input.threshold, |threshold| threshold),
                option: patch(input.option_id, |id| id_given(&id)),
                target: patch(input.target, |target| target),
                daily_limit: patch(input.daily_limit, |limit| limit),
            };
            let (balance, changes) =
                all((id_input(&["balanceId"], &input.balance_id), rules::auto_top_up_changes(&given)))?;
            let order = PurchaseOrder::SetAutoTopUp { balance, changes };
            ctx.intake().purchase(order).await.map_err(|failure| failure.about("balanceId"))
        };
        let payload = shown(ctx, outcome.await);
        Some(payload.map(|PurchasePayload { balance, errors, .. }| CreditBalancePayload { balance, errors }))
    }
}
