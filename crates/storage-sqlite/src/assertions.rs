use std::time::Duration;

use async_trait::async_trait;
use domain::{KeyId, Timestamp};
use storage::{AssertionUse, Assertions, Result};

use crate::row::Stored;
use crate::{SqliteStorage, begin};

/// How many are forgotten in one transaction, and how long the writer is let go of between two: whoever disables a
/// keypair must not wait for all of them.
const AT_ONCE: u32 = 5000;
const BETWEEN: Duration = Duration::from_millis(10);

const USE: &str = "INSERT INTO used_assertion (keypair_id, jti_hash, kept_until) VALUES (?, ?, ?) \
     ON CONFLICT DO NOTHING";

const SWEEP: &str = "DELETE FROM used_assertion WHERE (keypair_id, jti_hash) IN \
     (SELECT keypair_id, jti_hash FROM used_assertion WHERE kept_until <= ? LIMIT ?)";

#[async_trait]
impl Assertions for SqliteStorage {
    async fn use_assertion(
        &self,
        keypair: KeyId,
        jti_hash: &[u8; 32],
        kept_until: Timestamp,
    ) -> Result<AssertionUse> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let noted = sqlx::query(USE)
            .bind(keypair.to_string())
            .bind(jti_hash.as_slice())
            .bind(kept_until.as_millisecond())
            .execute(&mut *tx)
            .await
            .stored()?;
        tx.commit().await.stored()?;
        Ok(if noted.rows_affected() == 1 { AssertionUse::First } else { AssertionUse::Replayed })
    }
}

/// Forgets those that were to be kept until `now` or earlier.
pub(crate) async fn sweep(storage: &SqliteStorage, now: Timestamp) -> Result<()> {
    loop {
        let swept = {
            let mut writer = storage.write().await?;
            let mut tx = begin!(writer);
            let swept = sqlx::query(SWEEP)
                .bind(now.as_millisecond())
                .bind(AT_ONCE)
                .execute(&mut *tx)
                .await
                .stored()?;
            tx.commit().await.stored()?;
            swept.rows_affected()
        };
        if swept < u64::from(AT_ONCE) {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn a_sweep_searches_the_indexes() {
        let steps = plan(SWEEP).await;
        assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{steps:?}");
    }
}
