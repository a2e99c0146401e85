//! Migrations that change what is there.

use std::fs;
use std::path::{Path, PathBuf};

use diesel_async::SimpleAsyncConnection;
use scrip::base::page::PageRequest;
use scrip::customers::input::ListCustomers;
use scrip::customers::store::list_customers;
use scrip::db::{Conn, migrate};

use crate::support::db::{TestDb, both};

/// Runs SQL as it stands.
async fn run(db: &TestDb, sql: &str) {
    let mut txn = db.begin().await.expect("the database answers");
    match &mut *txn {
        Conn::Postgres { conn, .. } => conn.batch_execute(sql).await,
        Conn::Sqlite { conn, .. } => conn.batch_execute(sql).await,
    }
    .unwrap_or_else(|error| panic!("{error}: {sql}"));
    txn.commit().await.expect("it can be committed");
}

/// The database as a program left it that knew migrations before `version` only.
async fn set_back(db: &TestDb, version: &str) {
    let (dialect, empty) = if db.is_postgres() {
        ("postgres", "DROP SCHEMA public CASCADE; CREATE SCHEMA public;".to_owned())
    } else {
        ("sqlite", drop_all_tables(db).await)
    };
    run(db, &empty).await;
    let moment = if db.is_postgres() { "timestamp" } else { "TIMESTAMP" };
    run(
        db,
        &format!(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL,
             run_on {moment} NOT NULL DEFAULT CURRENT_TIMESTAMP);"
        ),
    )
    .await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
    let mut known: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    known.sort();
    for migration in known {
        let name = migration.file_name().unwrap().to_string_lossy().replace('-', "");
        let this = name.split('_').next().unwrap().to_owned();
        if this.as_str() < version {
            run(db, &fs::read_to_string(migration.join("up.sql")).unwrap()).await;
            run(db, &format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{this}');")).await;
        }
    }
}

async fn drop_all_tables(db: &TestDb) -> String {
    #[derive(diesel::QueryableByName)]
    struct Table {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    let Conn::Sqlite { conn, .. } = &mut db.read().await.unwrap() else { panic!("this is SQLite") };
    let tables: Vec<Table> = diesel_async::RunQueryDsl::load(diesel::sql_query(query), conn).await.unwrap();
    tables.iter().map(|table| format!("DROP TABLE {}", table.name)).collect::<Vec<_>>().join(";")
}

both!(customers_of_an_older_version_are_found_after_the_migration, async |db| {
    set_back(db, "20261201000000").await;
    let (id, now) = if db.is_postgres() {
        ("'00000000-0000-7000-8000-000000000001'", "'2026-01-01T00:00:00Z'")
    } else {
        ("x'00000000000070008000000000000001'", "1767225600000000")
    };
    // The lower case of the last letter depends on where it stands: an older fold.
    run(
        db,
        &format!(
            "INSERT INTO customers (id, name, email, external_id, metadata, name_folded, last_balance, created_at,
             updated_at) VALUES ({id}, 'ΟΔΥΣΣΕΥΣ ΑΕ', 'ada@example.com', 'acme-7', '{{}}', 'οδυσσευς αε', 0, {now}, {now});"
        ),
    )
    .await;
    migrate(db.url()).await.unwrap();
    let fresh = scrip::db::Db::connect(db.url()).unwrap();
    for search in ["οδυσ", "ΑΕ", "example", "ACME", "7"] {
        let list = ListCustomers { page: PageRequest::first(9), search: Some(search.into()), include_archived: false };
        let found = list_customers(&mut fresh.read().await.unwrap(), &list).await.unwrap();
        assert_eq!(found.items.len(), 1, "{search}");
    }
});
