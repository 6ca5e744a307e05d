//! Key Secrets that somebody has found and reported.

use domain::{Action, KeyId, Owner, SecretHash, Stamp, Timestamp};
use sqlx::SqliteConnection;
use storage::{Record, Result};

use crate::audit::append;
use crate::keypairs::{change, find};
use crate::row::{Columns, Stored};

/// A secret that still opens something, if that is switched on.
const LIVE: &str = "SELECT keypair.id, keypair.owner_id FROM keypair_secret \
     JOIN keypair ON keypair.id = keypair_secret.keypair_id \
     WHERE hash = ? AND leaked_at IS NULL \
     AND (keypair_secret.expires_at IS NULL OR keypair_secret.expires_at > ?)";

/// Whose it is, if it is one that there is.
pub(crate) async fn owner(
    connection: &mut SqliteConnection,
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
    tx: &mut SqliteConnection,
    stamp: &Stamp,
    secret: &SecretHash,
) -> Result<Option<KeyId>> {
    let Some((owner, id)) = owner(tx, secret, stamp.at).await? else {
        return Ok(None);
    };
    let before = find(tx, owner, id).await?;
    let Some(after) = before.leaked(secret, stamp.at) else {
        return Ok(None);
    };
    sqlx::query("UPDATE keypair SET enabled = ?, generation = ?, version = ? WHERE id = ?")
        .bind(after.enabled)
        .bind(after.generation)
        .bind(after.version)
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .stored()?;
    for leaked in after.secrets.iter().filter(|after| after.hash == *secret) {
        sqlx::query("UPDATE keypair_secret SET expires_at = ?, leaked_at = ? WHERE keypair_id = ? AND n = ?")
            .bind(leaked.expires_at.map(|at| at.as_millisecond()))
            .bind(leaked.leaked_at.map(|at| at.as_millisecond()))
            .bind(id.to_string())
            .bind(leaked.n)
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
    use crate::plan::plan;

    #[tokio::test]
    async fn a_secret_is_found_by_its_hash() {
        assert_eq!(
            plan(LIVE).await,
            [
                "SEARCH keypair_secret USING INDEX keypair_secret_by_hash (hash=?)",
                "SEARCH keypair USING INDEX sqlite_autoindex_keypair_1 (id=?)"
            ]
        );
    }
}
