//! What callers ask of subscriptions: plain values, of the right form but not judged yet.

use serde_json::{Map, Value, json};

use crate::base::decimal::Decimal;
use crate::base::given::Given;
use crate::base::ids::{CustomerId, PlanId, ProductId, SubscriptionId};
use crate::base::page::{Age, PageRequest};
use crate::base::patch::Patch;
use crate::base::time::Time;
use crate::catalog::input::{
    ExpirationPolicy, GivenExpiration, GivenOverdraft, GivenPrice, GivenRule, OverdraftPolicy,
};
use crate::catalog::plans::input::{GivenCredit, GivenOptions};
use crate::subscriptions::model::Status;

/// A subscription to be made.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Who subscribes.
    pub customer: CustomerId,
    /// To which plan: its latest version.
    pub plan: Given<PlanId>,
    /// When it starts; now when absent.
    pub starts_at: Option<Given<Time>>,
    /// What it sets itself.
    pub overrides: Vec<GivenOverride>,
    /// Absent is `{}`.
    pub metadata: Option<Value>,
}

/// What a subscription is to set itself of a product.
#[derive(Clone, Debug)]
pub struct GivenOverride {
    /// The product.
    pub product: Given<ProductId>,
    /// What is set.
    pub options: GivenOptions,
}

/// When a change takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// At once.
    Now,
    /// At the end of the period.
    PeriodEnd,
}

/// What is asked of a subscription that is there.
#[derive(Clone, Debug)]
pub enum Ask {
    /// It sets something else of a product; cleared: it inherits all of it again.
    Override {
        /// The product.
        product: ProductId,
        /// What is set.
        options: Patch<GivenOptions>,
    },
    /// It changes to the latest version of a plan.
    Change {
        /// The plan.
        plan: PlanId,
        /// When.
        timing: Timing,
    },
    /// It ends.
    Cancel {
        /// When.
        timing: Timing,
    },
    /// What has not happened yet is taken back.
    Resume,
    /// What time has done is written down.
    CatchUp,
}

/// A page of subscriptions.
#[derive(Clone, Debug)]
pub struct ListSubscriptions {
    /// Only this customer's.
    pub customer: Option<CustomerId>,
    /// Only those that are to this plan.
    pub plan: Option<PlanId>,
    /// Only those that stand so.
    pub status: Option<Vec<Status>>,
    /// Which page.
    pub page: PageRequest<Age<SubscriptionId>>,
}

impl NewSubscription {
    /// Its fields after coercion, by which the same input is known: what is absent or null says nothing.
    #[must_use]
    pub fn fields(&self) -> Value {
        let overrides: Vec<Value> = self
            .overrides
            .iter()
            .map(|own| json!({"product": own.product.to_string(), "options": options(&own.options)}))
            .collect();
        json!({
            "plan": self.plan.to_string(),
            "startsAt": self.starts_at.as_ref().map(ToString::to_string),
            "overrides": overrides,
        })
    }
}

/// Adds a field where something is said.
fn put<T>(fields: &mut Map<String, Value>, name: &str, given: &Patch<T>, value: impl FnOnce(&T) -> Value) {
    if let Patch::Set(given) = given {
        fields.insert(name.to_owned(), value(given));
    }
}

fn decimal(given: &Given<Decimal>) -> Value {
    given.canonical().into()
}

fn price(given: &GivenPrice) -> Value {
    json!({"amount": given.amount.canonical(), "currency": given.currency.to_string()})
}

fn expiration(given: &GivenExpiration) -> Value {
    let policy = match given.policy {
        ExpirationPolicy::Never => "NEVER",
        ExpirationPolicy::AfterDays => "AFTER_DAYS",
        ExpirationPolicy::EndOfPeriod => "END_OF_PERIOD",
    };
    json!({"policy": policy, "days": given.days})
}

fn overdraft(given: &GivenOverdraft) -> Value {
    let allowed = given.policy == OverdraftPolicy::Allow;
    json!({"allowed": allowed, "limit": given.limit.as_ref().map(decimal)})
}

fn rule(given: &GivenRule) -> Value {
    json!({"meter": given.meter.to_string(), "creditsPerUnit": decimal(&given.credits_per_unit)})
}

fn options(given: &GivenOptions) -> Value {
    let mut fields = Map::new();
    let out = &mut fields;
    let kind = match given {
        GivenOptions::Credit(credit) => {
            let GivenCredit { included_credits, included_expiration, rollover_limit, consumption, .. } = &**credit;
            put(out, "includedCredits", included_credits, decimal);
            put(out, "includedExpiration", included_expiration, expiration);
            put(out, "rolloverLimit", rollover_limit, decimal);
            put(out, "expiration", &credit.expiration, expiration);
            put(out, "lowBalanceThreshold", &credit.low_balance_threshold, decimal);
            put(out, "overdraft", &credit.overdraft, overdraft);
            put(out, "consumption", consumption, |rules| rules.iter().map(rule).collect());
            put(out, "purchaseOptions", &credit.purchase_options, |ids| {
                ids.iter().map(|id| Value::from(id.to_string())).collect()
            });
            "credit"
        }
        GivenOptions::FlatFee(given) => {
            put(out, "price", given, price);
            "flatFee"
        }
        GivenOptions::Seat(given, quantity) => {
            put(out, "price", given, price);
            put(out, "quantity", quantity, |quantity| (*quantity).into());
            "seat"
        }
        GivenOptions::Usage(given, included) => {
            put(out, "unitPrice", given, price);
            put(out, "includedUnits", included, decimal);
            "usage"
        }
    };
    let mut named = Map::new();
    named.insert(kind.to_owned(), Value::Object(fields));
    Value::Object(named)
}
