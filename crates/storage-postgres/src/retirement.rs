//! Secrets that end by themselves once they are idle.

use domain::{KeyId, Owner, Retirement, SignedDuration, Timestamp};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::Result;

use crate::row::{Columns, Stored, corrupt};

/// Old secrets that have been idle for long enough, beside a newer one in use, of keypairs that work.
const DUE: &str = "SELECT DISTINCT keypair.id, owner_id FROM keypair_secret old \
     JOIN keypair ON keypair.id = old.keypair_id \
     LEFT JOIN key_use used ON used.keypair_id = old.keypair_id AND used.n = old.n \
     WHERE retire_when_idle IS NOT NULL \
     AND GREATEST(idle_counts_from, used.at) + 1000 * retire_when_idle <= $1 \
     AND (old.expires_at IS NULL OR old.expires_at > $1) \
     AND enabled AND accepts_secrets AND (keypair.expires_at IS NULL OR keypair.expires_at > $1) \
     AND EXISTS (SELECT 1 FROM keypair_secret newer JOIN key_use USING (keypair_id, n) \
     WHERE newer.keypair_id = old.keypair_id AND newer.n > old.n \
     AND (newer.expires_at IS NULL OR newer.expires_at > $1))";

/// That of a secret, from a row of what opens a keypair.
pub(crate) fn of(row: &PgRow) -> Result<Option<Retirement>> {
    let seconds: Option<i64> = row.value("retire_when_idle")?;
    let Some(when_idle) = seconds.map(SignedDuration::from_secs) else {
        return Ok(None);
    };
    let counted_from = row.instant_or_null("idle_counts_from")?.ok_or_else(|| corrupt("idle_counts_from"))?;
    Ok(Some(Retirement { when_idle, counted_from }))
}

/// The keypairs that have secrets which may have to go, with their owners.
pub(crate) async fn due(connection: &mut PgConnection, now: Timestamp) -> Result<Vec<(Owner, KeyId)>> {
    let rows = sqlx::query(DUE).bind(now.as_millisecond()).fetch_all(connection).await.stored()?;
    rows.iter().map(|row| Ok((row.parsed("owner_id")?, row.parsed("id")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn only_secrets_that_end_when_idle_are_looked_through() {
        let plan = Planner::new().await.plan(DUE).await;
        assert!(plan.iter().any(|line| line.starts_with("keypair_secret_to_retire")), "{plan:?}");
    }
}
