use std::path::Path;

use async_trait::async_trait;
use domain::Timestamp;
use sqlx::Connection;
use storage::{Result, StorageError, Upkeep};

use crate::row::Stored;
use crate::{SqliteStorage, begin};

#[async_trait]
impl Upkeep for SqliteStorage {
    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1 FROM account LIMIT 1").fetch_optional(&self.readers).await.stored()?;
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        for statement in
            ["DELETE FROM session WHERE expires_at <= ?", "DELETE FROM invitation WHERE expires_at <= ?"]
        {
            sqlx::query(statement).bind(now.as_millisecond()).execute(&mut *tx).await.stored()?;
        }
        tx.commit().await.stored()
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        let name = to.to_str().ok_or_else(|| {
            StorageError::Unavailable(format!("the file name {} is not UTF-8", to.display()).into())
        })?;
        if to.exists() {
            return Err(StorageError::Exists);
        }
        let mut reader = self.readers.acquire().await.stored()?;
        // The copy is another database, but query_only refuses to write that, too.
        sqlx::query("PRAGMA query_only = 0").execute(&mut *reader).await.stored()?;
        let copied = sqlx::query("VACUUM INTO ?").bind(name).execute(&mut *reader).await.stored();
        sqlx::query("PRAGMA query_only = 1").execute(&mut *reader).await.stored()?;
        copied.map(|_| ())
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
        Ok(faults)
    }

    async fn close(&self) {
        self.readers.close().await;
        // Whoever closes the last connection folds the write-ahead log into the file. To do it any earlier would hold
        // up the other processes' writers, and wait for their readers.
        if let Ok(Some(writer)) = self.writer().await.map(|mut writer| writer.take()) {
            let _ = writer.close().await;
        }
    }
}
