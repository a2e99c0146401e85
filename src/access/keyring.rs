//! The keyring of a process: who shows what, without asking the database each time.
//!
//! A key is read when it is shown first. Those that were shown are read again each second ([`Keyring::watch`]), which
//! also notes when they were last used, and reads whose portal sessions were ended. Streams ask at each such turn whether their caller still holds.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore, watch};

use super::model::{ApiKey, Caller, PortalSession};
use super::service::PORTAL_SECONDS;
use super::store;
use super::token::{Secret, Signer, is_portal, same};
use crate::base::chain::chain;
use crate::base::clock::Clock;
use crate::base::ids::{ApiKeyId, CustomerId, Ids};
use crate::base::time::{MINUTE, SECOND, Time};
use crate::db::{Db, DbError};

/// How often keys in use are read again.
const TURN: Duration = Duration::from_secs(1);
/// How much later a use must be than the one on record to be noted, in microseconds.
const NOTED: i64 = 60_000_000;
/// How long a key that is not known here waits to be looked up.
const PATIENCE: Duration = Duration::from_secs(5);
/// By how much what was ended may be noted later than it says, in microseconds.
const LATE: i64 = MINUTE;
/// The name of the secret that portal tokens are signed with.
const PORTAL_SECRET: &str = "portal";

/// Why nobody is let in.
#[derive(Debug)]
pub enum Refused {
    /// What was shown is not a key or token, or not any more: which of these is not said.
    Unknown,
    /// It cannot be told just now.
    Db(DbError),
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

struct Known {
    key: Arc<ApiKey>,
    hash: [u8; 32],
    /// When it was last used here, in microseconds.
    used_at: AtomicI64,
}

struct Inner {
    db: Db,
    clock: Clock,
    ids: Ids,
    known: RwLock<HashMap<ApiKeyId, Known>>,
    /// Customers whose portal sessions were ended, kept as long as such a session could last.
    endings: RwLock<Endings>,
    signer: OnceCell<Signer>,
    turns: watch::Sender<()>,
    /// One permit to look up a key that is not in memory, so that guessing keys keeps one connection busy at most.
    unknown: Semaphore,
}

/// When the portal sessions of customers were ended.
#[derive(Default)]
struct Endings {
    of: HashMap<CustomerId, Time>,
    /// The newest that is known; none before they were read at all.
    newest: Option<Time>,
}

impl Endings {
    /// True if a session has neither expired nor been ended.
    fn holds(&self, session: &PortalSession, now: Time) -> bool {
        now < session.expires_at && self.of.get(&session.customer).is_none_or(|end| *end < session.began_at)
    }
}

/// Who is let in, shared by all requests.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

impl Keyring {
    /// One that knows nobody yet.
    #[must_use]
    pub fn new(db: &Db, clock: &Clock, ids: &Ids) -> Self {
        Self(Arc::new(Inner {
            db: db.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            known: RwLock::default(),
            endings: RwLock::default(),
            signer: OnceCell::new(),
            turns: watch::Sender::new(()),
            unknown: Semaphore::new(1),
        }))
    }

    /// Who shows this.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn admit(&self, shown: &str) -> Result<Caller, Refused> {
        let now = self.0.clock.now();
        if is_portal(shown) {
            let session = self.signer().await?.read(shown).ok_or(Refused::Unknown)?;
            let endings = self.0.endings.read().unwrap_or_else(PoisonError::into_inner);
            return if endings.holds(&session, now) { Ok(Caller::Portal(session)) } else { Err(Refused::Unknown) };
        }
        let (id, secret) = Secret::read(shown).ok_or(Refused::Unknown)?;
        let hash = secret.hash();
        if let Some(found) = self.look_up(id, &hash, now) {
            return found;
        }
        let kept = {
            let turn = tokio::time::timeout(PATIENCE, self.0.unknown.acquire()).await;
            let _turn = turn.map_err(DbError::unavailable)?.map_err(DbError::unavailable)?;
            let mut conn = self.0.db.read().await?;
            store::find_keys(&mut conn, &[id]).await?.pop().ok_or(Refused::Unknown)?
        };
        // Only a key that was truly shown is kept in mind: nobody fills the memory by guessing.
        if !same(&kept.hash, &hash) || !kept.key.is_taken(now) {
            return Err(Refused::Unknown);
        }
        let key = Arc::new(kept.key);
        let known = Known { key: key.clone(), hash: kept.hash, used_at: AtomicI64::new(now.micros()) };
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).insert(id, known);
        Ok(Caller::Key(key))
    }

    /// The key as it is known here; `None` when it is not.
    fn look_up(&self, id: ApiKeyId, hash: &[u8; 32], now: Time) -> Option<Result<Caller, Refused>> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&id)?;
        if !same(&known.hash, hash) || !known.key.is_taken(now) {
            return Some(Err(Refused::Unknown));
        }
        known.used_at.fetch_max(now.micros(), Ordering::Relaxed);
        Some(Ok(Caller::Key(known.key.clone())))
    }

    /// Whether a caller who was let in would be let in now.
    #[must_use]
    pub fn holds(&self, caller: &Caller) -> bool {
        let now = self.0.clock.now();
        match caller {
            Caller::Local => true,
            Caller::Portal(session) => {
                self.0.endings.read().unwrap_or_else(PoisonError::into_inner).holds(session, now)
            }
            Caller::Key(key) => {
                let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
                known.get(&key.id).is_some_and(|known| known.key.is_taken(now))
            }
        }
    }

    /// Returns when a caller who was let in would be let in no more.
    pub async fn ended(&self, caller: &Caller) {
        let mut turns = self.0.turns.subscribe();
        while self.holds(caller) {
            if turns.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// The token of a portal session.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sign(&self, session: PortalSession) -> Result<String, DbError> {
        Ok(self.signer().await?.sign(session))
    }

    async fn signer(&self) -> Result<&Signer, DbError> {
        self.0
            .signer
            .get_or_try_init(async || {
                // The ended sessions must be known before the first token is accepted.
                self.read_endings().await?;
                let found = store::find_secret(&mut self.0.db.read().await?, PORTAL_SECRET).await?;
                let secret = match found {
                    Some(secret) => secret,
                    None => self.make_secret().await?,
                };
                Signer::new(&secret).ok_or_else(|| DbError::Corrupt("the secret of portal tokens".to_owned()))
            })
            .await
    }

    /// The secret of portal tokens, made unless another server was first.
    async fn make_secret(&self) -> Result<Vec<u8>, DbError> {
        let new = self.0.ids.bytes::<32>();
        let kept = self
            .0
            .db
            .write(async |txn| {
                store::insert_secret(txn, PORTAL_SECRET, &new).await?;
                store::find_secret(txn, PORTAL_SECRET).await
            })
            .await?;
        kept.ok_or_else(|| DbError::Corrupt("the secret of portal tokens is not kept".to_owned()))
    }

    /// Reads the keys in use again each second, for ever.
    pub async fn watch(self) {
        loop {
            tokio::time::sleep(TURN).await;
            if let Err(error) = self.turn().await {
                let error = chain(&error);
                tracing::warn!(%error, "the keys in use could not be read again");
            }
        }
    }

    /// Reads the keys in use again, notes when they were used, and lets streams ask whether their caller still holds.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn turn(&self) -> Result<(), DbError> {
        // What ended by the clock alone ends even when the database is away, or does not answer.
        self.0.turns.send_replace(());
        // A server that never saw a portal token need not read which sessions were ended.
        let endings = if self.0.signer.initialized() { self.read_endings().await } else { Ok(()) };
        let read = endings.and(self.read_again().await);
        self.0.turns.send_replace(());
        read
    }

    /// Reads which portal sessions were ended since it was read last. Servers' clocks differ a little, and a transaction ends
    /// later than it begins: what is a little older is read again.
    async fn read_endings(&self) -> Result<(), DbError> {
        let now = self.0.clock.now();
        let before = |time: Time, micros: i64| time.plus_micros(micros.saturating_neg()).unwrap_or(Time::MIN);
        let longest = PORTAL_SECONDS.end().saturating_mul(SECOND);
        let newest = self.0.endings.read().unwrap_or_else(PoisonError::into_inner).newest;
        let after = newest.map_or_else(|| before(now, longest), |newest| before(newest, LATE));
        let found = store::list_endings(&mut self.0.db.read().await?, after).await?;
        let mut endings = self.0.endings.write().unwrap_or_else(PoisonError::into_inner);
        endings.newest = found.iter().map(|(_, end)| *end).chain(newest).max().or(Some(before(now, LATE)));
        endings.of.extend(found);
        endings.of.retain(|_, end| *end > before(now, longest));
        Ok(())
    }

    async fn read_again(&self) -> Result<(), DbError> {
        let mut conn = self.0.db.read().await?;
        let ids: Vec<ApiKeyId> = self.0.known.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let found = store::find_keys(&mut conn, &ids).await?;
        drop(conn);
        let (now, mut used) = (self.0.clock.now(), Vec::new());
        {
            let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
            // Who was let in since the keys were asked for is not among them.
            let taken: HashSet<ApiKeyId> =
                found.iter().filter(|kept| kept.key.is_taken(now)).map(|kept| kept.key.id).collect();
            let over: HashSet<ApiKeyId> = ids.into_iter().filter(|id| !taken.contains(id)).collect();
            for kept in found {
                let Some(known) = known.get_mut(&kept.key.id) else { continue };
                let used_at = known.used_at.load(Ordering::Relaxed);
                let noted = kept.key.last_used_at.map_or(i64::MIN, Time::micros);
                if used_at.saturating_sub(noted) >= NOTED {
                    used.extend(Time::from_micros(used_at).map(|used_at| (kept.key.id, used_at)));
                }
                known.key = Arc::new(kept.key);
            }
            known.retain(|id, _| !over.contains(id));
        }
        if used.is_empty() {
            return Ok(());
        }
        self.0
            .db
            .write(async |txn| {
                for (id, used_at) in &used {
                    store::touch_key(txn, *id, *used_at).await?;
                }
                Ok(())
            })
            .await
    }
}
