//! Who subscribes to what in the demo, and what they have of their own. A repeat changes nothing.

use super::{customer_id, decimal};
use crate::app::App;
use crate::base::given::Given;
use crate::base::idempotency::{Key, Scope};
use crate::base::ids::{CustomerId, ProductId, SubscriptionId};
use crate::base::patch::Patch;
use crate::base::problem::Problem;
use crate::base::time::{DAY, Time};
use crate::catalog::plans::input::{GivenCredit, GivenOptions};
use crate::catalog::plans::model::Plan;
use crate::catalog::plans::store::find_plan_by_key;
use crate::catalog::store::find_of_any_kind_by_key;
use crate::db::Failure;
use crate::intake::PlanOrder;
use crate::subscriptions::input::{Ask, GivenOverride, NewSubscription, Timing};

/// How many days before the demo's history the first subscriptions began: so each has renewed since.
const EARLIER: i64 = 10;

/// Subscribes some of the customers, in the past.
///
/// # Errors
/// Those of the services that it uses.
pub(super) async fn subscribe(app: &App, begin: Time) -> Result<(), Failure> {
    let earlier = begin.plus_micros(-EARLIER.saturating_mul(DAY)).unwrap_or(begin);
    // A large customer has negotiated: more credits, more of them roll over, an earlier warning, more seats.
    let credit = GivenCredit {
        included_credits: Patch::Set(decimal("8000")?),
        rollover_limit: Patch::Set(decimal("2500")?),
        low_balance_threshold: Patch::Set(decimal("500")?),
        ..GivenCredit::default()
    };
    let own = vec![
        GivenOverride {
            product: product(app, super::PRODUCT).await?.into(),
            options: GivenOptions::Credit(Box::new(credit)),
        },
        GivenOverride {
            product: product(app, "workspace_seats").await?.into(),
            options: GivenOptions::Seat(Patch::Keep, Patch::Set(25)),
        },
    ];
    one(app, ("hooli", "scale"), Some(earlier), own).await?;
    one(app, ("globex", "team"), Some(earlier), Vec::new()).await?;
    one(app, ("soylent", "team"), Some(earlier), Vec::new()).await?;
    Ok(())
}

/// What is yet to come: a change of plan, an end, a beginning.
///
/// # Errors
/// Those of the services that it uses.
pub(super) async fn plan_ahead(app: &App) -> Result<(), Failure> {
    let scale = plan(app, "scale").await?;
    let id = one(app, ("globex", "team"), None, Vec::new()).await?;
    let ask = Ask::Change { plan: scale.id, timing: Timing::PeriodEnd };
    app.intake.subscribe(PlanOrder::Change { id, ask }).await?;
    let id = one(app, ("soylent", "team"), None, Vec::new()).await?;
    app.intake.subscribe(PlanOrder::Change { id, ask: Ask::Cancel { timing: Timing::PeriodEnd } }).await?;
    let soon = app.clock.now().plus_micros(5_i64.saturating_mul(DAY));
    one(app, ("vandelay", "team"), soon, Vec::new()).await.map(drop)
}

/// One subscription, which may be there already.
async fn one(
    app: &App,
    (customer, key): (&str, &str),
    starts_at: Option<Time>,
    overrides: Vec<GivenOverride>,
) -> Result<SubscriptionId, Failure> {
    let customer: CustomerId = customer_id(app, customer).await?;
    let plan = plan(app, key).await?.id;
    let new = NewSubscription {
        customer,
        plan: plan.into(),
        starts_at: starts_at.map(Given::from),
        overrides,
        metadata: None,
    };
    let key = Key::of(Scope::Api, format!("demo-{key}"), "demo");
    Ok(app.intake.subscribe(PlanOrder::Create { new, key }).await?.subscription.id)
}

async fn plan(app: &App, key: &str) -> Result<Plan, Failure> {
    let found = find_plan_by_key(&mut app.db.read().await?, key).await?;
    Ok(found.ok_or_else(|| Problem::not_found(&[], "plan", key))?)
}

async fn product(app: &App, key: &str) -> Result<ProductId, Failure> {
    let found = find_of_any_kind_by_key(&mut app.db.read().await?, key).await?;
    Ok(found.ok_or_else(|| Problem::not_found(&[], "product", key))?.id())
}
