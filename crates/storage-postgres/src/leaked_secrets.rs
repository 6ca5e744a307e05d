//! Key Secrets that somebody has found and reported.

use domain::{Action, KeyId, Owner, SecretHash, Stamp, Timestamp};
use sqlx::PgConnection;
use storage::{Record, Result};

use crate::audit::append;
use crate::keypairs::{change, hold};
use crate::row::{Columns, Stored};

/// A secret that still opens something, if that is switched on.
const LIVE: &str = "SELECT keypair.id, keypair.owner_id FROM keypair_secret \
     JOIN keypair ON keypair.id = keypair_secret.keypair_id \
     WHERE hash = $1 AND leaked_at IS NULL \
     AND (keypair_secret.expires_at IS NULL OR keypair_secret.expires_at > $2)";

/// Whose it is, if it is one that there is.
pub(crate) async fn owner(
    connection: &mut PgConnection,
    secret: &SecretHash,
    now: Timestamp,
) -> Result<Option<(Owner, KeyId)>> {
    let row = sqlx::query(LIVE)
        .bind(secret.as_bytes().as_slice())
        .bind(now.as_millisecond())
        .fetch_optional(connection)
        .await
        .stored()?;
    row.map(|row| Ok((row.parsed("owner_id")?, row.parsed("id")?))).transpose()
}

/// Stops the keypair, in a transaction that takes turns with all others that change keypairs.
pub(crate) async fn disable(
    tx: &mut PgConnection,
    stamp: &Stamp,
    secret: &SecretHash,
) -> Result<Option<KeyId>> {
    let Some((owner, id)) = owner(tx, secret, stamp.at).await? else {
        return Ok(None);
    };
    let before = hold(tx, owner, id).await?;
    let Some(after) = before.leaked(secret, stamp.at) else {
        return Ok(None);
    };
    sqlx::query("UPDATE keypair SET enabled = $1, generation = $2, version = $3 WHERE id = $4")
        .bind(after.enabled)
        .bind(after.generation)
        .bind(after.version)
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .stored()?;
    for leaked in after.secrets.iter().filter(|after| after.hash == *secret) {
        sqlx::query(
            "UPDATE keypair_secret SET expires_at = $1, leaked_at = $2 WHERE keypair_id = $3 AND n = $4",
        )
        .bind(leaked.expires_at.map(|at| at.as_millisecond()))
        .bind(leaked.leaked_at.map(|at| at.as_millisecond()))
        .bind(id.to_string())
        .bind(i64::from(leaked.n))
        .execute(&mut *tx)
        .await
        .stored()?;
    }
    append(tx, stamp, change(Action::KeypairSecretLeaked, id, owner, before.record(), after.record()))
        .await?;
    Ok(Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn a_secret_is_found_by_its_hash() {
        assert_eq!(
            Planner::new().await.plan(LIVE).await,
            ["keypair_secret_by_hash (hash = $1)", "keypair_pkey (id = keypair_secret.keypair_id)"]
        );
    }
}
