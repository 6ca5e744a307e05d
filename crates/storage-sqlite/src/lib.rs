//! The embedded store: SQLite in WAL mode, one writing connection, several reading ones.
//!
//! `synchronous=FULL`: what was answered with success survives the loss of power. Writers are serialised by the one
//! connection within a process and by `BEGIN IMMEDIATE` between processes, so the audit log's numbers are in the order
//! of commits.

mod accounts;
mod application_grants;
mod applications;
mod assertions;
mod audit;
mod author;
mod days;
mod environments;
mod files;
mod invitations;
mod keypairs;
mod leaked_secrets;
mod migrations;
mod people;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests: they fail by panicking")]
mod plan;
mod public_keys;
mod queries;
mod recount;
mod reports;
mod responses;
mod retirement;
mod revoked_tokens;
mod roles;
mod row;
mod server_keys;
mod sessions;
mod upkeep;
mod usages;
mod users;

use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use storage::{Result, StorageError};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::time::Instant;

use crate::row::Stored;

/// What the database file is called in the data folder.
pub const FILE_NAME: &str = "feedback.db";

/// How a file that is a database begins (https://www.sqlite.org/fileformat2.html#the_database_header), and where it
/// says whose it is: the `application_id` that the first step of the schema sets.
const HEADER: &[u8] = b"SQLite format 3\0";
const APPLICATION_ID: (usize, &[u8]) = (68, b"Fbk1");

const READERS: u32 = 4;

/// How long a verb waits for a connection to read with, and until it writes: for its turn in this process, and then for
/// another process's write to end. A store that hangs makes a node refuse within seconds; without a bound, requests would
/// pile up behind it.
const READER_TIMEOUT: Duration = Duration::from_secs(1);
const WRITER_TIMEOUT: Duration = Duration::from_secs(5);

/// After how many pages of 4 KiB the write-ahead log is folded in. A batch of a thousand responses can write more than
/// SQLite's usual thousand, and would pay for it every time.
const CHECKPOINT: &str = "2000";

/// To how many bytes the write-ahead log is cut back after something long, a backup say, made it grow. Twice what it
/// reaches between two checkpoints otherwise.
const JOURNAL_SIZE_LIMIT: &str = "16777216";

/// How many KiB of pages the writing connection remembers: in a large store a batch's people and callers' identifiers lie
/// all over it. In a small one there is less to remember.
const WRITER_CACHE: &str = "-16000";

/// Whether the file at `path` is a store of Feedback, of whatever version. Opens nothing and changes nothing.
pub fn is_store(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(100).read_to_end(&mut start)?;
    let (at, id) = APPLICATION_ID;
    Ok(start.starts_with(HEADER) && start.get(at..).is_some_and(|rest| rest.starts_with(id)))
}

/// The store in one file.
#[derive(Debug)]
pub struct SqliteStorage {
    /// None once the store was closed.
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    /// One connection that reads the change feed alone, and waits for nobody.
    feed: SqlitePool,
    /// How to open one more connection.
    options: SqliteConnectOptions,
    /// How to open another one that writes.
    writing: SqliteConnectOptions,
}

impl SqliteStorage {
    /// Opens the store in the file at `path`, made if there is none, and brings it to this version.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(WRITER_TIMEOUT)
            .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT)
            .pragma("wal_autocheckpoint", CHECKPOINT);
        // What a statement would need to take itself back is a file otherwise, and as much to write as the batch.
        let writing = options.clone().pragma("cache_size", WRITER_CACHE).pragma("temp_store", "memory");
        let mut writer = {
            let _lock = migrations::lock(path).await?;
            let mut writer = SqliteConnection::connect_with(&writing).await.stored()?;
            migrations::run(&mut writer).await?;
            writer
        };
        writer.shrink_buffers();
        let reading = async |most| {
            SqlitePoolOptions::new()
                .max_connections(most)
                .min_connections(1)
                .acquire_timeout(READER_TIMEOUT)
                .test_before_acquire(false)
                .connect_with(options.clone().pragma("query_only", "1"))
                .await
                .stored()
        };
        let (readers, feed) = (reading(READERS).await?, reading(1).await?);
        Ok(Self { writer: Mutex::new(Some(writer)), readers, feed, options, writing })
    }

    async fn write(&self) -> Result<Writer<'_>> {
        let until = Instant::now() + WRITER_TIMEOUT;
        let mut writer = MutexGuard::try_map(self.writer().await?, Option::as_mut)
            .map_err(|_| StorageError::Unavailable("the store is closed".into()))?;
        if writer.is_in_transaction() {
            // One that was dropped is rolled back by then.
            writer.ping().await.stored()?;
        }
        if writer.is_in_transaction() {
            // On a full disk SQLite rolls back by itself, and the connection believes for ever that it has yet to.
            *writer = SqliteConnection::connect_with(&self.writing).await.stored()?;
        }
        Ok(Writer { connection: writer, until })
    }

    async fn writer(&self) -> Result<MutexGuard<'_, Option<SqliteConnection>>> {
        tokio::time::timeout(WRITER_TIMEOUT, self.writer.lock())
            .await
            .map_err(|elapsed| StorageError::Unavailable(elapsed.into()))
    }
}

/// The turn to write.
struct Writer<'a> {
    connection: MappedMutexGuard<'a, SqliteConnection>,
    /// When a transaction must have begun.
    until: Instant,
}

impl Deref for Writer<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Writer<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Writer<'_> {
    /// Begins a transaction that writes: waits for other processes first, not in the middle. One that begins too late, when
    /// nobody waits for it any more, is rolled back by the connection.
    async fn begin(&mut self) -> Result<Transaction<'_, Sqlite>> {
        let begun = self.connection.begin_with("BEGIN IMMEDIATE");
        match tokio::time::timeout_at(self.until, begun).await {
            Ok(begun) => begun.stored(),
            Err(elapsed) => Err(StorageError::Unavailable(elapsed.into())),
        }
    }
}

/// Begins a transaction that writes.
macro_rules! begin {
    ($writer:expr) => {
        $writer.begin().await?
    };
}
pub(crate) use begin;

#[cfg(test)]
mod tests {
    use super::*;
    use storage::{Accounts, Audit, ServerKeys, Upkeep};

    #[tokio::test]
    async fn a_log_that_grew_is_cut_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let store = SqliteStorage::open(&path).await.unwrap();
        let log = || std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
        let mut reading = store.readers.begin().await.unwrap();
        sqlx::query("SELECT * FROM sealed").fetch_all(&mut *reading).await.unwrap();
        // Nothing can be folded in beyond what that reader sees.
        store.sealed_or("big", &vec![7; 20_000_000]).await.unwrap();
        let grown = log();
        reading.commit().await.unwrap();
        for name in ["folds in", "begins anew"] {
            store.sealed_or(name, &[7]).await.unwrap();
        }
        assert!(grown > 20_000_000 && log() <= 16_777_216, "from {grown} to {}", log());
    }

    #[tokio::test]
    async fn a_store_that_hangs_refuses_within_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStorage::open(&folder.path().join(FILE_NAME)).await.unwrap();
        let _writing = store.write().await.unwrap();
        let mut reading = Vec::new();
        for _ in 0..READERS {
            reading.push(store.readers.acquire().await.unwrap());
        }
        let both = async { tokio::join!(store.ping(), store.put_setup_link(&[0; 32])) };
        assert_eq!(store.changes_after(0, 1).await.unwrap(), [], "the change feed waits for nobody");
        let (read, written) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
        assert!(matches!(read, Err(StorageError::Unavailable(_))), "{read:?}");
        assert!(matches!(written, Err(StorageError::Unavailable(_))), "{written:?}");
    }

    #[tokio::test]
    async fn another_process_that_writes_for_long_is_waited_for_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let (store, other) =
            (SqliteStorage::open(&path).await.unwrap(), SqliteStorage::open(&path).await.unwrap());
        let mut others_writer = other.write().await.unwrap();
        let others = others_writer.begin().await.unwrap();
        let both = async { tokio::join!(store.put_setup_link(&[0; 32]), store.put_setup_link(&[1; 32])) };
        let (one, two) = tokio::time::timeout(Duration::from_secs(8), both).await.unwrap();
        for refused in [one, two] {
            assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
        }
        others.rollback().await.unwrap();
        store.put_setup_link(&[2; 32]).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_refuses_the_whole_of_a_change_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStorage::open(&folder.path().join(FILE_NAME)).await.unwrap();
        let most_pages = async |pages: i64| {
            let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
            let mut writer = store.write().await.unwrap();
            sqlx::query_scalar::<_, i64>(pragma).fetch_one(&mut *writer).await.unwrap()
        };
        store.sealed_or("before", &[7]).await.unwrap();
        // No less than the file has.
        most_pages(1).await;
        let refused = store.sealed_or("big", &vec![7; 1_000_000]).await;
        assert!(
            matches!(&refused, Err(StorageError::Unavailable(why)) if why.to_string().contains("full")),
            "{refused:?}"
        );
        assert_eq!(store.sealed("before").await.unwrap(), Some(vec![7]));
        assert_eq!(store.sealed("big").await.unwrap(), None);
        most_pages(1_000_000).await;
        store.sealed_or("big", &vec![8; 1_000_000]).await.unwrap();
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
}
