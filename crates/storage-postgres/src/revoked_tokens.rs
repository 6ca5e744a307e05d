//! Tokens that their keypair revoked before their time.

use domain::{Action, KeyId, MAX_REVOKED, ObjectRef, Owner, RevokedToken, Role, Stamp};
use serde_json::{Value, json};
use sqlx::PgConnection;
use storage::{Result, Revocation};

use crate::audit::{Change, append};
use crate::author;
use crate::row::{Columns, Stored};

/// Keeps that the keypair revoked the token, in a transaction that takes turns with all others that change keypairs.
pub(crate) async fn revoke(
    tx: &mut PgConnection,
    stamp: &Stamp,
    keypair: KeyId,
    token: &RevokedToken,
) -> Result<Revocation> {
    let id = keypair.to_string();
    let row = sqlx::query("SELECT owner_id FROM keypair WHERE id = $1")
        .bind(&id)
        .fetch_one(&mut *tx)
        .await
        .stored()?;
    let owner: Owner = row.parsed("owner_id")?;
    author::require(tx, stamp, owner, Role::Administrator).await?;
    let revoked_before: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM revoked_token WHERE keypair_id = $1 AND token = $2)",
    )
    .bind(&id)
    .bind(token.id.as_bytes().as_slice())
    .fetch_one(&mut *tx)
    .await
    .stored()?;
    if revoked_before {
        return Ok(Revocation::Done);
    }
    sqlx::query("DELETE FROM revoked_token WHERE keypair_id = $1 AND expires_at <= $2")
        .bind(&id)
        .bind(stamp.at.as_millisecond())
        .execute(&mut *tx)
        .await
        .stored()?;
    let kept = sqlx::query(
        "SELECT COUNT(*) AS many, MIN(expires_at) AS first FROM revoked_token WHERE keypair_id = $1",
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
    sqlx::query("INSERT INTO revoked_token (keypair_id, token, expires_at) VALUES ($1, $2, $3)")
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
