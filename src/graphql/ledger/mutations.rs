//! What moves credits, and what opens, changes and closes balances.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};

use super::payloads::{CreditBalancePayload, LedgerPayload, command, give, moved, set};
use crate::base::decimal::Decimal;
use crate::base::given::Given;
use crate::base::ids::{BalanceId, EntryId, GrantId};
use crate::base::problem::all;
use crate::base::time::Time;
use crate::graphql::catalog::settings::OverdraftInput;
use crate::graphql::context::Reach;
use crate::graphql::customers::resolve_customer;
use crate::graphql::ids::{CustomerBy, customer_input, id_given, id_input};
use crate::graphql::patch::patch;
use crate::graphql::scalars::Json;
use crate::intake::input::{OpenBalance, RetainCredits, ReverseEntry, TopUpCredits, UpdateBalance, UpdateGrant, Words};
use crate::intake::{Action, Amendment, Order, TakeBack};
use crate::ledger::model::DEFAULT_PRIORITY;

// --- Inputs ------------------------------------------------------------------------------------------------------------

/// A balance to be opened.
#[derive(InputObject, Clone, Debug)]
pub struct CreateCreditBalanceInput {
    /// Whose credits these will be.
    pub customer: CustomerBy,
    /// The credit product.
    pub product_id: ID,
    /// For people: 1 to 200 characters; left out, the product's name.
    pub name: Option<String>,
    /// Credits to start with: 0 to 1000000000000, at most 6 fraction digits. They are a grant of their own and end as the
    /// product says.
    #[graphql(default_with = "Given::from(Decimal::zero())")]
    pub starting_balance: Given<Decimal>,
    /// It is LOW when what is available is at or below this many credits; left out, as the product says.
    pub low_balance_threshold: Option<Given<Decimal>>,
    /// What happens when usage exceeds what is available; left out, as the product says.
    pub overdraft: Option<OverdraftInput>,
}

/// What changes of a balance's own settings. What is left out stays; null inherits from the product again.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateCreditBalanceInput {
    /// The balance's id.
    pub id: ID,
    /// For people: 1 to 200 characters; null shows the product's name.
    pub name: MaybeUndefined<String>,
    /// It is LOW when what is available is at or below this many credits; null inherits.
    pub low_balance_threshold: MaybeUndefined<Given<Decimal>>,
    /// What happens when usage exceeds what is available, replaced as a whole; null inherits.
    pub overdraft: MaybeUndefined<OverdraftInput>,
}

/// Which balance to close.
#[derive(InputObject, Clone, Debug)]
pub struct CloseCreditBalanceInput {
    /// The balance's id.
    pub id: ID,
}

/// Credits to come in by hand.
#[derive(InputObject, Clone, Debug)]
pub struct TopUpCreditsInput {
    /// The balance's id.
    pub balance_id: ID,
    /// How many: more than 0 and at most 1000000000000, at most 6 fraction digits, such as `"25.5"`.
    pub credits: Given<Decimal>,
    /// 0 to 1000; the lower burns first.
    #[graphql(default_with = "i32::from(DEFAULT_PRIORITY)")]
    pub priority: i32,
    /// When they can burn from; left out or in the past, now.
    pub effective_at: Option<Given<Time>>,
    /// When they end, after `effectiveAt` and after now; left out, as the product says.
    pub expires_at: Option<Given<Time>>,
    /// Why, in words: at most 2,000 characters. The customer can see it.
    pub reason: Option<String>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
    /// What makes a repeat harmless: 1 to 255 characters, unique for each command of the customer. The same key with the
    /// same input answers the first result again.
    pub idempotency_key: String,
}

/// Credits to be deducted by hand.
#[derive(InputObject, Clone, Debug)]
pub struct RetainCreditsInput {
    /// The balance's id.
    pub balance_id: ID,
    /// How many: more than 0 and at most 1000000000000, at most 6 fraction digits, such as `"25.5"`.
    pub credits: Given<Decimal>,
    /// When what they are for happened, not in the future; left out, now.
    pub occurred_at: Option<Given<Time>>,
    /// Why, in words: at most 2,000 characters. The customer can see it.
    pub reason: Option<String>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
    /// What makes a repeat harmless: 1 to 255 characters, unique for each command of the customer. The same key with the
    /// same input answers the first result again.
    pub idempotency_key: String,
}

/// New terms of a grant. What is left out stays.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateGrantInput {
    /// The grant's id.
    pub id: ID,
    /// 0 to 1000, the lower burns first; null is 500.
    pub priority: MaybeUndefined<i32>,
    /// When it ends, after it begins and after now; null is never.
    pub expires_at: MaybeUndefined<Given<Time>>,
    /// Why, in words: at most 2,000 characters. The customer can see it.
    pub reason: Option<String>,
}

/// Which grant to take back.
#[derive(InputObject, Clone, Debug)]
pub struct VoidGrantInput {
    /// The grant's id.
    pub grant_id: ID,
    /// Why, in words: at most 2,000 characters. The customer can see it.
    pub reason: Option<String>,
}

/// An entry to be taken back.
#[derive(InputObject, Clone, Debug)]
pub struct ReverseEntryInput {
    /// The id of a USAGE, RETENTION or CAPTURE entry.
    pub entry_id: ID,
    /// How many credits come back: more than 0, at most what earlier reversals left of it; left out, all that is left.
    pub credits: Option<Given<Decimal>>,
    /// Why, in words: at most 2,000 characters. The customer can see it.
    pub reason: Option<String>,
    /// What makes a repeat harmless: 1 to 255 characters, unique for each command of the customer. The same key with the
    /// same input answers the first result again.
    pub idempotency_key: String,
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The mutations of balances.
#[derive(Default)]
pub struct BalanceMutation;

#[Object]
impl BalanceMutation {
    /// Adds a credit balance to a customer. AlreadyExists names the open one, where the customer has one of the product.
    async fn create_credit_balance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The balance.")] input: CreateCreditBalanceInput,
    ) -> Option<Result<LedgerPayload>> {
        ctx.refresh();
        let outcome = async {
            let new = OpenBalance {
                product: id_given(&input.product_id),
                name: input.name,
                starting: input.starting_balance,
                low_balance_threshold: input.low_balance_threshold,
                overdraft: input.overdraft.map(Into::into),
            };
            let (customer, new) = all((customer_input(&["customer"], &input.customer), new.validate()))?;
            let customer = resolve_customer(ctx, customer).await?;
            give(ctx, Order::Open(new.of(customer)), "customer").await
        };
        Some(moved(ctx, outcome.await))
    }

    /// Changes a balance's own settings. What changes holds for the next command; entries that were written stay.
    async fn update_credit_balance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateCreditBalanceInput,
    ) -> Option<Result<CreditBalancePayload>> {
        ctx.refresh();
        let outcome = async {
            let update = UpdateBalance {
                name: patch(input.name, |name| name),
                low_balance_threshold: patch(input.low_balance_threshold, |threshold| threshold),
                overdraft: patch(input.overdraft, Into::into),
            };
            let (balance, changes) = all((id_input(&["id"], &input.id), update.validate()))?;
            give(ctx, Order::Update { balance, changes }, "id").await
        };
        Some(set(ctx, outcome.await))
    }

    /// Closes a balance, for good: it takes no more entries, and its streams complete. InvalidState `"NOT_EMPTY"` while
    /// there is something in it: credits, debt, a grant that is yet to begin, an active hold.
    async fn close_credit_balance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which balance.")] input: CloseCreditBalanceInput,
    ) -> Option<Result<CreditBalancePayload>> {
        ctx.refresh();
        let outcome = async {
            let balance = id_input(&["id"], &input.id)?;
            give(ctx, Order::Close { balance }, "id").await
        };
        Some(set(ctx, outcome.await))
    }
}

/// The mutations that move credits.
#[derive(Default)]
pub struct CreditMutation;

#[Object]
impl CreditMutation {
    /// Adds credits, as a grant of their own. Debt is paid with them first.
    async fn top_up_credits(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The credits.")] input: TopUpCreditsInput,
    ) -> Option<Result<LedgerPayload>> {
        let now = ctx.refresh();
        let outcome = async {
            let top_up = TopUpCredits {
                credits: input.credits,
                priority: input.priority,
                effective_at: input.effective_at,
                expires_at: input.expires_at,
            };
            let words = Words { reason: input.reason, metadata: input.metadata.map(|metadata| metadata.0) };
            let key = (input.idempotency_key.as_str(), "topUpCredits", top_up.fields());
            let balance = id_input::<BalanceId>(&["balanceId"], &input.balance_id);
            let (balance, action, given) =
                command(balance, top_up.validate(now), (&words, Some(key)), |_, action| action)?;
            give(ctx, Order::Move { balance, action, given }, "balanceId").await
        };
        Some(moved(ctx, outcome.await))
    }

    /// Retains usage: deducts credits by hand, all of them or none. InsufficientCredits when policy does not let the
    /// balance go that far.
    async fn retain_credits(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The credits.")] input: RetainCreditsInput,
    ) -> Option<Result<LedgerPayload>> {
        let now = ctx.refresh();
        let outcome = async {
            let retain = RetainCredits { credits: input.credits, occurred_at: input.occurred_at };
            let words = Words { reason: input.reason, metadata: input.metadata.map(|metadata| metadata.0) };
            let key = (input.idempotency_key.as_str(), "retainCredits", retain.fields());
            let balance = id_input::<BalanceId>(&["balanceId"], &input.balance_id);
            let (balance, action, given) =
                command(balance, retain.validate(now), (&words, Some(key)), |_, action| action)?;
            give(ctx, Order::Move { balance, action, given }, "balanceId").await
        };
        Some(moved(ctx, outcome.await))
    }

    /// Changes a grant's priority or expiry, by an entry of 0 credits. InvalidState when the grant is over: `"DEPLETED"`,
    /// `"EXPIRED"`, `"VOIDED"`. What is so already is answered as it is.
    async fn update_grant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateGrantInput,
    ) -> Option<Result<LedgerPayload>> {
        let now = ctx.refresh();
        let outcome = async {
            let update = UpdateGrant {
                priority: patch(input.priority, |priority| priority),
                expires_at: patch(input.expires_at, |time| time),
            };
            let words = Words { reason: input.reason, metadata: None };
            let grant = id_input::<GrantId>(&["id"], &input.id);
            let (grant, action, given) =
                command(grant, update.validate(now), (&words, None), |grant, (priority, expires_at)| {
                    Action::Amend(Amendment { grant, priority, expires_at })
                })?;
            give(ctx, Order::Move { balance: grant.balance, action, given }, "id").await
        };
        Some(moved(ctx, outcome.await))
    }
}

/// The mutations that take something back.
#[derive(Default)]
pub struct CorrectionMutation;

#[Object]
impl CorrectionMutation {
    /// Takes a grant back: it is VOIDED from now on, and what is free of it goes at once; what holds set aside of it goes
    /// when they end. InvalidState when it is over already: `"DEPLETED"`, `"EXPIRED"`. One that was taken back before is
    /// answered as it is.
    async fn void_grant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which grant.")] input: VoidGrantInput,
    ) -> Option<Result<LedgerPayload>> {
        ctx.refresh();
        let outcome = async {
            let words = Words { reason: input.reason, metadata: None };
            let grant = id_input::<GrantId>(&["grantId"], &input.grant_id);
            let (grant, action, given) = command(grant, Ok(()), (&words, None), |grant, ()| Action::Void(grant))?;
            give(ctx, Order::Move { balance: grant.balance, action, given }, "grantId").await
        };
        Some(moved(ctx, outcome.await))
    }

    /// Takes a usage, retention or capture back, wholly or in part, by an entry of its own: what it took last comes back
    /// first, to the debt and the grants that it was taken from. What comes back to a grant that is over ends again at once.
    /// What was paid for a debt meanwhile comes back as a grant that does not expire. InvalidState `"NOT_REVERSIBLE"` for
    /// entries of other kinds; LimitExceeded for more than is left of it.
    async fn reverse_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entry, and how much of it.")] input: ReverseEntryInput,
    ) -> Option<Result<LedgerPayload>> {
        ctx.refresh();
        let outcome = async {
            let reverse = ReverseEntry { credits: input.credits };
            let words = Words { reason: input.reason, metadata: None };
            let key = (input.idempotency_key.as_str(), "reverseEntry", reverse.fields());
            let entry = id_input::<EntryId>(&["entryId"], &input.entry_id);
            let (entry, action, given) = command(entry, reverse.validate(), (&words, Some(key)), |entry, credits| {
                Action::Reverse(TakeBack { entry, credits })
            })?;
            give(ctx, Order::Move { balance: entry.balance, action, given }, "entryId").await
        };
        Some(moved(ctx, outcome.await))
    }
}
