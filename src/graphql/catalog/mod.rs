//! The catalog on the wire: meters, products and their settings, purchase options.

pub mod meters;
pub mod options;
pub mod products;
pub mod settings;

use async_graphql::MergedObject;

pub use meters::Meter;
pub use options::PurchaseOption;
pub use products::{CreditProduct, Product, ProductKind};
pub use settings::{ConsumptionRule, Expiration, Overdraft};

/// The queries of the catalog.
#[derive(MergedObject, Default)]
pub struct CatalogQuery(meters::MeterQuery, products::ProductQuery);

/// The mutations of the catalog.
#[derive(MergedObject, Default)]
pub struct CatalogMutation(meters::MeterMutation, products::ProductMutation, options::OptionMutation);

/// What archives something.
#[derive(async_graphql::InputObject, Clone, Debug)]
pub struct ArchiveInput {
    /// The id of what to archive. Archiving is final; what is archived already is answered as it is.
    pub id: async_graphql::ID,
}
