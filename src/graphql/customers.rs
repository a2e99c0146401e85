//! Customers on the wire: whose credits these are.
#![expect(clippy::too_many_arguments, reason = "a field's arguments are those of the API")]

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::catalog::ArchiveInput;
use super::catalog::products::find_product;
use super::context::{Reach, read};
use super::errors::{UserError, answer, bad_input, failed, payload, refused_query};
use super::ids::{CustomerBy, KeyBy, id_argument, id_input};
use super::ledger::CreditBalance;
use super::ledger::balances::balances_of;
use super::loaders::ExternalId;
use super::metering::UsageEvent;
use super::metering::events::{EventArgs, UsageEventConnection, events_of};
use super::paging::{List, PageArgs, Rows, connection};
use super::patch::patch;
use super::purchases::{PurchaseArgs, PurchaseConnection, PurchaseStatus, purchases};
use super::scalars::{Currency, DateTime, Json};
use super::streams::customer_cursor;
use super::subscriptions::{PlanSubscriptionConnection, PlanSubscriptionStatus, SubscriptionArgs, subscriptions};
use crate::access::service::end_portal_sessions;
use crate::base::given::Given;
use crate::base::idempotency::Key;
use crate::base::ids::CustomerId;
use crate::base::money;
use crate::base::problem::{Problem, Problems, all};
use crate::base::text::{self, MAX_REFERENCE};
use crate::customers::input::{CustomerChanges, ListCustomers, NewCustomer};
use crate::customers::{model, rules, service, store};
use crate::db::Failure;
use crate::metering::event::event_key;

const CUSTOMERS: List = List::all("customers");

// --- Shapes ------------------------------------------------------------------------------------------------------------

/// A customer, as the domain has it.
#[derive(Clone)]
pub struct Customer(pub Arc<model::Customer>);

/// Whose credits these are: a person, a team, a workspace, whatever you sell to.
#[Object]
impl Customer {
    /// Its id: `"cus_…"`.
    pub async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Your own id for it, unique among customers. A former one goes on naming this customer, and no other can take it.
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }

    /// For people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Its email address.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// The currency that it pays in; null when that is not settled yet.
    async fn currency(&self) -> Option<Currency> {
        self.0.currency.map(Currency)
    }

    /// Your own data: a JSON object.
    fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
        ctx.internal(&self.0.metadata)
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// When it was archived; null while it can get new balances.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }

    /// Pass it as `customerBalanceChanges(after:)` to be told of every change of its balances from this very state on.
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(customer_cursor(self.0.id, &balances_of(ctx, self.0.id).await?))
    }

    /// Its credit balances, in order of their opening.
    async fn credit_balances(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Closed ones too.", default = false)] include_closed: bool,
    ) -> Result<Vec<CreditBalance>> {
        let balances = balances_of(ctx, self.0.id).await?;
        Ok(balances.into_iter().filter(|balance| include_closed || !balance.view().is_closed()).collect())
    }

    /// Its open credit balance of a product; null when it has none.
    async fn credit_balance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which product: by id or by key.")] product: KeyBy,
    ) -> Option<Result<CreditBalance>> {
        let found = async {
            let Some(product) = find_product(ctx, "product", &product).await? else { return Ok(None) };
            let of_product = |balance: &CreditBalance| balance.is_open_of(product.id());
            Ok(balances_of(ctx, self.0.id).await?.into_iter().find(of_product))
        };
        found.await.transpose()
    }

    /// Its subscriptions to plans, newest first.
    async fn subscriptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that stand so now; left out, all.")] status: Option<Vec<PlanSubscriptionStatus>>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<PlanSubscriptionConnection>> {
        let page = PageArgs { first, after, last, before };
        let args = SubscriptionArgs { customer: Some(self.0.id), plan: None, status, page };
        Some(subscriptions(ctx, &List::of("subscriptions", self.0.id), args).await)
    }

    /// What it bought, newest first.
    async fn purchases(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that stand so now; left out, all.")] status: Option<Vec<PurchaseStatus>>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<PurchaseConnection>> {
        let page = PageArgs { first, after, last, before };
        let args = PurchaseArgs { customer: Some(self.0.id), status, page };
        Some(purchases(ctx, &List::of("purchases", self.0.id), args).await)
    }

    /// Its usage event with this id of your own; null when there is none.
    async fn event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Your own id of the event.")] event_id: String,
    ) -> Option<Result<UsageEvent>> {
        let found = ctx.loaders().find(event_key(self.0.id, &event_id)).await;
        // Two ids may share a key; only the one that is asked for answers.
        let named = |event: Option<Arc<_>>| event.map(UsageEvent).filter(|event| event.0.event_id == event_id);
        found.map(named).transpose()
    }

    /// Its usage events by when they happened, newest first.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "type", desc = "Only those of this type.")] event_type: Option<String>,
        #[graphql(desc = "Only what happened then or later.")] from: Option<DateTime>,
        #[graphql(desc = "Only what happened before that.")] until: Option<DateTime>,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<UsageEventConnection>> {
        let page = PageArgs { first, after, last, before };
        Some(events_of(ctx, self.0.id, EventArgs { event_type, from, until, page }).await)
    }
}

connection!(CustomerConnection, CustomerEdge, Customer, "A page of customers, newest first.", "A customer in a page.");

// --- Inputs and payloads -----------------------------------------------------------------------------------------------

/// A customer to be made; without an external id a new one each time.
#[derive(InputObject, Clone, Debug)]
pub struct CreateCustomerInput {
    /// Your own id for it: 1 to 255 characters, unique among customers for ever.
    pub external_id: Option<String>,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// Its email address: at most 320 characters.
    pub email: Option<String>,
    /// The currency that it pays in.
    pub currency: Option<Given<money::Currency>>,
    /// Your own data: a JSON object of at most 16 KiB; left out, `{}`.
    pub metadata: Option<Json>,
    /// What makes a repeat harmless: 1 to 255 characters, unique among the keys of all customers and purchase options that
    /// are made. The same key with the same input answers the same customer, as it stands now.
    pub idempotency_key: Option<String>,
}

/// What changes about a customer.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateCustomerInput {
    /// The customer's id.
    pub id: ID,
    /// Your own id for it: 1 to 255 characters; null clears it. The former one goes on naming this customer.
    pub external_id: MaybeUndefined<String>,
    /// For people: 1 to 200 characters. It cannot be null.
    pub name: MaybeUndefined<String>,
    /// Its email address: at most 320 characters; null clears it.
    pub email: MaybeUndefined<String>,
    /// The currency that it pays in; null clears it.
    pub currency: MaybeUndefined<Given<money::Currency>>,
    /// Your own data, replaced as a whole; null is `{}`.
    pub metadata: MaybeUndefined<Json>,
}

/// What a mutation of a customer answers.
#[derive(SimpleObject, Default)]
pub struct CustomerPayload {
    /// The customer as it is now; null when nothing happened.
    pub customer: Option<Customer>,
    /// Why nothing happened; empty when it did.
    pub errors: Vec<UserError>,
}
payload!(CustomerPayload);

impl From<model::Customer> for CustomerPayload {
    fn from(customer: model::Customer) -> Self {
        Self { customer: Some(Customer(Arc::new(customer))), errors: Vec::new() }
    }
}

// --- Fields ------------------------------------------------------------------------------------------------------------

/// The customer that an argument of a query names, if there is one.
///
/// # Errors
/// A top-level error: `BAD_USER_INPUT` for what is no customer's id, or the database's.
pub async fn find_customer(ctx: &Context<'_>, argument: &str, by: &CustomerBy) -> Result<Option<Customer>> {
    let found = match by {
        CustomerBy::Id(id) => ctx.loaders().find(id_argument::<CustomerId>(&format!("{argument}.id"), id)?).await,
        CustomerBy::ExternalId(external_id) => {
            let name = format!("{argument}.externalId");
            text::check(external_id, MAX_REFERENCE).map_err(|error| bad_input(&name, format!("{name} {error}.")))?;
            match ctx.caller().only() {
                None => ctx.loaders().find(ExternalId(external_id.clone())).await,
                // Another customer's name takes as long as one that names nobody.
                Some(own) => match store::is_named(&mut read(ctx).await?, own, external_id).await {
                    Ok(true) => ctx.loaders().find(own).await,
                    Ok(false) => Ok(None),
                    Err(error) => Err(failed(&error)),
                },
            }
        }
    };
    Ok(found?.filter(|customer| ctx.may_see(customer.id)).map(Customer))
}

/// The customer that an input names by its field `customer`: by an id, or by an external id.
///
/// # Errors
/// Not found, at that field; the database's failure.
pub async fn resolve_customer(ctx: &Context<'_>, named: Result<CustomerId, String>) -> Result<CustomerId, Failure> {
    match named {
        Ok(id) => Ok(id),
        Err(name) => {
            let mut conn = ctx.db().read().await?;
            let found = store::resolve(&mut conn, &[&name]).await?.remove(&name);
            Ok(found.ok_or_else(|| Problem::not_found(&["customer", "externalId"], "customer", name))?)
        }
    }
}

/// The queries of customers.
#[derive(Default)]
pub struct CustomerQuery;

#[Object]
impl CustomerQuery {
    /// One customer, archived or not; null when there is none.
    async fn customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which: by id or by your own id for it, a former one included.")] by: CustomerBy,
    ) -> Option<Result<Customer>> {
        find_customer(ctx, "by", &by).await.transpose()
    }

    /// Customers, newest first.
    async fn customers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those whose name, email address or external id begins so, without regard to case.")]
        search: Option<String>,
        #[graphql(desc = "Archived ones too.", default = false)] include_archived: bool,
        #[graphql(desc = "How many rows from the beginning: 1 to 100, by default 20.")] first: Option<i32>,
        #[graphql(desc = "Only rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end: 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<CustomerConnection>> {
        let found = async {
            let page = PageArgs { first, after, last, before }.request(&CUSTOMERS)?;
            let list = ListCustomers { page, search, include_archived };
            let page = store::list_customers(&mut read(ctx).await?, &list).await.map_err(refused_query)?;
            Ok(Rows::of(&CUSTOMERS, page, |customer| customer.id, |customer| Customer(Arc::new(customer))).into())
        };
        Some(found.await)
    }
}

/// The mutations of customers.
#[derive(Default)]
pub struct CustomerMutation;

#[Object]
impl CustomerMutation {
    /// Makes a customer, once per idempotency key. AlreadyExists names the one that the external id names, now or formerly.
    async fn create_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer.")] input: CreateCustomerInput,
    ) -> Option<Result<CustomerPayload>> {
        let now = ctx.refresh();
        let (db, ids) = (&ctx.app().db, &ctx.app().ids);
        let new = NewCustomer {
            external_id: input.external_id,
            name: input.name,
            email: input.email,
            currency: input.currency,
            metadata: input.metadata.map(|metadata| metadata.0),
        };
        let outcome = async {
            let key = Key::of_creation(input.idempotency_key.as_deref(), "createCustomer", new.fields());
            let check = || rules::created(CustomerId(uuid::Uuid::nil()), now, &new);
            let key = key.map_err(|problem| Problems::from(problem).and(check()))?;
            db.write(async |txn| service::create_customer(txn, (ids, now), &new, key.as_ref()).await).await
        };
        answer(ctx, outcome.await, CustomerPayload::from)
    }

    /// Changes a customer, an archived one too.
    async fn update_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes; what is left out stays.")] input: UpdateCustomerInput,
    ) -> Option<Result<CustomerPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let changes = CustomerChanges {
            external_id: patch(input.external_id, |external_id| external_id),
            name: patch(input.name, |name| name),
            email: patch(input.email, |email| email),
            currency: patch(input.currency, |currency| currency),
            metadata: patch(input.metadata, |metadata| metadata.0),
        };
        let outcome = async {
            let (id, ()) = all((id_input(&["id"], &input.id), rules::check(&changes)))?;
            db.write(async |txn| service::update_customer(txn, now, id, &changes).await).await
        };
        answer(ctx, outcome.await, CustomerPayload::from)
    }

    /// Archives a customer without open balances: it can be read and corrected, and gets no new balance; its portal sessions
    /// end. InvalidState
    /// `"IN_USE"` while one of its balances is open or one of its subscriptions has not ended.
    async fn archive_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which customer.")] input: ArchiveInput,
    ) -> Option<Result<CustomerPayload>> {
        let now = ctx.refresh();
        let db = &ctx.app().db;
        let outcome = async {
            let id = id_input(&["id"], &input.id)?;
            db.write(async |txn| {
                store::lock_customer(txn, id).await?;
                let open_balances = !crate::ledger::store::list_revisions(txn, &[id]).await?.is_empty();
                let subscriptions = crate::subscriptions::store::list_of_customers(txn, &[id]).await?;
                let runs = subscriptions.iter().any(|known| known.ends_at.is_none_or(|end| now < end));
                let customer = service::archive_customer(txn, now, id, open_balances || runs).await?;
                end_portal_sessions(txn, id, now).await?;
                Ok::<_, Failure>(customer)
            })
            .await
        };
        answer(ctx, outcome.await, CustomerPayload::from)
    }
}
