use std::time::Duration;

use async_trait::async_trait;
use domain::{KeyId, Timestamp};
use storage::{AssertionUse, Assertions, Result};

use crate::PostgresStorage;
use crate::row::Stored;

/// How many are forgotten in one transaction, and how long the database is let go of between two.
const AT_ONCE: i64 = 5000;
const BETWEEN: Duration = Duration::from_millis(10);

/// Of two at the same time, the second waits for the first to commit, and then finds it there.
const USE: &str = "INSERT INTO used_assertion (keypair_id, jti_hash, kept_until) VALUES ($1, $2, $3) \
     ON CONFLICT DO NOTHING";

/// Another node may be deleting these, in another order: what is locked is as good as gone.
const SWEEP: &str = "DELETE FROM used_assertion WHERE (keypair_id, jti_hash) IN \
     (SELECT keypair_id, jti_hash FROM used_assertion WHERE kept_until <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";

#[async_trait]
impl Assertions for PostgresStorage {
    async fn use_assertion(
        &self,
        keypair: KeyId,
        jti_hash: &[u8; 32],
        kept_until: Timestamp,
    ) -> Result<AssertionUse> {
        self.write(async |tx| {
            let noted = sqlx::query(USE)
                .bind(keypair.to_string())
                .bind(jti_hash.as_slice())
                .bind(kept_until.as_millisecond())
                .execute(tx)
                .await
                .stored()?;
            Ok(if noted.rows_affected() == 1 { AssertionUse::First } else { AssertionUse::Replayed })
        })
        .await
    }
}

/// Forgets those that were to be kept until `now` or earlier.
pub(crate) async fn sweep(storage: &PostgresStorage, now: Timestamp) -> Result<()> {
    loop {
        let swept = storage
            .write(async |tx| {
                let swept = sqlx::query(SWEEP).bind(now.as_millisecond()).bind(AT_ONCE).execute(tx).await;
                Ok(swept.stored()?.rows_affected())
            })
            .await?;
        if swept < AT_ONCE.unsigned_abs() {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn a_sweep_searches_the_index() {
        let steps = Planner::new().await.plan(SWEEP).await;
        assert!(steps.iter().any(|step| step.starts_with("used_assertion_by_end")), "{steps:?}");
    }
}
