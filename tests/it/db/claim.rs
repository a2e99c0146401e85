//! The claim on an embedded database.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use scrip::db::{Db, DbUrl, migrate};

use crate::support::db::TestDb;

#[tokio::test]
async fn embedded_database_is_claimed_under_all_its_names() {
    let db = TestDb::sqlite().await;
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    db.url().claim().unwrap();
    let folder = file.parent().unwrap();
    std::fs::create_dir(folder.join("other")).unwrap();
    let (hard, soft) = (folder.join("other/hard.db"), folder.join("soft.db"));
    symlink(file, &soft).unwrap();
    let refused = |name: &PathBuf| {
        let refused = DbUrl::Sqlite(name.clone()).claim().unwrap_err();
        std::error::Error::source(&refused).unwrap().to_string()
    };
    for name in [file, &soft] {
        assert!(refused(name).contains("is served by another process"), "{}: {}", name.display(), refused(name));
    }
    std::fs::hard_link(file, &hard).unwrap();
    for name in [file, &soft, &hard] {
        assert!(refused(name).contains("has another name, a hard link"), "{}: {}", name.display(), refused(name));
    }
    std::fs::remove_file(&hard).unwrap();
    let copy = folder.join("copy.db");
    std::fs::copy(file, &copy).unwrap();
    DbUrl::Sqlite(copy).claim().expect("a copy is another database");
}

#[tokio::test]
async fn folder_that_cannot_be_made_is_named() {
    let db = TestDb::sqlite().await;
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    let below_a_file = file.join("below/scrip.db");
    let refused = DbUrl::Sqlite(below_a_file).claim().unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains(&format!("the folder {}/below cannot be made: ", file.display())), "{why}");
}

// SQLite keeps its log beside the name that it is opened by: what a command wrote under another name would be lost.
#[tokio::test]
async fn no_command_opens_an_embedded_database_by_one_of_two_names() {
    let db = TestDb::sqlite().await;
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    let other = DbUrl::Sqlite(file.with_file_name("other.db"));
    std::fs::hard_link(file, file.with_file_name("other.db")).unwrap();
    for url in [db.url(), &other] {
        let told = [
            migrate(url).await.unwrap_err().to_string(),
            scrip::db::check(url).await.unwrap_err().to_string(),
            scrip::base::chain::chain(&Db::connect(url).err().unwrap()).to_string(),
        ];
        assert!(told.iter().all(|told| told.contains("has another name, a hard link")), "{told:?}");
    }
}

#[tokio::test]
async fn file_that_was_moved_away_from_its_log_is_not_made_anew() {
    let db = TestDb::sqlite().await;
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    let url = DbUrl::Sqlite(file.with_file_name("moved.db"));
    std::fs::write(file.with_file_name("moved.db-wal"), "what was written last").unwrap();
    let told = migrate(&url).await.unwrap_err().to_string();
    assert!(told.contains("is not there, and its log is"), "{told}");
    assert!(!file.with_file_name("moved.db").exists());
}

#[tokio::test]
async fn files_of_a_new_database_are_their_owners_alone() {
    let db = TestDb::sqlite().await;
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    let file = file.with_file_name("new").join("scrip.db");
    let url = DbUrl::Sqlite(file.clone());
    migrate(&url).await.unwrap();
    let db = Db::connect(&url).unwrap();
    // While a connection is open, its log is there.
    let _open = db.read().await.unwrap();
    let mode = |name: &str| std::fs::metadata(file.with_file_name(name)).unwrap().mode() & 0o777;
    assert_eq!((mode("scrip.db"), mode("scrip.db-wal"), mode("scrip.db-shm")), (0o600, 0o600, 0o600));
    assert_eq!(std::fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
}
