//! Tokens that their keypair revoked before their time.

use domain::{Action, KeyId, MAX_REVOKED, ObjectRef, Owner, RevokedToken, Role, Stamp, TokenId};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use storage::{Result, Revocation};

use crate::audit::{Change, append};
use crate::author;
use crate::row::{Columns, Stored};

const OF_KEYPAIR: &str = "SELECT token FROM revoked_token WHERE keypair_id = ?";

/// The keypair's, those that need no keeping any longer included.
pub(crate) async fn of(connection: &mut SqliteConnection, keypair: KeyId) -> Result<Vec<TokenId>> {
    sqlx::query(OF_KEYPAIR)
        .bind(keypair.to_string())
        .fetch_all(connection)
        .await
        .stored()?
        .iter()
        .map(|row| Ok(TokenId::from_bytes(row.bytes("token")?)))
        .collect()
}

/// Keeps that the keypair revoked the token, in a transaction that takes turns with all others that change keypairs.
pub(crate) async fn revoke(
    tx: &mut SqliteConnection,
    stamp: &Stamp,
    keypair: KeyId,
    token: &RevokedToken,
) -> Result<Revocation> {
    let id = keypair.to_string();
    let row = sqlx::query("SELECT owner_id FROM keypair WHERE id = ?")
        .bind(&id)
        .fetch_one(&mut *tx)
        .await
        .stored()?;
    let owner: Owner = row.parsed("owner_id")?;
    author::require(tx, stamp, owner, Role::Administrator).await?;
    let revoked_before: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM revoked_token WHERE keypair_id = ? AND token = ?)")
            .bind(&id)
            .bind(token.id.as_bytes().as_slice())
            .fetch_one(&mut *tx)
            .await
            .stored()?;
    if revoked_before {
        return Ok(Revocation::Done);
    }
    sqlx::query("DELETE FROM revoked_token WHERE keypair_id = ? AND expires_at <= ?")
        .bind(&id)
        .bind(stamp.at.as_millisecond())
        .execute(&mut *tx)
        .await
        .stored()?;
    let kept = sqlx::query(
        "SELECT COUNT(*) AS many, MIN(expires_at) AS first FROM revoked_token WHERE keypair_id = ?",
    )
    .bind(&id)
    .fetch_one(&mut *tx)
    .await
    .stored()?;
    if let Some(first) = kept.instant_or_null("first")?
        && usize::try_from(kept.value::<i64>("many")?).is_ok_and(|many| many >= MAX_REVOKED)
    {
        return Ok(Revocation::Full(first));
    }
    sqlx::query("INSERT INTO revoked_token (keypair_id, token, expires_at) VALUES (?, ?, ?)")
        .bind(&id)
        .bind(token.id.as_bytes().as_slice())
        .bind(token.kept_until.as_millisecond())
        .execute(&mut *tx)
        .await
        .stored()?;
    let revoked = Change {
        action: Action::KeypairTokenRevoked,
        object: ObjectRef::new("keypair", keypair),
        owner: Some(owner),
        before: Value::Null,
        after: json!({"id": keypair, "revoked_token": token.id.to_string()}),
    };
    append(tx, stamp, revoked).await?;
    Ok(Revocation::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn a_keypair_s_are_read_from_the_key_of_the_table() {
        assert_eq!(plan(OF_KEYPAIR).await, ["SEARCH revoked_token USING PRIMARY KEY (keypair_id=?)"]);
    }
}
