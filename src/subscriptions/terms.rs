//! What a subscription means for the customer's balances (S2): pure, from its timeline and the versions of its plans.

use std::collections::BTreeSet;

use super::model::{Phase, Subscription};
use crate::base::ids::ProductId;
use crate::base::time::Time;
use crate::catalog::plans::model::{CreditOptions, ItemOptions};
use crate::catalog::plans::options::merged;
use crate::catalog::snapshot::Snapshot;
use crate::ledger::plan::{Included, PlanTerms, Stretch};

/// The options of a product that are in force in a phase; `None` when its version does not hold the product.
#[must_use]
pub fn in_force(phase: &Phase, product: ProductId, catalog: &Snapshot) -> Option<ItemOptions> {
    let (_, item) = catalog.plan_version(phase.version)?.item(product)?;
    Some(match phase.set(product) {
        Some(own) => merged(own, &item.options),
        None => item.options.clone(),
    })
}

fn credit_in_force(phase: &Phase, product: ProductId, catalog: &Snapshot) -> Option<CreditOptions> {
    match in_force(phase, product, catalog)? {
        ItemOptions::Credit(credit) => Some(credit),
        _ => None,
    }
}

fn stretch(from: Time, phase: &Phase, options: CreditOptions) -> Stretch {
    let included = Included {
        credits: options.included_credits.unwrap_or_default(),
        expiration: options.included_expiration.unwrap_or_default(),
        rollover: options.rollover_limit.unwrap_or_default(),
    };
    Stretch { from, calendar: phase.calendar, included, layer: options.layer }
}

/// What a subscription says of the balance of a product, from its current or first period on; `None` when it says nothing.
/// Since which entry of the balance is for the caller to say.
#[must_use]
pub fn plan_terms(subscription: &Subscription, product: ProductId, catalog: &Snapshot) -> Option<PlanTerms> {
    let from = subscription.period.map_or(subscription.starts_at, |period| period.start);
    let now = credit_in_force(&subscription.phase, product, catalog);
    let next = subscription.next.as_ref();
    let then = next.and_then(|next| {
        Some((next.at, stretch(next.at, &next.phase, credit_in_force(&next.phase, product, catalog)?)))
    });
    let leaves = next.map(|next| next.at).filter(|_| then.is_none());
    let until = leaves.into_iter().chain(subscription.ends_at).min();
    let stretches: Vec<Stretch> = now
        .map(|options| stretch(from, &subscription.phase, options))
        .into_iter()
        .chain(then.map(|(_, stretch)| stretch))
        .filter(|stretch| until.is_none_or(|until| stretch.from < until))
        .collect();
    let subscription = subscription.id.number;
    (!stretches.is_empty()).then_some(PlanTerms { subscription, since: 0, stretches, until })
}

/// The credit products that a subscription has, or will have from the next period on.
#[must_use]
pub fn credit_products(subscription: &Subscription, catalog: &Snapshot) -> BTreeSet<ProductId> {
    let phases = [Some(&subscription.phase), subscription.next.as_ref().map(|next| &next.phase)];
    let versions = phases.into_iter().flatten().filter_map(|phase| catalog.plan_version(phase.version));
    let items = versions.flat_map(|version| version.content.items.iter());
    items.filter(|item| item.options.credit().is_some()).map(|item| item.product).collect()
}
