//! Notices between nodes: PostgreSQL's LISTEN and NOTIFY. Hints only; nothing is true because of one.

use std::time::Duration;

use diesel::QueryResult;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::StreamExt;

use super::connect::connect_postgres;
use super::{Conn, Db, DbError};
use crate::base::chain::chain;

/// The channel that all nodes on one database share.
const CHANNEL: &str = "scrip";
/// The longest text that a notice may be (PostgreSQL's limit is 8,000 bytes).
pub const MAX_NOTICE: usize = 7_900;
/// How long a listener waits before it tries to connect again.
const RETRY: Duration = Duration::from_millis(500);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Another node's text.
    Notice(String),
    /// It was deaf for a while, or has just begun to listen: everybody should look.
    Anything,
}

struct Notify<'a> {
    text: &'a str,
}

impl QueryId for Notify<'_> {
    type QueryId = Notify<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<diesel::pg::Pg> for Notify<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, diesel::pg::Pg>) -> QueryResult<()> {
        out.push_sql("SELECT pg_notify('scrip', ");
        out.push_bind_param::<Text, _>(self.text)?;
        out.push_sql(")");
        Ok(())
    }
}

/// Tells every node, when the transaction commits. One node has a SQLite database to itself and needs no telling.
///
/// # Errors
/// Those of the database.
pub async fn notify(conn: &mut Conn, text: &str) -> Result<(), DbError> {
    conn.count_statement();
    if let Conn::Postgres { conn, .. } = conn {
        Notify { text }.execute(conn).await?;
    }
    Ok(())
}

/// Listens for ever on a connection of its own and connects again when it is lost. Returns at once on SQLite.
pub async fn listen(db: Db, mut hear: impl FnMut(Heard) + Send) {
    let Some(url) = db.postgres_url() else { return };
    loop {
        if let Err(error) = listen_once(url, &mut hear).await {
            tracing::warn!(error = %chain(&error), "the listener lost its connection");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen_once(url: &str, hear: &mut (impl FnMut(Heard) + Send)) -> Result<(), DbError> {
    let mut conn = connect_postgres(url).await.map_err(DbError::unavailable)?;
    conn.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
    // What was said while nobody listened is made up for.
    hear(Heard::Anything);
    let mut notices = std::pin::pin!(conn.notifications_stream());
    while let Some(notice) = notices.next().await {
        hear(Heard::Notice(notice?.payload));
    }
    Ok(())
}
