//! The settings that are in force for a balance, and when credits end. For each setting the nearest wins: the balance,
//! then the layers between, then the product.

use super::model::{ConsumptionRule, CreditProduct, Expiration};
use crate::base::credits::Credits;
use crate::base::ids::PurchaseOptionId;
use crate::base::settings::{CreditLayer, Overdraft, Overrides};
use crate::base::time::{DAY, Time};

/// What one layer between the product and what is in force says; `None` says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layer<'a> {
    /// The balance's name.
    pub name: Option<&'a str>,
    /// Warn when what is available is at or below this.
    pub low_balance_threshold: Option<Credits>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Option<Overdraft>,
    /// Which usage burns credits.
    pub consumption: Option<&'a [ConsumptionRule]>,
    /// How bought, topped-up and starting credits end.
    pub expiration: Option<Expiration>,
    /// Which of the product's purchase options are offered.
    pub purchase_options: Option<&'a [PurchaseOptionId]>,
}

impl<'a> From<&'a Overrides> for Layer<'a> {
    fn from(own: &'a Overrides) -> Self {
        Self {
            name: own.name.as_deref(),
            low_balance_threshold: own.low_balance_threshold,
            overdraft: own.overdraft,
            ..Self::default()
        }
    }
}

impl<'a> From<&'a CreditLayer> for Layer<'a> {
    fn from(layer: &'a CreditLayer) -> Self {
        Self {
            name: None,
            low_balance_threshold: layer.low_balance_threshold,
            overdraft: layer.overdraft,
            consumption: layer.consumption.as_deref(),
            expiration: layer.expiration,
            purchase_options: layer.purchase_options.as_deref(),
        }
    }
}

/// The settings in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings<'a> {
    /// The balance's name: the product's, when nothing else is said.
    pub name: &'a str,
    /// Warn when what is available is at or below this.
    pub low_balance_threshold: Option<Credits>,
    /// What happens when usage exceeds what is available.
    pub overdraft: Overdraft,
    /// Which usage burns credits, in order.
    pub consumption: &'a [ConsumptionRule],
    /// How bought, topped-up and starting credits end.
    pub expiration: Expiration,
    /// Which of the product's purchase options are offered; `None` is all.
    pub purchase_options: Option<&'a [PurchaseOptionId]>,
}

/// The settings in force under these layers, the nearest first.
#[must_use]
pub fn layered<'a>(product: &'a CreditProduct, layers: &[Layer<'a>]) -> Settings<'a> {
    let layers = || layers.iter().copied();
    Settings {
        name: layers().find_map(|layer| layer.name).unwrap_or(&product.name),
        low_balance_threshold: layers().find_map(|layer| layer.low_balance_threshold).or(product.low_balance_threshold),
        overdraft: layers().find_map(|layer| layer.overdraft).unwrap_or(product.overdraft),
        consumption: layers().find_map(|layer| layer.consumption).unwrap_or(&product.consumption),
        expiration: layers().find_map(|layer| layer.expiration).unwrap_or(product.expiration),
        purchase_options: layers().find_map(|layer| layer.purchase_options),
    }
}

/// When credits end that begin at `effective_at` and say nothing themselves; `None` is never, and so is an end beyond
/// the year 9999.
#[must_use]
pub fn expiry(expiration: Expiration, effective_at: Time) -> Option<Time> {
    match expiration {
        Expiration::Never => None,
        Expiration::AfterDays(days) => effective_at.plus_micros(i64::from(days).checked_mul(DAY)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ProductId;
    use crate::base::json::CanonicalJson;

    fn product() -> CreditProduct {
        CreditProduct {
            id: ProductId(uuid::Uuid::nil()),
            key: "ai".into(),
            name: "AI credits".into(),
            description: None,
            metadata: CanonicalJson::empty_object(),
            unit_name: "credit".into(),
            consumption: vec![],
            low_balance_threshold: Some(Credits::from_micros(10)),
            overdraft: Overdraft::Allow { limit: None },
            expiration: Expiration::AfterDays(30),
            created_at: Time::MIN,
            updated_at: Time::MIN,
            archived_at: None,
        }
    }

    #[test]
    fn the_nearest_setting_wins_each_by_itself() {
        let product = product();
        let own = Overrides { overdraft: Some(Overdraft::Deny), ..Overrides::default() };
        let settings = layered(&product, &[(&own).into()]);
        assert_eq!((settings.name, settings.overdraft), ("AI credits", Overdraft::Deny));
        assert_eq!(settings.low_balance_threshold, Some(Credits::from_micros(10)));
        assert_eq!(own.set(), ["overdraft"]);

        let between =
            Layer { overdraft: Some(Overdraft::Allow { limit: None }), name: Some("Plan"), ..Layer::default() };
        let settings = layered(&product, &[(&own).into(), between]);
        assert_eq!((settings.name, settings.overdraft), ("Plan", Overdraft::Deny));
    }

    #[test]
    fn days_are_of_24_hours_and_an_end_that_cannot_be_written_is_never() {
        let begin = Time::parse("2026-03-28T12:00:00Z").unwrap();
        assert_eq!(expiry(Expiration::AfterDays(2), begin), Time::parse("2026-03-30T12:00:00Z"));
        assert_eq!(expiry(Expiration::Never, begin), None);
        assert_eq!(expiry(Expiration::AfterDays(1), Time::MAX), None);
    }
}
