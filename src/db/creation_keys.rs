//! Idempotency keys of what belongs to no customer: of customers themselves and of purchase options.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::schema::creation_keys;
use super::types::AnyId;
use super::{DbError, Failure, Txn, on};
use crate::base::idempotency::Key;
use crate::base::time::Time;

/// Takes a key for the thing that `made` is the id of, in the transaction that makes it. Answers the id of what the key
/// made before, which is then the answer; `None` when it is new, or when there is no key.
///
/// # Errors
/// A conflict, when the key was used before with another input.
pub async fn take_key(txn: &mut Txn, key: Option<&Key>, (made, now): (Uuid, Time)) -> Result<Option<Uuid>, Failure> {
    let Some(key) = key else { return Ok(None) };
    let row = (
        creation_keys::key.eq(&key.key),
        creation_keys::input_hash.eq(&key.input[..]),
        creation_keys::made.eq(AnyId(made)),
        creation_keys::created_at.eq(now),
    );
    // A transaction that has taken the same key is waited for here.
    let new = on!(txn, |c| diesel::insert_into(creation_keys::table).values(row).on_conflict_do_nothing().execute(c))?;
    if new == 1 {
        return Ok(None);
    }
    let mut known: Vec<(Vec<u8>, AnyId)> = on!(txn, |c| creation_keys::table
        .filter(creation_keys::key.eq(&key.key))
        .select((creation_keys::input_hash, creation_keys::made))
        .load(c))?;
    let (input, first) = known.pop().ok_or_else(DbError::overtaken)?;
    if input == key.input { Ok(Some(first.0)) } else { Err(key.conflict().into()) }
}
