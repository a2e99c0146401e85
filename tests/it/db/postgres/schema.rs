//! Both databases hold the same tables: columns in the same order with types that go together, the same keys and indexes;
//! and PostgreSQL describes each of them.

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use scrip::db::{DbUrl, PgConn};

use crate::support::db::TestDb;

/// One column, or one index, in words that are the same for both databases.
#[derive(QueryableByName, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// "table 3 column TYPE [NOT NULL] [KEY 1]", PostgreSQL's types by the names that SQLite has for what holds them.
const POSTGRES_COLUMNS: &str = "
    SELECT c.relname || ' ' || row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum) || ' ' || a.attname || ' ' || CASE format_type(a.atttypid, a.atttypmod)
               WHEN 'uuid' THEN 'BLOB' WHEN 'bytea' THEN 'BLOB' WHEN 'text' THEN 'TEXT'
               WHEN 'smallint' THEN 'INTEGER' WHEN 'integer' THEN 'INTEGER' WHEN 'bigint' THEN 'INTEGER'
               WHEN 'boolean' THEN 'INTEGER' WHEN 'timestamp with time zone' THEN 'INTEGER'
               ELSE format_type(a.atttypid, a.atttypmod) END
           || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
           || COALESCE(' KEY ' || array_position(k.conkey, a.attnum), '') AS line
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE '\\_\\_%'";

const SQLITE_COLUMNS: &str = "
    SELECT t.name || ' ' || (c.cid + 1) || ' ' || c.name || ' ' || c.type
           || CASE WHEN c.\"notnull\" THEN ' NOT NULL' ELSE '' END
           || CASE WHEN c.pk > 0 THEN ' KEY ' || c.pk ELSE '' END AS line
      FROM sqlite_schema t JOIN pragma_table_info(t.name) c
     WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'";

/// "table [UNIQUE] (columns) [PARTIAL]" of each index that is not the primary key's.
const POSTGRES_INDEXES: &str = "
    SELECT c.relname || CASE WHEN i.indisunique THEN ' UNIQUE' ELSE '' END
           || ' (' || (SELECT string_agg(pg_get_indexdef(i.indexrelid, place, false), ', ' ORDER BY place)
                         FROM generate_series(1, i.indnkeyatts) place) || ')'
           || CASE WHEN i.indpred IS NULL THEN '' ELSE ' PARTIAL' END AS line
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
     WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisprimary AND c.relname NOT LIKE '\\_\\_%'";

const SQLITE_INDEXES: &str = "
    SELECT t.name || CASE WHEN i.\"unique\" THEN ' UNIQUE' ELSE '' END
           || ' (' || (SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || ')'
           || CASE WHEN i.partial THEN ' PARTIAL' ELSE '' END AS line
      FROM sqlite_schema t JOIN pragma_index_list(t.name) i
     WHERE t.type = 'table' AND i.origin <> 'pk' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'";

#[derive(QueryableByName)]
struct Described {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    comment: Option<String>,
}

const COMMENTS: &str = "
    SELECT c.relname || COALESCE('.' || a.attname, '') AS name,
           CASE WHEN a.attnum IS NULL THEN obj_description(c.oid) ELSE col_description(c.oid, a.attnum) END AS comment
      FROM pg_class c
      LEFT JOIN LATERAL (SELECT attname, attnum FROM pg_attribute
                          WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                         UNION ALL SELECT NULL, NULL) a ON true
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE '\\_\\_%'";

async fn postgres(db: &TestDb, query: &str) -> Vec<String> {
    let lines: Vec<Line> = load_postgres(db, query).await;
    sorted(lines)
}

async fn load_postgres<T>(db: &TestDb, query: &str) -> Vec<T>
where
    T: QueryableByName<diesel::pg::Pg> + Send + 'static,
{
    let DbUrl::Postgres(url) = db.url() else { panic!("this is PostgreSQL") };
    let mut conn = <PgConn as diesel_async::AsyncConnection>::establish(url).await.unwrap();
    diesel_async::RunQueryDsl::load(diesel::sql_query(query), &mut conn).await.unwrap()
}

fn sqlite(db: &TestDb, query: &str) -> Vec<String> {
    let DbUrl::Sqlite(path) = db.url() else { panic!("this is SQLite") };
    let mut conn = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    let lines: Vec<Line> = diesel::sql_query(query).load(&mut conn).unwrap();
    sorted(lines)
}

fn sorted(lines: Vec<Line>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().map(|line| line.line).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let (embedded, server) = (TestDb::sqlite().await, TestDb::postgres().await);
    let columns = postgres(&server, POSTGRES_COLUMNS).await;
    assert!(columns.contains(&"meters 1 id BLOB NOT NULL KEY 1".to_owned()), "{columns:#?}");
    pretty_eq(&columns, &sqlite(&embedded, SQLITE_COLUMNS));
}

#[tokio::test]
async fn both_databases_have_the_same_indexes() {
    let (embedded, server) = (TestDb::sqlite().await, TestDb::postgres().await);
    let indexes = postgres(&server, POSTGRES_INDEXES).await;
    assert!(indexes.contains(&"meters UNIQUE (key)".to_owned()), "{indexes:#?}");
    pretty_eq(&indexes, &sqlite(&embedded, SQLITE_INDEXES));
}

#[tokio::test]
async fn every_table_and_column_is_described_in_postgres() {
    let server = TestDb::postgres().await;
    let all: Vec<Described> = load_postgres(&server, COMMENTS).await;
    assert!(all.iter().any(|one| one.name == "meters") && all.iter().any(|one| one.name == "meters.key"));
    let silent: Vec<&str> = all
        .iter()
        .filter(|one| one.comment.as_ref().is_none_or(|comment| comment.trim().is_empty()))
        .map(|one| one.name.as_str())
        .collect();
    assert!(silent.is_empty(), "add COMMENT ON … to migrations/postgres for {silent:?}");
}

fn pretty_eq(postgres: &[String], sqlite: &[String]) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    let (in_postgres, in_sqlite) = (only(postgres, sqlite), only(sqlite, postgres));
    assert!(
        in_postgres.is_empty() && in_sqlite.is_empty(),
        "the migrations differ\nonly in PostgreSQL: {in_postgres:#?}\nonly in SQLite: {in_sqlite:#?}"
    );
}
