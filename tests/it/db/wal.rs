//! The end of an embedded database's write-ahead log.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use scrip::db::DbUrl;
use scrip::db::wal::transactions_behind_the_end;

use crate::support::db::TestDb;

const HEADER: usize = 32;
const FRAME: usize = 4_096 + 24;

/// A database of so many transactions, its log as SQLite left it, and the connection that keeps it there.
async fn written(transactions: usize) -> (TestDb, PathBuf, SqliteConnection) {
    let db = TestDb::sqlite().await;
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    let file = file.with_file_name("log.db");
    let mut conn = SqliteConnection::establish(file.to_str().expect("it is UTF-8")).expect("it opens");
    conn.batch_execute("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x);")
        .expect("it runs");
    for _ in 0..transactions {
        conn.batch_execute("INSERT INTO t VALUES (hex(zeroblob(5000)))").expect("it runs");
    }
    (db, file, conn)
}

/// The transactions lost in a log of these bytes.
fn told(place: &std::path::Path, log: &[u8]) -> usize {
    std::fs::write(place.with_file_name("other.db-wal"), log).expect("it can be written");
    transactions_behind_the_end(&place.with_file_name("other.db")).expect("it can be read")
}

#[tokio::test]
async fn log_that_is_whole_or_torn_at_its_end_has_lost_nothing() {
    let (_db, file, _conn) = written(5).await;
    assert_eq!(transactions_behind_the_end(&file.with_file_name("none.db")).expect("there is none"), 0);
    let whole = std::fs::read(file.with_file_name("log.db-wal")).expect("there is one");
    assert!(whole.len() > HEADER + 10 * FRAME);
    for cut in [whole.len(), whole.len() - 1, whole.len() - FRAME, HEADER + 10, 3, 0] {
        assert_eq!(told(&file, &whole[..cut]), 0, "{cut}");
    }
}

#[tokio::test]
async fn changed_byte_of_a_log_is_told_by_the_transactions_that_it_loses() {
    let (_db, file, _conn) = written(5).await;
    let whole = std::fs::read(file.with_file_name("log.db-wal")).expect("there is one");
    let ends_one = |frame: &usize| whole[HEADER + frame * FRAME + 4..][..4] != [0; 4];
    let commits: Vec<usize> = (0..(whole.len() - HEADER) / FRAME).filter(ends_one).collect();
    assert!(commits.len() >= 6, "{commits:?}");
    for byte in [HEADER + 500, HEADER + FRAME + 2_000, HEADER + 5 * FRAME + 1, whole.len() - 1, 26] {
        let mut changed = whole.clone();
        changed[byte] ^= 0x10;
        let frame = byte.saturating_sub(HEADER) / FRAME;
        let lost = commits.iter().filter(|commit| **commit >= frame).count();
        assert_eq!(told(&file, &changed), lost, "byte {byte}");
    }
}

#[tokio::test]
async fn frames_that_an_earlier_log_left_behind_are_not_taken_for_lost() {
    let (_db, file, mut conn) = written(20).await;
    conn.batch_execute("PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES (1);").expect("it runs");
    assert_eq!(transactions_behind_the_end(&file).expect("it can be read"), 0);
}
