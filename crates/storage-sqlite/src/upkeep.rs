use std::io;
use std::path::Path;

use async_trait::async_trait;
use domain::{Action, ObjectRef, Stamp, Timestamp};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use storage::{Result, StorageError, Upkeep};

use crate::audit::{Change, append};
use crate::row::Stored;
use crate::{SqliteStorage, assertions, begin, files, recount, usages};

/// Makes an empty file, which SQLite fills as it is; `Exists`.
async fn make_private(file: &Path) -> Result<()> {
    let file = file.to_owned();
    let made = tokio::task::spawn_blocking(move || files::private().create_new(true).open(file).map(drop));
    match made.await.map_err(io::Error::from).flatten() {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(StorageError::Exists),
        Err(error) => Err(StorageError::Unavailable(error.into())),
    }
}

/// Copies through a connection of its own: a pooled one may only read, and the copy counts as written.
async fn copy(options: &SqliteConnectOptions, to: &str) -> Result<()> {
    let mut connection = SqliteConnection::connect_with(options).await.stored()?;
    let copied = sqlx::query("VACUUM INTO ?").bind(to).execute(&mut connection).await.stored();
    connection.close().await.stored()?;
    copied.map(|_| ())
}

#[async_trait]
impl Upkeep for SqliteStorage {
    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM account LIMIT 1").fetch_optional(&self.readers).await.stored()?;
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        for statement in [
            "DELETE FROM session WHERE expires_at <= ?",
            "DELETE FROM invitation WHERE expires_at <= ?",
            "DELETE FROM revoked_token WHERE expires_at <= ?",
            "DELETE FROM authorization_code WHERE kept_until <= ?",
            "DELETE FROM application_grant WHERE expires_at <= ?",
        ] {
            sqlx::query(statement).bind(now.as_millisecond()).execute(&mut *tx).await.stored()?;
        }
        tx.commit().await.stored()?;
        drop(writer);
        assertions::sweep(self, now).await?;
        usages::sweep(self, now).await
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        let name = to.to_str().ok_or_else(|| {
            StorageError::Unavailable(format!("the file name {} is not UTF-8", to.display()).into())
        })?;
        make_private(to).await?;
        let done = copy(&self.options, name).await;
        if done.is_err() {
            // What is there is no backup, and would be in the way of the next.
            let _ = std::fs::remove_file(to);
        }
        done
    }

    async fn outlive_copies(&self, stamp: &Stamp) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        // Generations count by one; milliseconds are ahead of any such count, and later restores of later ones.
        let renewed =
            sqlx::query("UPDATE keypair SET generation = MAX(generation + 1, ?), version = version + 1")
                .bind(stamp.at.as_millisecond())
                .execute(&mut *tx)
                .await
                .stored()?;
        // Whoever used a secret after the copy was made is not known.
        sqlx::query("UPDATE keypair_secret SET idle_counts_from = ? WHERE retire_when_idle IS NOT NULL")
            .bind(stamp.at.as_millisecond())
            .execute(&mut *tx)
            .await
            .stored()?;
        for statement in [
            "DELETE FROM session",
            "DELETE FROM invitation",
            "DELETE FROM setup_link",
            "DELETE FROM authorization_code",
            "DELETE FROM application_grant",
        ] {
            sqlx::query(statement).execute(&mut *tx).await.stored()?;
        }
        let restored = Change {
            action: Action::StoreRestored,
            object: ObjectRef::new("store", "store"),
            owner: None,
            before: Value::Null,
            after: json!({"keypairs": renewed.rows_affected()}),
        };
        append(&mut tx, stamp, restored).await?;
        tx.commit().await.stored()
    }

    async fn check(&self) -> Result<Vec<String>> {
        let mut reader = self.readers.acquire().await.stored()?;
        let mut faults: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *reader).await.stored()?;
        faults.retain(|line| line != "ok");
        let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *reader).await.stored()?;
        if !orphans.is_empty() {
            faults.push(format!("{} rows refer to rows that do not exist", orphans.len()));
        }
        // What is broken can't be counted.
        if faults.is_empty() {
            faults = recount::faults(&mut reader).await?;
        }
        Ok(faults)
    }

    async fn close(&self) {
        self.readers.close().await;
        self.feed.close().await;
        // Whoever closes the last connection folds the write-ahead log into the file. To do it any earlier would hold
        // up the other processes' writers, and wait for their readers.
        if let Ok(Some(writer)) = self.writer().await.map(|mut writer| writer.take()) {
            let _ = writer.close().await;
        }
    }
}
