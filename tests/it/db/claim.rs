//! The claim on an embedded database.

use std::os::unix::fs::symlink;

use scrip::db::DbUrl;

use crate::support::db::TestDb;

#[tokio::test]
async fn embedded_database_is_claimed_under_all_its_names() {
    let db = TestDb::sqlite().await;
    let DbUrl::Sqlite(file) = db.url() else { panic!("this is SQLite") };
    db.url().claim().unwrap();
    let folder = file.parent().unwrap();
    std::fs::create_dir(folder.join("other")).unwrap();
    let (hard, soft) = (folder.join("other/hard.db"), folder.join("soft.db"));
    std::fs::hard_link(file, &hard).unwrap();
    symlink(file, &soft).unwrap();
    for name in [file, &hard, &soft] {
        let refused = DbUrl::Sqlite(name.clone()).claim().unwrap_err();
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert!(why.contains("is served by another process"), "{}: {why}", name.display());
    }
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
