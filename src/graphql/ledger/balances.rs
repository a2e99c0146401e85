//! Credit balances on the wire.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use super::entries::{LedgerEntry, LedgerEntryConnection};
use super::enums::{BalanceState, GrantState, LedgerEntryKind};
use super::grants::{Grant, GrantConnection};
use super::history::{self, ConsumptionBucket, HistoricalBalance, TimeBucket};
use super::holds::{Hold, HoldConnection, HoldState};
use crate::base::ids::{BalanceId, CustomerId, ProductId, SubscriptionId};
use crate::base::page::{Page, PageRequest};
use crate::base::time::Time;
use crate::catalog::settings::Settings;
use crate::catalog::snapshot::Snapshot;
use crate::graphql::catalog::plan_items::offered;
use crate::graphql::catalog::{ConsumptionRule, CreditProduct, Overdraft, PurchaseOption};
use crate::graphql::context::{Reach, read};
use crate::graphql::customers::Customer;
use crate::graphql::errors::{failed, missing};
use crate::graphql::ids::id_argument;
use crate::graphql::loaders::{BalancesOf, KnownBalance, NewestEntries};
use crate::graphql::paging::{List, PageArgs, Rows, connection};
use crate::graphql::purchases::auto_top_up::AutoTopUp;
use crate::graphql::scalars::{BigInt, DateTime, Decimal};
use crate::graphql::streams;
use crate::graphql::subscriptions::PlanSubscription;
use crate::ledger::model::Balance;
use crate::ledger::reads::{self, ListBalances, ListEntries};
use crate::ledger::view::{GrantView, View, view};
use crate::metering::terms::{policy_of, policy_under, settings_of};

const BALANCES: List = List::all("creditBalances");

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// A balance as of the operation's instant.
#[derive(Clone)]
pub struct CreditBalance(Arc<Shown>);

struct Shown {
    view: View,
    product: Arc<crate::catalog::model::CreditProduct>,
}

impl CreditBalance {
    /// A balance as of `now`.
    #[must_use]
    pub fn of(known: KnownBalance, now: Time) -> Self {
        let KnownBalance { balance, product } = known;
        let policy = policy_under(&product, &balance, now);
        Self(Arc::new(Shown { view: view(balance, policy, now), product }))
    }

    /// The balance that a command answered.
    ///
    /// # Errors
    /// The top-level error of a product that is not there.
    pub fn answered(ctx: &Context<'_>, balance: &Balance, catalog: &Snapshot) -> Result<Self> {
        let product = catalog.product(balance.product).ok_or_else(|| missing(&balance.product))?.clone();
        Ok(Self::of(KnownBalance { balance: Arc::new(balance.clone()), product }, ctx.now()))
    }

    /// The balance with this id; none when there is none.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn find(ctx: &Context<'_>, id: BalanceId) -> Result<Option<Self>> {
        let known = ctx.loaders().find(id).await?.filter(|known| known.balance.has_opened(ctx.now()));
        Ok(known.map(|known| Self::of(known, ctx.now())))
    }

    /// The balance with this id, which something else names.
    ///
    /// # Errors
    /// The top-level error of the database, also when it is not there.
    pub async fn get(ctx: &Context<'_>, id: BalanceId) -> Result<Self> {
        Self::find(ctx, id).await?.ok_or_else(|| missing(&id))
    }

    /// Whether it is open, and of that product.
    #[must_use]
    pub fn is_open_of(&self, product: ProductId) -> bool {
        !self.view().is_closed() && self.balance().product == product
    }

    /// It, as of the operation's instant.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.0.view
    }

    fn balance(&self) -> &Balance {
        &self.0.view.balance
    }

    fn key(&self) -> BalanceId {
        self.0.view.account.id
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings<'_> {
        settings_of(&self.0.product, self.balance(), self.view().at)
    }

    /// What its customer can buy of its product.
    ///
    /// # Errors
    /// The top-level error of the database.
    pub async fn options(&self, ctx: &Context<'_>) -> Result<Vec<PurchaseOption>> {
        let settings = self.settings();
        let options = offered(ctx, &settings, &self.0.product);
        let (customer, options) = futures_util::try_join!(ctx.loaders().get(self.key().customer), options)?;
        let payable = |option: &PurchaseOption| customer.currency.is_none_or(|own| own == option.0.price.currency);
        let shown = |option: &PurchaseOption| ctx.caller().only().is_none() || option.0.is_in_portal();
        Ok(options.into_iter().filter(payable).filter(shown).collect())
    }

    /// The newest entries when nothing else is asked for: those of many balances are read together.
    async fn newest(&self, ctx: &Context<'_>, limit: usize) -> Result<Page<Arc<crate::ledger::entry::Entry>>> {
        let up_to = self.balance().account.sequence;
        let count = i64::try_from(limit).unwrap_or(i64::MAX);
        let newest = NewestEntries { balance: self.key(), up_to, count };
        let items = ctx.loaders().find(newest).await?.unwrap_or_default();
        Ok(Page { items, has_next: up_to > count, has_previous: false })
    }
}

/// One customer's credits of one product. A customer has at most one open balance of a product. Every amount is as of now:
/// what begins or ends by time alone shows to the microsecond, whether its entry is written yet or not.
#[Object]
impl CreditBalance {
    /// Its id: `"bal_…"`.
    pub async fn id(&self) -> ID {
        self.key().into()
    }

    /// Whose credits these are.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Customer> {
        ctx.loaders().get(self.key().customer).await.map(Customer)
    }

    /// The product that these are credits of.
    async fn product(&self) -> CreditProduct {
        CreditProduct(self.0.product.clone())
    }

    /// For people: its own name, or the product's.
    async fn name(&self) -> &str {
        self.settings().name
    }

    /// Credits that can be spent now: `settled` less `held`. Below zero only by overdraft.
    async fn available(&self) -> Decimal {
        self.view().available().into()
    }

    /// Credits that the ledger adds up to, without those whose time has not come or is over.
    async fn settled(&self) -> Decimal {
        self.view().account.settled.into()
    }

    /// Credits that holds set aside.
    async fn held(&self) -> Decimal {
        self.view().account.held.into()
    }

    /// How it stands, by what is available and the threshold in force now.
    async fn state(&self) -> BalanceState {
        self.view().state().into()
    }

    /// It is LOW when what is available is at or below this many credits: its own setting, or what it inherits. Null never
    /// warns.
    async fn low_balance_threshold(&self) -> Option<Decimal> {
        self.settings().low_balance_threshold.map(Decimal::from)
    }

    /// What happens when usage exceeds what is available: its own setting, or what it inherits.
    async fn overdraft(&self) -> Overdraft {
        self.settings().overdraft.into()
    }

    /// Which usage burns its credits, and how many for each unit.
    async fn consumption(&self) -> Vec<ConsumptionRule> {
        self.settings().consumption.iter().copied().map(ConsumptionRule).collect()
    }

    /// Which settings are its own rather than inherited: `"name"`, `"lowBalanceThreshold"`, `"overdraft"`.
    async fn overrides(&self) -> Vec<&'static str> {
        self.balance().own.set()
    }

    /// The running subscription whose options this balance inherits; null when there is none.
    async fn subscription(&self, ctx: &Context<'_>) -> Option<Result<PlanSubscription>> {
        let balance = self.balance();
        balance.stretch(self.view().at)?;
        let number = balance.plan.as_ref()?.subscription;
        Some(PlanSubscription::get(ctx, SubscriptionId { customer: self.key().customer, number }).await)
    }

    /// What this customer can buy now: the options that its plan offers, or else the product's, that are not archived, in
    /// the customer's currency where it has one.
    async fn purchase_options(&self, ctx: &Context<'_>) -> Result<Vec<PurchaseOption>> {
        self.options(ctx).await
    }

    /// How it buys more credits by itself; null where that was never set.
    async fn auto_top_up(&self, ctx: &Context<'_>) -> Option<Result<AutoTopUp>> {
        AutoTopUp::of(ctx, self.view()).await.transpose()
    }

    /// The first instant at which `available`, `settled` or `held` will change by itself, since a grant begins or ends, a
    /// hold lapses or a period renews; null when none will.
    async fn next_change_at(&self) -> Option<DateTime> {
        self.view().next_change_at().map(DateTime)
    }

    /// How many entries the ledger has for it, which is the newest entry's sequence.
    async fn last_sequence(&self) -> BigInt {
        self.balance().account.sequence.into()
    }

    /// Pass it as `balanceChanges(after:)` to be told of every change from this very state on.
    async fn cursor(&self) -> String {
        streams::balance_cursor(self.key(), self.balance().account.sequence)
    }

    /// Its grants, in the order in which they burn, those that are over included.
    async fn grants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those in these states now; left out, all.")] state: Option<Vec<GrantState>>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<GrantConnection>> {
        let found = async {
            let list = List::of("grants", self.key());
            let page = PageArgs { first, after, last, before }.request(&list)?;
            let states: Option<Vec<_>> = state.map(|states| states.into_iter().map(Into::into).collect());
            let page = reads::list_grants(&mut read(ctx).await?, self.view(), states.as_deref(), &page).await;
            let page = page.map_err(|error| failed(&error))?;
            Ok(Rows::of(&list, page, GrantView::order, |grant| Grant(Arc::new(grant))).into())
        };
        Some(found.await)
    }

    /// Its holds, newest first.
    async fn holds(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those in these states now; left out, all.")] state: Option<Vec<HoldState>>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<HoldConnection>> {
        let found = async {
            let list = List::of("holds", self.key());
            let page = PageArgs { first, after, last, before }.request(&list)?;
            let states: Option<Vec<_>> = state.map(|states| states.into_iter().map(Into::into).collect());
            let page = reads::list_holds(&mut read(ctx).await?, self.view(), states.as_deref(), &page).await;
            let page = page.map_err(|error| failed(&error))?;
            Ok(Rows::of(&list, page, |hold| hold.id.sequence, Hold::of).into())
        };
        Some(found.await)
    }

    /// Its entries, newest first. What is written while you turn pages does not move them: read it from `cursor` on, by
    /// `balanceChanges`.
    async fn entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these kinds; left out, all.")] kind: Option<Vec<LedgerEntryKind>>,
        #[graphql(desc = "Only what was recorded then or later.")] from: Option<DateTime>,
        #[graphql(desc = "Only what was recorded before that.")] until: Option<DateTime>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<LedgerEntryConnection>> {
        let found = async {
            let list = List::of("entries", self.key());
            let page: PageRequest<i64> = PageArgs { first, after, last, before }.request(&list)?;
            let anywhere = page.after.is_none() && page.before.is_none() && !page.is_backward();
            let page = if anywhere && kind.is_none() && from.is_none() && until.is_none() {
                self.newest(ctx, page.limit).await?
            } else {
                let wanted = ListEntries {
                    balance: self.key(),
                    up_to: self.balance().account.sequence,
                    kinds: kind.map(|kinds| kinds.into_iter().map(Into::into).collect()),
                    from: from.map(|from| from.0),
                    until: until.map(|until| until.0),
                    page,
                };
                let page = reads::list_entries(&mut read(ctx).await?, &wanted).await;
                page.map_err(|error| failed(&error))?.map(Arc::new)
            };
            Ok(Rows::of(&list, page, |entry| entry.posting.sequence, LedgerEntry).into())
        };
        Some(found.await)
    }

    /// What it burned over time: usage, retentions and captures by when they happened, less what was reversed of them, which
    /// counts where the reversed entry counts. The first bucket begins at `from`, each next one a calendar step later, and the
    /// last ends at `until`; those in which nothing was burned are among them.
    async fn consumed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What happened then or later.")] from: DateTime,
        #[graphql(desc = "What happened before that.")] until: DateTime,
        #[graphql(desc = "How long a bucket is. There are at most 1,000.")] bucket: TimeBucket,
    ) -> Option<Result<Vec<ConsumptionBucket>>> {
        Some(history::consumed(ctx, self, (from.0, until.0), bucket).await)
    }

    /// The books at an instant: the entries that had been recorded by then, and what time alone had done, whether it had
    /// been posted or not: what a query answers at that instant when all that was recorded by then is committed.
    async fn at(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The instant: not before the balance was opened, and not in the future.")] time: DateTime,
    ) -> Option<Result<HistoricalBalance>> {
        Some(history::at(ctx, self, time.0).await)
    }

    /// When it was opened.
    async fn created_at(&self) -> DateTime {
        self.balance().created_at.into()
    }

    /// When its settings were last changed, or it was closed.
    async fn updated_at(&self) -> DateTime {
        self.balance().updated_at.into()
    }

    /// When it was closed, for good; null while it is open.
    async fn closed_at(&self) -> Option<DateTime> {
        self.balance().closed_at.map(DateTime)
    }
}

connection!(
    CreditBalanceConnection,
    CreditBalanceEdge,
    CreditBalance,
    "A page of credit balances, newest first.",
    "A credit balance in a page."
);

// --- Fields ------------------------------------------------------------------------------------------------------------

/// A customer's balances, in order of their opening.
///
/// # Errors
/// The top-level error of the database.
pub async fn balances_of(ctx: &Context<'_>, customer: CustomerId) -> Result<Vec<CreditBalance>> {
    let known = ctx.loaders().find(BalancesOf(customer)).await?.unwrap_or_default();
    let opened = known.into_iter().filter(|known| known.balance.has_opened(ctx.now()));
    Ok(opened.map(|known| CreditBalance::of(known, ctx.now())).collect())
}

/// The queries of credit balances.
#[derive(Default)]
pub struct BalanceQuery;

#[Object]
impl BalanceQuery {
    /// One credit balance, open or closed; null when there is none.
    async fn credit_balance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id: `\"bal_…\"`.")] id: ID,
    ) -> Option<Result<CreditBalance>> {
        let found = async {
            let id: BalanceId = id_argument("id", &id)?;
            if ctx.may_see(id.customer) { CreditBalance::find(ctx, id).await } else { Ok(None) }
        };
        found.await.transpose()
    }

    /// Credit balances of all customers, newest first. They are listed by the state after their newest entry, or by what
    /// time alone has made of it since; a threshold that was changed shows here with the next entry.
    async fn credit_balances(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of this product.")] product_id: Option<ID>,
        #[graphql(desc = "Only those in these states; left out, all that are not CLOSED.")] state: Option<
            Vec<BalanceState>,
        >,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<CreditBalanceConnection>> {
        let found = async {
            let page = PageArgs { first, after, last, before }.request(&BALANCES)?;
            let product: Option<ProductId> = product_id.map(|id| id_argument("productId", &id)).transpose()?;
            let states = state.map(|states| states.into_iter().map(Into::into).collect());
            let list = ListBalances { product, states, page };
            let now = ctx.now();
            // Loaders take connections of their own: who holds one and waits for them can wait for ever.
            let catalog = ctx.loaders().catalog().await?;
            let carried = |balance: Balance| {
                let policy = policy_of(&catalog, &balance, now);
                view(Arc::new(balance), policy, now)
            };
            let page = reads::list_balances(&mut read(ctx).await?, &list, now, &carried).await;
            let page = page.map_err(|error| failed(&error))?;
            let Page { items, has_next, has_previous } = page;
            let shown = items.into_iter().map(async |View { balance, .. }| {
                let product = ctx.loaders().get(balance.product).await?;
                Ok::<_, async_graphql::Error>(CreditBalance::of(KnownBalance { balance, product }, now))
            });
            let page = Page { items: futures_util::future::try_join_all(shown).await?, has_next, has_previous };
            Ok(Rows::of(&BALANCES, page, |balance| balance.balance().age(), |balance| balance).into())
        };
        Some(found.await)
    }
}
