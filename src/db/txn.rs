//! The one door to a transaction.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use diesel::connection::AnsiTransactionManager as SyncTransactions;
use diesel_async::{AnsiTransactionManager as Transactions, AsyncConnection, TransactionManager};
use tokio::sync::OwnedSemaphorePermit;

use super::url::OneFile;
use super::{Conn, Db, DbError, PgConn, SqliteConn};
use crate::base::chain::chain;

/// How often a transaction is tried that others are in the way of.
const ATTEMPTS: u32 = 8;

/// An open transaction. Dropped without [`Txn::commit`], it is rolled back and its connection thrown away.
pub struct Txn {
    conn: Conn,
    /// The turn of a snapshot, given back when it ends.
    _turn: Option<OwnedSemaphorePermit>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
    /// Of an embedded database that is written.
    file: Option<Arc<OneFile>>,
}

impl Deref for Txn {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Txn {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// An asynchronous function of a transaction whose future can move between threads; the second bound is how that is
/// said of an async closure today.
pub trait InTxn<'t, R>: AsyncFn(&'t mut Txn) -> R + Fn(&'t mut Txn) -> <Self as InTxn<'t, R>>::Future {
    /// What it returns.
    type Future: Future<Output = R> + Send;
}

impl<'t, F, R, Fut> InTxn<'t, R> for F
where
    F: AsyncFn(&'t mut Txn) -> R + Fn(&'t mut Txn) -> Fut,
    Fut: Future<Output = R> + Send,
{
    type Future = Fut;
}

impl Db {
    /// Runs `steps` in a transaction and commits it, or rolls it back when they fail. They run again when another
    /// transaction was in the way, so they may do nothing but read and write the database.
    ///
    /// # Errors
    /// Those of the steps, and of the database.
    pub async fn write<R, E, F>(&self, steps: F) -> Result<R, E>
    where
        F: for<'t> InTxn<'t, Result<R, E>>,
        E: From<DbError> + AsDbError,
    {
        let mut attempt = 1;
        loop {
            let mut txn = self.begin().await?;
            let result = match steps(&mut txn).await {
                Ok(value) => txn.commit().await.map(|()| value).map_err(E::from),
                Err(error) => {
                    txn.rollback().await;
                    Err(error)
                }
            };
            match result {
                Err(error) if attempt < ATTEMPTS && error.is_conflict() => attempt += 1,
                other => return other,
            }
        }
    }

    /// Opens a transaction; on SQLite it takes the write lock at once.
    ///
    /// # Errors
    /// [`DbError::Unavailable`].
    pub async fn begin(&self) -> Result<Txn, DbError> {
        let mut conn = self.writer().await?;
        conn.count_statement();
        match &mut conn {
            Conn::Postgres { conn, .. } => {
                <PgConn as AsyncConnection>::TransactionManager::begin_transaction(&mut ***conn).await?;
            }
            Conn::Sqlite { conn, .. } => {
                conn.spawn_blocking(|conn| SyncTransactions::begin_transaction_sql(conn, "BEGIN IMMEDIATE")).await?;
            }
        }
        Ok(Txn { conn, _turn: None, after_commit: Vec::new(), file: self.file().cloned() })
    }

    /// Opens a transaction that sees one state of the database, whatever others commit, and is only read in. It may take
    /// long, so there is one at a time: the other connections are for those who wait for an answer.
    ///
    /// # Errors
    /// [`DbError::Unavailable`].
    pub async fn long_snapshot(&self) -> Result<Txn, DbError> {
        let turn = self.snapshots.clone().acquire_owned().await.map_err(DbError::unavailable)?;
        Ok(Txn { _turn: Some(turn), ..self.snapshot().await? })
    }

    /// Opens a transaction that sees one state of the database, whatever others commit, and is only read in, a few
    /// statements long.
    ///
    /// # Errors
    /// [`DbError::Unavailable`].
    pub async fn snapshot(&self) -> Result<Txn, DbError> {
        let mut conn = self.read().await?;
        conn.count_statement();
        match &mut conn {
            Conn::Postgres { conn, .. } => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Transactions::begin_transaction_sql(&mut ***conn, begin).await?;
            }
            Conn::Sqlite { conn, .. } => {
                conn.spawn_blocking(|conn| SyncTransactions::begin_transaction_sql(conn, "BEGIN")).await?;
            }
        }
        Ok(Txn { conn, _turn: None, after_commit: Vec::new(), file: None })
    }
}

impl Txn {
    /// Does this once the transaction is committed, and never when it is not.
    pub fn after_commit(&mut self, then: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(then));
    }

    /// Commits, then does what was registered for after it.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when it is unknown whether the commit took place.
    pub async fn commit(mut self) -> Result<(), DbError> {
        self.conn.count_statement();
        match &mut self.conn {
            Conn::Postgres { conn, .. } => {
                <PgConn as AsyncConnection>::TransactionManager::commit_transaction(&mut ***conn).await?;
            }
            Conn::Sqlite { conn, .. } => {
                <SqliteConn as AsyncConnection>::TransactionManager::commit_transaction(&mut **conn).await?;
            }
        }
        let Self { conn, after_commit, file, .. } = self;
        drop(conn);
        // A commit into a file that was moved or deleted must not be acknowledged.
        file.map_or(Ok(()), |file| file.check())?;
        for then in after_commit {
            then();
        }
        Ok(())
    }

    /// Rolls back. That it fails changes nothing: a connection with an open transaction is thrown away.
    pub async fn rollback(mut self) {
        self.conn.count_statement();
        let result = match &mut self.conn {
            Conn::Postgres { conn, .. } => {
                <PgConn as AsyncConnection>::TransactionManager::rollback_transaction(&mut ***conn).await
            }
            Conn::Sqlite { conn, .. } => {
                <SqliteConn as AsyncConnection>::TransactionManager::rollback_transaction(&mut **conn).await
            }
        };
        if let Err(error) = result {
            tracing::debug!(error = %chain(&error), "rollback failed");
        }
    }
}

/// An error that may be one of the database.
pub trait AsDbError {
    /// The database's error, if it is one.
    fn as_db_error(&self) -> Option<&DbError>;

    /// Whether the same again may succeed.
    fn is_conflict(&self) -> bool {
        matches!(self.as_db_error(), Some(DbError::Conflict(_)))
    }
}

impl AsDbError for DbError {
    fn as_db_error(&self) -> Option<&DbError> {
        Some(self)
    }
}
