//! JSON in text columns.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use scrip::db::types::JsonText;
use scrip::db::{Conn, DbError};

use crate::support::db::both;

/// Writes a value, as a statement would, and reads it.
async fn echo(conn: &mut Conn, value: JsonText) -> Result<JsonText, DbError> {
    let select = diesel::select(value.into_sql::<Text>());
    match conn {
        Conn::Postgres { conn, .. } => select.get_result(conn).await,
        Conn::Sqlite { conn, .. } => select.get_result(conn).await,
    }
    .map_err(DbError::from)
}

both!(value_without_a_json_form_fails_the_statement_that_writes_it, async |db| {
    let conn = &mut db.read().await.unwrap();
    let pairs = vec![(1, "a".to_owned())];
    let read = echo(conn, JsonText::of(&pairs)).await.unwrap();
    assert_eq!(read.read::<Vec<(i32, String)>>("pairs").unwrap(), pairs);
    // A member's name is a text.
    let unwritable = JsonText::of(&BTreeMap::from([((1, 2), 3)]));
    assert!(matches!(echo(conn, unwritable).await, Err(DbError::Query(_))));
    let other = echo(conn, JsonText::of(&"text")).await.unwrap();
    assert!(matches!(other.read::<Vec<i32>>("numbers"), Err(DbError::Corrupt(why)) if why.starts_with("numbers: ")));
});
