//! Whatever has an id, by its id.

use async_graphql::{Context, ID, Interface, Object, Result};
use futures_util::future::join_all;

use super::access::ApiKey;
use super::catalog::{
    CreditProduct, FlatFeeProduct, Meter, Plan, PlanItem, PlanVersion, Product, PurchaseOption, SeatProduct,
    UsageProduct,
};
use super::context::Reach;
use super::customers::Customer;
use super::errors::bad_input;
use super::ids::id_argument;
use super::ledger::{CreditBalance, Grant, Hold, LedgerEntry};
use super::loaders::{Batches, OfAnyKind};
use super::metering::UsageEvent;
use super::purchases::Purchase;
use super::subscriptions::{Charge, PlanSubscription, SubscriptionItem, find_charge};
use crate::base::ids::{
    ApiKeyId, BalanceId, ChargeId, CustomerId, EntryId, EventKey, GrantId, HoldId, IdError, MeterId, PlanId,
    PlanItemId, PlanVersionId, ProductId, PurchaseId, PurchaseOptionId, SubscriptionId, SubscriptionItemId,
};

/// How many nodes can be asked for at once.
const MAX_NODES: usize = 100;

/// Whatever has an id of its own. Ids are opaque, unique over all kinds of things, and begin with what they name: `"mtr_…"`
/// for a meter, `"cus_…"` for a customer.
#[derive(Interface, Clone)]
#[graphql(field(name = "id", ty = "ID", desc = "Its id, which never changes: keep it as an opaque text."))]
pub enum Node {
    /// A meter.
    Meter(Meter),
    /// A credit product.
    CreditProduct(CreditProduct),
    /// A flat fee.
    FlatFeeProduct(FlatFeeProduct),
    /// Seats.
    SeatProduct(SeatProduct),
    /// Usage that money is paid for.
    UsageProduct(UsageProduct),
    /// A plan.
    Plan(Plan),
    /// A version of a plan.
    PlanVersion(PlanVersion),
    /// What a plan has of one product.
    PlanItem(PlanItem),
    /// A subscription to a plan.
    PlanSubscription(PlanSubscription),
    /// What a subscription has of one product.
    SubscriptionItem(SubscriptionItem),
    /// A charge.
    Charge(Charge),
    /// A purchase option.
    PurchaseOption(PurchaseOption),
    /// A customer.
    Customer(Customer),
    /// A credit balance.
    CreditBalance(CreditBalance),
    /// A ledger entry.
    LedgerEntry(LedgerEntry),
    /// A grant.
    Grant(Grant),
    /// A hold.
    Hold(Hold),
    /// A usage event.
    UsageEvent(UsageEvent),
    /// A purchase.
    Purchase(Purchase),
    /// An API key.
    ApiKey(ApiKey),
}

/// What an id names, whatever its kind; `argument` is where the id stands.
///
/// # Errors
/// A top-level error: `BAD_USER_INPUT` for what is no id, or the database's.
pub async fn find(ctx: &Context<'_>, argument: &str, id: &str) -> Result<Option<Node>> {
    let given = ID::from(id);
    let prefix = id.split_once('_').map_or("", |(prefix, _)| prefix);
    if ctx.caller().only().is_some() && !is_theirs(ctx, argument, (prefix, &given))? {
        return Ok(None);
    }
    match prefix {
        MeterId::PREFIX => by::<MeterId, _, _>(ctx, argument, &given, Meter).await,
        ProductId::PREFIX => {
            let found = ctx.loaders().find(OfAnyKind(id_argument(argument, &given)?)).await?;
            Ok(found.map(|product| match Product::from(product) {
                Product::CreditProduct(product) => product.into(),
                Product::FlatFeeProduct(product) => product.into(),
                Product::SeatProduct(product) => product.into(),
                Product::UsageProduct(product) => product.into(),
            }))
        }
        PlanId::PREFIX => by::<PlanId, _, _>(ctx, argument, &given, Plan).await,
        PlanVersionId::PREFIX => by::<PlanVersionId, _, _>(ctx, argument, &given, PlanVersion).await,
        PurchaseOptionId::PREFIX => {
            let found = ctx.loaders().find(id_argument::<PurchaseOptionId>(argument, &given)?).await?;
            let shown = found.filter(|option| ctx.caller().only().is_none() || option.is_in_portal());
            Ok(shown.map(|option| PurchaseOption(option).into()))
        }
        ApiKeyId::PREFIX => Ok(ApiKey::find(ctx, id_argument(argument, &given)?).await?.map(Node::ApiKey)),
        CustomerId::PREFIX => by::<CustomerId, _, _>(ctx, argument, &given, Customer).await,
        EntryId::PREFIX => by::<EntryId, _, _>(ctx, argument, &given, LedgerEntry).await,
        EventKey::PREFIX => by::<EventKey, _, _>(ctx, argument, &given, UsageEvent).await,
        BalanceId::PREFIX => {
            Ok(CreditBalance::find(ctx, id_argument(argument, &given)?).await?.map(Node::CreditBalance))
        }
        SubscriptionId::PREFIX => {
            Ok(PlanSubscription::find(ctx, id_argument(argument, &given)?).await?.map(Node::PlanSubscription))
        }
        PlanItemId::PREFIX => Ok(PlanItem::find(ctx, id_argument(argument, &given)?).await?.map(Node::PlanItem)),
        SubscriptionItemId::PREFIX => {
            Ok(SubscriptionItem::find(ctx, id_argument(argument, &given)?).await?.map(Node::SubscriptionItem))
        }
        PurchaseId::PREFIX => Ok(Purchase::find(ctx, id_argument(argument, &given)?).await?.map(Node::Purchase)),
        ChargeId::PREFIX => Ok(find_charge(ctx, id_argument(argument, &given)?).await?.map(Node::Charge)),
        GrantId::PREFIX => Ok(Grant::find(ctx, id_argument(argument, &given)?).await?.map(Node::Grant)),
        HoldId::PREFIX => Ok(Hold::find(ctx, id_argument(argument, &given)?).await?.map(Node::Hold)),
        _ => Err(bad_input(argument, format!("{argument} is not an id; pass one that this server answered."))),
    }
}

/// Whether a portal session may look for this id at all: it is of something of its customer's, or of what is offered.
fn is_theirs(ctx: &Context<'_>, argument: &str, (prefix, id): (&str, &ID)) -> Result<bool> {
    let customer = match prefix {
        CustomerId::PREFIX => id_argument::<CustomerId>(argument, id)?,
        BalanceId::PREFIX => id_argument::<BalanceId>(argument, id)?.customer,
        EntryId::PREFIX => id_argument::<EntryId>(argument, id)?.balance.customer,
        GrantId::PREFIX => id_argument::<GrantId>(argument, id)?.balance.customer,
        HoldId::PREFIX => id_argument::<HoldId>(argument, id)?.balance.customer,
        PurchaseId::PREFIX => id_argument::<PurchaseId>(argument, id)?.balance.customer,
        other => return Ok(other == PurchaseOptionId::PREFIX),
    };
    Ok(ctx.may_see(customer))
}

/// A row by its id, as the node that it is.
async fn by<I, N, F>(ctx: &Context<'_>, argument: &str, id: &ID, wrap: F) -> Result<Option<Node>>
where
    I: std::str::FromStr<Err = IdError> + Send + Sync + std::hash::Hash + Eq + Clone + 'static,
    Batches: async_graphql::dataloader::Loader<I, Error = async_graphql::Error>,
    F: FnOnce(<Batches as async_graphql::dataloader::Loader<I>>::Value) -> N,
    N: Into<Node>,
{
    let id = id_argument::<I>(argument, id)?;
    Ok(ctx.loaders().find(id).await?.map(|row| wrap(row).into()))
}

/// The queries of nodes.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Whatever has this id; null when nothing has it.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An id of any kind, such as `\"cus_…\"`.")] id: ID,
    ) -> Option<Result<Node>> {
        find(ctx, "id", &id).await.transpose()
    }

    /// Whatever has these ids, in their order, with null in the place of what is not there.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids, of any kinds.")] ids: Vec<ID>,
    ) -> Option<Result<Vec<Option<Result<Node>>>>> {
        if ids.len() > MAX_NODES {
            let message = format!("ids has {} entries; ask for at most {MAX_NODES} at once.", ids.len());
            return Some(Err(bad_input("ids", message)));
        }
        let find = async |(index, id): (usize, &ID)| find(ctx, &format!("ids.{index}"), id).await.transpose();
        Some(Ok(join_all(ids.iter().enumerate().map(find)).await))
    }
}
