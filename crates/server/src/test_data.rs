//! The data of a server under test: a folder of its own, and the store. The same tests run on both: the embedded store,
//! and with `TEST_STORE=postgres` a database of its own in the cluster at `TEST_DATABASE_URL`.

use std::path::Path;
use std::sync::Arc;

use storage::Storage;
use storage_postgres::PostgresStorage;
use storage_postgres::test_database::Database;
use storage_sqlite::SqliteStorage;
use tempfile::TempDir;

use crate::app::STORE_FILE;
use crate::database_url::DatabaseUrl;

/// Gone when it is dropped.
pub(crate) struct TestData {
    folder: TempDir,
    database: Option<Database>,
}

impl TestData {
    /// Without a store in it yet.
    pub(crate) async fn new() -> Self {
        let database = match std::env::var("TEST_STORE").as_deref() {
            Ok("postgres") => Some(Database::new().await),
            Ok("sqlite") | Err(_) => None,
            Ok(other) => panic!("TEST_STORE={other}: expected sqlite or postgres"),
        };
        Self { folder: tempfile::tempdir().unwrap(), database }
    }

    /// Opens the store, once more if it is open already, as another process does.
    pub(crate) async fn store(&self) -> Arc<dyn Storage> {
        match &self.database {
            Some(database) => Arc::new(PostgresStorage::open(&database.url()).await.unwrap()),
            None => Arc::new(SqliteStorage::open(&self.folder().join(STORE_FILE)).await.unwrap()),
        }
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database, unless the store is the embedded one.
    pub(crate) fn database_url(&self) -> Option<DatabaseUrl> {
        self.database.as_ref().map(|database| database.url().parse().unwrap())
    }
}
