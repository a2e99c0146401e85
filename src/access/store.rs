//! The tables of access, and nobody else's.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::model::{ApiKey, Scopes};
use crate::base::ids::{ApiKeyId, CustomerId};
use crate::base::page::{Page, PageRequest};
use crate::base::time::Time;
use crate::db::schema::{api_keys, portal_endings, server_secrets};
use crate::db::{Conn, DbError, Txn, on};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = api_keys)]
struct KeyRow {
    id: ApiKeyId,
    name: String,
    scopes: i16,
    secret_hash: Vec<u8>,
    hint: String,
    created_at: Time,
    last_used_at: Option<Time>,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
}

/// A key, and what is kept of its secret.
pub(super) struct Kept {
    pub(super) key: ApiKey,
    pub(super) hash: [u8; 32],
}

impl KeyRow {
    fn of(kept: &Kept) -> Self {
        let key = kept.key.clone();
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes.0,
            secret_hash: kept.hash.to_vec(),
            hint: key.hint,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }

    fn kept(self) -> Result<Kept, DbError> {
        let hash = self.secret_hash.try_into();
        let key = ApiKey {
            id: self.id,
            name: self.name,
            scopes: Scopes(self.scopes),
            hint: self.hint,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        };
        Ok(Kept { hash: hash.map_err(|_| DbError::Corrupt(format!("the hash of {}", key.id)))?, key })
    }
}

/// Adds a key.
///
/// # Errors
/// Those of the database.
pub(super) async fn insert_key(txn: &mut Txn, kept: &Kept) -> Result<(), DbError> {
    let row = KeyRow::of(kept);
    on!(txn, |c| diesel::insert_into(api_keys::table).values(&row).execute(c)).map(drop)
}

/// Revokes a key, unless it is revoked; answers it as it is then.
///
/// # Errors
/// Those of the database.
pub(super) async fn revoke_key(txn: &mut Txn, id: ApiKeyId, now: Time) -> Result<Option<ApiKey>, DbError> {
    let open = api_keys::table.filter(api_keys::id.eq(id)).filter(api_keys::revoked_at.is_null());
    on!(txn, |c| diesel::update(open).set(api_keys::revoked_at.eq(Some(now))).execute(c))?;
    Ok(find_keys(txn, &[id]).await?.pop().map(|kept| kept.key))
}

/// Notes that a key was used.
///
/// # Errors
/// Those of the database.
pub(super) async fn touch_key(txn: &mut Txn, id: ApiKeyId, used_at: Time) -> Result<(), DbError> {
    let earlier = api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(used_at));
    let row = api_keys::table.filter(api_keys::id.eq(id)).filter(earlier);
    on!(txn, |c| diesel::update(row).set(api_keys::last_used_at.eq(Some(used_at))).execute(c)).map(drop)
}

/// The keys with these ids, in one statement.
///
/// # Errors
/// Those of the database.
pub(super) async fn find_keys(conn: &mut Conn, ids: &[ApiKeyId]) -> Result<Vec<Kept>, DbError> {
    let rows: Vec<KeyRow> =
        on!(conn, |c| api_keys::table.filter(api_keys::id.eq_any(ids)).select(KeyRow::as_select()).load(c))?;
    rows.into_iter().map(KeyRow::kept).collect()
}

/// The key with this id.
///
/// # Errors
/// Those of the database.
pub async fn find_key(conn: &mut Conn, id: ApiKeyId) -> Result<Option<ApiKey>, DbError> {
    Ok(find_keys(conn, &[id]).await?.pop().map(|kept| kept.key))
}

/// A page of keys, newest first, revoked and expired ones too.
///
/// # Errors
/// Those of the database.
pub async fn list_keys(conn: &mut Conn, page: &PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, DbError> {
    let rows: Vec<KeyRow> = on!(conn, |c, B| {
        let mut query = api_keys::table.select(KeyRow::as_select()).into_boxed::<B>();
        if let Some(id) = &page.after {
            query = query.filter(api_keys::id.lt(id));
        }
        if let Some(id) = &page.before {
            query = query.filter(api_keys::id.gt(id));
        }
        query = if page.is_backward() { query.order(api_keys::id.asc()) } else { query.order(api_keys::id.desc()) };
        query.limit(page.probe()).load(c)
    })?;
    let found = rows.into_iter().map(|row| row.kept().map(|kept| kept.key)).collect::<Result<_, _>>()?;
    Ok(Page::of(page, found))
}

/// Whether any key is taken at this instant.
///
/// # Errors
/// Those of the database.
pub async fn has_key(conn: &mut Conn, now: Time) -> Result<bool, DbError> {
    let taken = api_keys::table
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)));
    let found: i64 = on!(conn, |c| taken.count().get_result(c))?;
    Ok(found > 0)
}

/// Notes that the portal sessions of a customer are over that began at an instant or before.
///
/// # Errors
/// Those of the database.
pub(super) async fn put_ending(txn: &mut Txn, customer: CustomerId, at: Time) -> Result<(), DbError> {
    let row = (portal_endings::customer_id.eq(customer), portal_endings::ended_at.eq(at));
    on!(txn, |c| diesel::insert_into(portal_endings::table)
        .values(row)
        .on_conflict(portal_endings::customer_id)
        .do_update()
        .set(portal_endings::ended_at.eq(at))
        .execute(c))
    .map(drop)
}

/// Customers whose portal sessions were ended after an instant, with the time.
///
/// # Errors
/// Those of the database.
pub(super) async fn list_endings(conn: &mut Conn, after: Time) -> Result<Vec<(CustomerId, Time)>, DbError> {
    on!(conn, |c| portal_endings::table
        .filter(portal_endings::ended_at.gt(after))
        .select((portal_endings::customer_id, portal_endings::ended_at))
        .load(c))
}

/// A secret that the servers on one database share, by its name.
///
/// # Errors
/// Those of the database.
pub(super) async fn find_secret(conn: &mut Conn, name: &str) -> Result<Option<Vec<u8>>, DbError> {
    let mut found: Vec<Vec<u8>> =
        on!(conn, |c| server_secrets::table.find(name).select(server_secrets::value).load(c))?;
    Ok(found.pop())
}

/// Keeps a secret, unless there is one of that name.
///
/// # Errors
/// Those of the database.
pub(super) async fn insert_secret(txn: &mut Txn, name: &str, value: &[u8]) -> Result<(), DbError> {
    let row = (server_secrets::name.eq(name), server_secrets::value.eq(value));
    on!(txn, |c| diesel::insert_into(server_secrets::table).values(row).on_conflict_do_nothing().execute(c)).map(drop)
}
