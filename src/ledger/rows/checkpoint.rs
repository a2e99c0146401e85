//! Rows of checkpoints: what is open of a balance behind some of its entries.

use diesel::sql_types::{BigInt, Integer, Text};

use crate::base::ids::CustomerId;
use crate::base::time::Time;
use crate::db::DbError;
use crate::db::bulk::bulk_insert;
use crate::db::schema::checkpoints;
use crate::db::types::{Id, JsonText, Micros};
use crate::ledger::codec;
use crate::ledger::model::{Account, Hold, Lot};

bulk_insert! {
    /// A checkpoint.
    pub(in crate::ledger) struct CheckpointRow of checkpoints {
        customer_id: CustomerId as Id,
        balance: i32 as Integer,
        recorded_at: Time as Micros,
        sequence: i64 as BigInt,
        lots: JsonText as Text,
        holds: JsonText as Text,
    }
}

impl CheckpointRow {
    /// Behind the newest entry of an account.
    pub(in crate::ledger) fn of(account: &Account) -> Self {
        Self {
            customer_id: account.id.customer,
            balance: account.id.number,
            recorded_at: account.recorded_at,
            sequence: account.sequence,
            lots: codec::write_lots(&account.lots),
            holds: codec::write_holds(&account.holds),
        }
    }

    /// The lots in burning order and the holds in order of creation.
    pub(in crate::ledger) fn open(&self) -> Result<(Vec<Lot>, Vec<Hold>), DbError> {
        Ok((codec::read_lots(&self.lots)?, codec::read_holds(&self.holds)?))
    }
}
