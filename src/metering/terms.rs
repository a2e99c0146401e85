//! The settings in force for a balance at an instant: the nearest wins, the balance before what its subscription and plan
//! say, those before the product.

use crate::base::time::Time;
use crate::catalog::model::CreditProduct;
use crate::catalog::settings::{Settings, expiry, layered};
use crate::catalog::snapshot::Snapshot;
use crate::ledger::model::{Balance, Policy};

/// The settings of a balance of a product.
#[must_use]
pub fn settings_of<'a>(product: &'a CreditProduct, balance: &'a Balance, at: Time) -> Settings<'a> {
    let own = (&balance.own).into();
    match balance.stretch(at) {
        Some(stretch) => layered(product, &[own, (&stretch.layer).into()]),
        None => layered(product, &[own]),
    }
}

/// When credits end that begin at an instant and have no expiry of their own, by the settings in force at another.
#[must_use]
pub fn inherited_expiry(catalog: &Snapshot, balance: &Balance, (at, begins): (Time, Time)) -> Option<Time> {
    let product = catalog.product(balance.product)?;
    expiry(settings_of(product, balance, at).expiration, begins)
}

/// The policy of a balance of a product.
#[must_use]
pub fn policy_under(product: &CreditProduct, balance: &Balance, at: Time) -> Policy {
    let settings = settings_of(product, balance, at);
    Policy { threshold: settings.low_balance_threshold, overdraft: settings.overdraft }
}

/// The policy of a balance; none when its product is not in the catalog, which cannot be.
#[must_use]
pub fn policy_of(catalog: &Snapshot, balance: &Balance, at: Time) -> Policy {
    catalog.product(balance.product).map_or_else(Policy::default, |product| policy_under(product, balance, at))
}
