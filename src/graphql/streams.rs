//! What can be watched: every change of a balance, once, in order.
//!
//! A message is made of a new instant and without a cache. A stream that fails says so in one error and ends; who
//! watched goes on from the cursor of the last message.

use std::sync::Arc;

use async_graphql::{Context, Error, ID, Object, Result, Subscription};
use futures_util::stream::{Stream, unfold};

use super::context::{Reach, read};
use super::customers::{Customer, find_customer};
use super::errors::{bad_input, failed, missing};
use super::ids::{CustomerBy, id_argument};
use super::ledger::enums::BalanceState;
use super::ledger::{CreditBalance, LedgerEntry};
use super::loaders::KnownBalance;
use super::paging::List;
use super::scalars::{DateTime, Decimal};
use crate::base::credits::Credits;
use crate::base::ids::{BalanceId, CustomerId, ProductId};
use crate::ledger::crossings::CrossingStream;
use crate::ledger::entry::Entry;
use crate::ledger::model::{self, Balance};
use crate::ledger::store;
use crate::ledger::stream::{EntryStream, Message, Positions};

// --- Cursors -----------------------------------------------------------------------------------------------------------

fn balance_list(balance: BalanceId) -> List {
    List::of("balanceChanges", balance)
}

fn customer_list(customer: CustomerId) -> List {
    List::of("customerBalanceChanges", customer)
}

/// Where the stream of a balance goes on behind this entry.
#[must_use]
pub fn balance_cursor(balance: BalanceId, sequence: i64) -> String {
    balance_list(balance).cursor(&sequence)
}

/// Where the stream of a customer's balances goes on from this state of theirs.
#[must_use]
pub fn customer_cursor(customer: CustomerId, balances: &[CreditBalance]) -> String {
    let position = |balance: &CreditBalance| {
        let account = &balance.view().balance.account;
        (account.id.number, account.sequence)
    };
    customer_list(customer).cursor(&Positions(balances.iter().map(position).collect()))
}

/// Refuses a position that the ledger has not reached: it is not of this server, or not of this database.
fn check_reached(positions: &Positions, balances: &[Balance]) -> Result<()> {
    let reached = |(number, sequence): (&i32, &i64)| {
        let account = balances.iter().map(|balance| &balance.account).find(|account| account.id.number == *number);
        *sequence >= 0 && account.is_some_and(|account| *sequence <= account.sequence)
    };
    if positions.0.iter().all(reached) {
        return Ok(());
    }
    Err(bad_input("after", "after is ahead of the ledger; pass a cursor that this server answered."))
}

// --- Messages ----------------------------------------------------------------------------------------------------------

/// A message of a balance's stream.
pub struct BalanceChange {
    balance: BalanceId,
    sequence: i64,
    entry: Option<Arc<Entry>>,
    available: Credits,
    settled: Credits,
    held: Credits,
    state: model::BalanceState,
}

/// A change of a balance, or the one message of a stream that says: you are up to date.
#[Object]
impl BalanceChange {
    /// Pass it as `after` to go on behind this message.
    async fn cursor(&self) -> String {
        balance_cursor(self.balance, self.sequence)
    }

    /// The entry; null in the one message that says that you are up to date.
    async fn entry(&self) -> Option<LedgerEntry> {
        self.entry.clone().map(LedgerEntry)
    }

    /// What could be spent right after the entry, or can be now.
    async fn available(&self) -> Decimal {
        self.available.into()
    }

    /// What the entries up to this one add up to, or all of them.
    async fn settled(&self) -> Decimal {
        self.settled.into()
    }

    /// What was set aside right after the entry, or is now.
    async fn held(&self) -> Decimal {
        self.held.into()
    }

    /// The state right after the entry, or now.
    async fn state(&self) -> BalanceState {
        self.state.into()
    }

    /// The balance as it stands now, which may be several entries further on.
    async fn balance(&self, ctx: &Context<'_>) -> Result<CreditBalance> {
        CreditBalance::get(ctx, self.balance).await
    }
}

impl BalanceChange {
    fn of(entry: Arc<Entry>) -> Self {
        let posting = &entry.posting;
        Self {
            balance: entry.balance,
            sequence: posting.sequence,
            available: posting.available_after,
            settled: posting.settled_after,
            held: posting.held_after,
            state: posting.state_after,
            entry: Some(entry),
        }
    }

    async fn up_to_date(ctx: &Context<'_>, balance: Balance) -> Result<Self> {
        let (id, sequence) = (balance.account.id, balance.account.sequence);
        let product = ctx.loaders().get(balance.product).await?;
        let shown = CreditBalance::of(KnownBalance { balance: Arc::new(balance), product }, ctx.now());
        let view = shown.view();
        Ok(Self {
            balance: id,
            sequence,
            entry: None,
            available: view.available(),
            settled: view.account.settled,
            held: view.account.held,
            state: view.state(),
        })
    }
}

/// A message of a customer's stream.
pub struct CustomerBalanceChange {
    customer: CustomerId,
    positions: Positions,
    entry: Option<Arc<Entry>>,
}

/// A change of any of a customer's balances, or the one message of a stream that says: you are up to date.
#[Object]
impl CustomerBalanceChange {
    /// Pass it as `after` to go on behind this message; it stands for all of the customer's balances.
    async fn cursor(&self) -> String {
        customer_list(self.customer).cursor(&self.positions)
    }

    /// The entry; null in the one message that says that you are up to date.
    async fn entry(&self) -> Option<LedgerEntry> {
        self.entry.clone().map(LedgerEntry)
    }

    /// The customer.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Customer> {
        ctx.loaders().get(self.customer).await.map(Customer)
    }
}

/// A message of the stream of states.
pub struct BalanceStateChange {
    balance: CreditBalance,
    entry: Arc<Entry>,
    previous: model::BalanceState,
}

/// A balance that became low, depleted or overdrawn, or recovered.
#[Object]
impl BalanceStateChange {
    /// The balance as it stands now.
    async fn balance(&self) -> CreditBalance {
        self.balance.clone()
    }

    /// The state before the entry.
    async fn previous(&self) -> BalanceState {
        self.previous.into()
    }

    /// The state right after the entry.
    async fn current(&self) -> BalanceState {
        self.entry.posting.state_after.into()
    }

    /// What could be spent right after the entry.
    async fn available(&self) -> Decimal {
        self.entry.posting.available_after.into()
    }

    /// At or below how many credits the balance is LOW, by the settings in force now; null when it is never.
    async fn threshold(&self) -> Option<Decimal> {
        self.balance.settings().low_balance_threshold.map(Decimal::from)
    }

    /// The entry that changed the state.
    async fn entry(&self) -> LedgerEntry {
        LedgerEntry(self.entry.clone())
    }

    /// When the entry was written.
    async fn at(&self) -> DateTime {
        self.entry.posting.recorded_at.into()
    }
}

// --- Streams -----------------------------------------------------------------------------------------------------------

/// The streams of the ledger.
#[derive(Default)]
pub struct LedgerSubscription;

#[Subscription]
impl LedgerSubscription {
    /// Every change of a balance, once, in order, without gaps: each message is one entry. One message has no entry: it says
    /// that you are up to date, and how the balance stands. Without `after` it comes first; with `after` it comes behind
    /// the entries that you missed. All that follows it is live. The stream completes when the balance is closed.
    async fn balance_changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which balance: `\"bal_…\"`.")] balance_id: ID,
        #[graphql(desc = "The cursor of a message, or of the balance, to go on from.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<BalanceChange>>> {
        let id: BalanceId = id_argument("balanceId", &balance_id)?;
        let after = ctx.stream().after.clone().or(after);
        let after: Option<i64> = after.map(|cursor| balance_list(id).position("after", &cursor)).transpose()?;
        let after = after.map(|sequence| Positions([(id.number, sequence)].into()));
        let found = store::find_balances(&mut read(ctx).await?, &[id]).await.map_err(|error| failed(&error))?;
        if found.is_empty() || !ctx.may_see(id.customer) {
            return Err(nothing("balanceId", "credit balance"));
        }
        if let Some(positions) = &after {
            check_reached(positions, &found)?;
        }
        let stream = open(ctx, (id.customer, Some(id.number)), after).await?;
        Ok(messages(ctx, stream, move |_, message| async move {
            let message = match message {
                Message::Entry(entry) => BalanceChange::of(entry),
                Message::UpToDate(balances) => {
                    let balance = balances.into_iter().next().ok_or_else(|| missing(&id))?;
                    BalanceChange::up_to_date(ctx, balance).await?
                }
            };
            Ok((balance_cursor(id, message.sequence), message))
        }))
    }

    /// The same for all balances of a customer, those opened later included. One cursor stands for all of them; order is
    /// kept within a balance.
    async fn customer_balance_changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which customer.")] customer: CustomerBy,
        #[graphql(desc = "The cursor of a message, or of the customer, to go on from.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<CustomerBalanceChange>>> {
        let found = find_customer(ctx, "customer", &customer).await?;
        let customer = found.ok_or_else(|| bad_input("customer", "customer names nobody; check the id."))?.0.id;
        let list = customer_list(customer);
        let after = ctx.stream().after.clone().or(after);
        let after: Option<Positions> = after.map(|cursor| list.position("after", &cursor)).transpose()?;
        if let Some(positions) = &after {
            let balances = store::list_balances_of(&mut read(ctx).await?, &[customer]).await;
            check_reached(positions, &balances.map_err(|error| failed(&error))?)?;
        }
        let stream = open(ctx, (customer, None), after).await?;
        Ok(messages(ctx, stream, move |positions, message| async move {
            let entry = match message {
                Message::Entry(entry) => Some(entry),
                Message::UpToDate(_) => None,
            };
            Ok((customer_list(customer).cursor(&positions), CustomerBalanceChange { customer, positions, entry }))
        }))
    }

    /// For operators: balances that become low, depleted or overdrawn, or recover, each crossing once. Live only: after a
    /// reconnect read `creditBalances(state:)`.
    async fn balance_state_changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only balances of this product.")] product_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<BalanceStateChange>>> {
        let product: Option<ProductId> = product_id.map(|id| id_argument("productId", &id)).transpose()?;
        if let Some(id) = product
            && ctx.loaders().find(id).await?.is_none()
        {
            return Err(nothing("productId", "credit product"));
        }
        let app = ctx.app();
        let stream = CrossingStream::open(&app.db.for_streams(), &app.feeds, &app.clock)
            .await
            .map_err(|error| failed(&error))?;
        Ok(unfold(Some(stream), move |stream| async move {
            let mut stream = stream?;
            match next_state(ctx, &mut stream, product).await {
                Ok(change) => Some((Ok(change), Some(stream))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

/// An error that says that an argument names nothing.
fn nothing(argument: &str, what: &str) -> Error {
    bad_input(argument, format!("{argument} names no {what}; pass what this server answered."))
}

async fn open(ctx: &Context<'_>, what: (CustomerId, Option<i32>), after: Option<Positions>) -> Result<EntryStream> {
    let app = ctx.app();
    EntryStream::open(&app.db.for_streams(), &app.feeds, what, after).await.map_err(|error| failed(&error))
}

/// The messages of a stream of entries, each made as of its own instant and told with its cursor; an error is the last.
fn messages<'ctx, M, F, Fut>(
    ctx: &'ctx Context<'ctx>,
    stream: EntryStream,
    told: F,
) -> impl Stream<Item = Result<M>> + use<'ctx, M, F, Fut>
where
    F: Fn(Positions, Message) -> Fut + Copy + Send + 'ctx,
    Fut: Future<Output = Result<(String, M)>> + Send + 'ctx,
    M: Send + 'ctx,
{
    unfold(Some(stream), move |stream| async move {
        let mut stream = stream?;
        match stream.next().await {
            Ok(None) => None,
            Ok(Some(message)) => {
                ctx.refresh();
                match told(stream.positions().clone(), message).await {
                    Ok((cursor, message)) => {
                        ctx.stream().reach(cursor);
                        Some((Ok(message), Some(stream)))
                    }
                    Err(error) => Some((Err(error), None)),
                }
            }
            Err(error) => Some((Err(failed(&error)), None)),
        }
    })
}

/// The next change of a state that is asked for.
async fn next_state(
    ctx: &Context<'_>,
    stream: &mut CrossingStream,
    product: Option<ProductId>,
) -> Result<BalanceStateChange> {
    loop {
        let entry = stream.next().await.map_err(|error| failed(&error))?;
        let Some(previous) = entry.announces() else { continue };
        ctx.refresh();
        let balance = CreditBalance::get(ctx, entry.balance).await?;
        if product.is_none_or(|product| product == balance.view().balance.product) {
            return Ok(BalanceStateChange { balance, entry: Arc::new(entry), previous });
        }
    }
}
