//! The steps of making and revoking keys, and of beginning a portal session.

use super::model::{ApiKey, PortalSession, Scopes};
use super::store::{self, Kept};
use super::token::{self, Secret};
use crate::base::fields::{self, optional};
use crate::base::given::Given;
use crate::base::ids::{ApiKeyId, CustomerId, Ids};
use crate::base::problem::{Problem, all};
use crate::base::time::Time;
use crate::db::{DbError, Failure, Txn};

/// How long a portal session may last, in seconds.
pub(super) const PORTAL_SECONDS: std::ops::RangeInclusive<i64> = 60..=86_400;
/// The longest name of a key.
const MAX_NAME: usize = 200;

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// For people: 1 to 200 characters.
    pub name: String,
    /// What it may do; at least one.
    pub scopes: Scopes,
    /// From when on it is taken no more; later than now.
    pub expires_at: Option<Given<Time>>,
}

/// Makes a key; answers it with its secret, which nobody can be told again.
///
/// # Errors
/// Invalid.
pub async fn create_key(txn: &mut Txn, ids: &Ids, now: Time, new: &NewKey) -> Result<(ApiKey, String), Failure> {
    let no_scopes = || Problem::invalid(&["scopes"], "scopes is empty; name at least one.");
    let expires_at = optional(new.expires_at.as_ref(), |given| {
        let end = *given.read(&["expiresAt"])?;
        let message = "expiresAt is over; name a time that is to come.";
        if end > now { Ok(end) } else { Err(Problem::invalid(&["expiresAt"], message)) }
    });
    let (name, (), expires_at) = all((
        fields::text(&["name"], &new.name, MAX_NAME),
        if new.scopes.is_empty() { Err(no_scopes()) } else { Ok(()) },
        expires_at,
    ))?;
    let id = ApiKeyId(ids.uuid(now));
    let secret = Secret::new(id, ids.bytes::<{ token::RANDOM }>());
    let key = ApiKey {
        id,
        name,
        scopes: new.scopes,
        hint: secret.hint(),
        created_at: now,
        last_used_at: None,
        expires_at,
        revoked_at: None,
    };
    store::insert_key(txn, &Kept { key: key.clone(), hash: secret.hash() }).await?;
    Ok((key, secret.shown()))
}

/// Revokes a key; one that is revoked is answered as it is.
///
/// # Errors
/// Not found.
pub async fn revoke_key(txn: &mut Txn, now: Time, id: ApiKeyId) -> Result<ApiKey, Failure> {
    let found = store::revoke_key(txn, id, now).await?;
    Ok(found.ok_or_else(|| Problem::not_found(&["id"], "API key", id.to_string()))?)
}

/// Ends the portal sessions of a customer that have begun by now.
///
/// # Errors
/// Those of the database.
pub async fn end_portal_sessions(txn: &mut Txn, customer: CustomerId, now: Time) -> Result<(), DbError> {
    store::put_ending(txn, customer, now).await
}

/// A portal session that begins now.
///
/// # Errors
/// It is too short or too long.
pub fn portal_session(customer: CustomerId, now: Time, seconds: i64) -> Result<PortalSession, Problem> {
    let (least, most) = (PORTAL_SECONDS.start(), PORTAL_SECONDS.end());
    let end = now.micros().saturating_add(seconds.saturating_mul(1_000_000));
    match Time::from_micros(end) {
        Some(expires_at) if PORTAL_SECONDS.contains(&seconds) => {
            Ok(PortalSession { customer, began_at: now, expires_at })
        }
        _ => Err(Problem::invalid(&["ttlSeconds"], format!("ttlSeconds is {seconds}; take {least} to {most}."))),
    }
}
