//! SQLite keeps every promise of the suite.

use std::sync::Arc;

use storage::Storage;
use storage::conformance::Fixture;
use storage_sqlite::{FILE_NAME, SqliteStorage};

#[allow(clippy::unwrap_used, reason = "without a store there is nothing to test")]
async fn fresh() -> (Arc<dyn Storage>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStorage::open(&folder.path().join(FILE_NAME)).await.unwrap();
    (Arc::new(store), folder)
}

async fn fixture() -> (Fixture, tempfile::TempDir) {
    let (store, folder) = fresh().await;
    (Fixture::new(store), folder)
}

storage::conformance_tests!(fixture);

mod files {
    use super::*;
    use storage::StorageError;

    #[tokio::test]
    async fn a_store_of_a_newer_version_is_refused() {
        let (store, folder) = fresh().await;
        store.close().await;
        drop(store);
        let path = folder.path().join(FILE_NAME);
        let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(
            &sqlx::sqlite::SqliteConnectOptions::new().filename(&path),
        )
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'later', 1, x'00', 0)",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        let refused = SqliteStorage::open(&path).await;
        assert!(matches!(refused, Err(StorageError::TooNew { found: 9999, .. })), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn stores_that_are_opened_together_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move { SqliteStorage::open(&path).await.map(|_| ()) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn closing_waits_for_nobody_elses_reader_and_the_last_leaves_one_file() {
        let (store, folder) = fresh().await;
        let path = folder.path().join(FILE_NAME);
        let f = Fixture::new(store.clone());
        f.account().await;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
        sqlx::query("BEGIN").execute(&mut other).await.unwrap();
        sqlx::query("SELECT * FROM account").fetch_all(&mut other).await.unwrap();
        // Something that can't be folded in while the other reads from before it.
        let account = f.account().await;

        let closing = tokio::time::timeout(std::time::Duration::from_secs(3), store.close()).await;
        assert!(closing.is_ok(), "closing must not wait for another process's reader");
        assert!(matches!(store.ping().await, Err(StorageError::Unavailable(_))));
        let late = f.unsaved_account();
        let late = store.create_account(&f.stamp(), &late).await;
        assert!(matches!(late, Err(StorageError::Unavailable(_))), "{late:?}");

        sqlx::Connection::close(other).await.unwrap();
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().ends_with("-wal")), "{names:?}");
        let again = SqliteStorage::open(&path).await.unwrap();
        assert_eq!(storage::Accounts::account(&again, account.id).await.unwrap(), account);
    }

    #[cfg(unix)]
    #[allow(clippy::unwrap_used, reason = "a folder that can't be read fails the test")]
    fn modes(folder: &std::path::Path) -> Vec<(String, u32)> {
        use std::os::unix::fs::PermissionsExt;
        let mode = |entry: std::fs::DirEntry| {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().into_string().unwrap(), mode)
        };
        std::fs::read_dir(folder).unwrap().map(|entry| mode(entry.unwrap())).collect()
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn every_file_is_private_in_whatever_folder() {
        let (store, folder) = fresh().await;
        Fixture::new(store.clone()).account().await;
        let modes = modes(folder.path());
        assert_eq!(modes.len(), 4, "the database, its log, its shared memory and the lock: {modes:?}");
        assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_backup_is_private_and_no_hindrance() {
        let (store, folder) = fresh().await;
        let f = Fixture::new(store.clone());
        let account = f.account().await;
        let to = tempfile::tempdir().unwrap();
        store.backup(&to.path().join("backup.db")).await.unwrap();
        assert_eq!(modes(to.path()), [("backup.db".to_owned(), 0o600)]);
        let copy = SqliteStorage::open(&to.path().join("backup.db")).await.unwrap();
        assert_eq!(storage::Accounts::account(&copy, account.id).await.unwrap(), account);

        // A copy that fails leaves no file that is none.
        let broken = folder.path().join("broken");
        std::fs::create_dir(&broken).unwrap();
        let store = SqliteStorage::open(&broken.join(FILE_NAME)).await.unwrap();
        std::fs::remove_file(broken.join(FILE_NAME)).unwrap();
        let lost = storage::Upkeep::backup(&store, &to.path().join("lost.db")).await;
        assert!(matches!(lost, Err(StorageError::Unavailable(_))), "{lost:?}");
        assert!(!to.path().join("lost.db").exists());
    }

    #[tokio::test]
    async fn what_is_no_store_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "this is not a database, but long enough to be looked at".repeat(20)).unwrap();
        assert!(SqliteStorage::open(&path).await.is_err());
    }
}
