//! The catalog on the wire: meters, products and their settings, purchase options, plans.

pub mod meters;
pub mod options;
pub mod plan_items;
pub mod plans;
pub mod priced;
pub mod products;
pub mod settings;

use async_graphql::MergedObject;

pub use meters::Meter;
pub use options::PurchaseOption;
pub use plans::{Plan, PlanItem, PlanVersion};
pub use priced::{FlatFeeProduct, SeatProduct, UsageProduct};
pub use products::{CreditProduct, Product, ProductKind};
pub use settings::{ConsumptionRule, Expiration, ExpirationPolicy, Overdraft};

/// The queries of the catalog.
#[derive(MergedObject, Default)]
pub struct CatalogQuery(meters::MeterQuery, products::ProductQuery, plans::PlanQuery);

/// The mutations of the catalog.
#[derive(MergedObject, Default)]
pub struct CatalogMutation(
    meters::MeterMutation,
    products::ProductMutation,
    priced::PricedMutation,
    options::OptionMutation,
    plans::PlanMutation,
);

/// What archives something.
#[derive(async_graphql::InputObject, Clone, Debug)]
pub struct ArchiveInput {
    /// The id of what to archive. Archiving is final; what is archived already is answered as it is.
    pub id: async_graphql::ID,
}
