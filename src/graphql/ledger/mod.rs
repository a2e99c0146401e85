//! The ledger on the wire: credit balances, their entries and grants, what moves them, and the audit.

pub mod balances;
pub mod entries;
pub mod enums;
pub mod grants;
pub mod health;
pub mod history;
pub mod holds;
pub mod mutations;
pub mod payloads;

use async_graphql::MergedObject;

pub use balances::CreditBalance;
pub use entries::LedgerEntry;
pub use grants::Grant;
pub use holds::Hold;

/// The queries of the ledger.
#[derive(MergedObject, Default)]
pub struct LedgerQuery(balances::BalanceQuery, health::HealthQuery);

/// The mutations of the ledger.
#[derive(MergedObject, Default)]
pub struct LedgerMutation(
    mutations::BalanceMutation,
    mutations::CreditMutation,
    mutations::CorrectionMutation,
    holds::HoldMutation,
);
