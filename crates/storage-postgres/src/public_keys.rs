//! The public keys of keypairs.

use domain::{KeyId, Keypair, PublicKey, Thumbprint, VerifyingKey};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::Result;

use crate::row::{Columns, Stored};

/// From a row of what opens a keypair.
pub(crate) fn public_key(row: &PgRow) -> Result<PublicKey> {
    let key = VerifyingKey::from_parts(
        row.parsed("algorithm")?,
        Thumbprint::from_bytes(row.bytes("thumbprint")?),
        row.value::<&[u8]>("spki")?.into(),
    );
    Ok(PublicKey {
        n: row.number("n")?,
        key,
        created_at: row.instant("way_created_at")?,
        expires_at: row.instant_or_null("way_expires_at")?,
        last_used_at: row.instant_or_null("way_last_used_at")?,
    })
}

pub(crate) async fn insert(tx: &mut PgConnection, id: KeyId, public: &PublicKey) -> Result<()> {
    sqlx::query(
        "INSERT INTO keypair_public_key (keypair_id, n, algorithm, thumbprint, spki, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id.to_string())
    .bind(i64::from(public.n))
    .bind(public.key.algorithm().name())
    .bind(public.key.thumbprint().as_bytes().as_slice())
    .bind(public.key.spki())
    .bind(public.created_at.as_millisecond())
    .bind(public.expires_at.map(|at| at.as_millisecond()))
    .execute(tx)
    .await
    .stored()?;
    Ok(())
}

/// Makes the stored public keys of a keypair those that it has after a change. One that stays is not changed.
pub(crate) async fn put(tx: &mut PgConnection, before: &Keypair, after: &Keypair) -> Result<()> {
    let has = |keypair: &Keypair, n| keypair.public_keys.iter().any(|public| public.n == n);
    for gone in before.public_keys.iter().filter(|public| !has(after, public.n)) {
        sqlx::query("DELETE FROM keypair_public_key WHERE keypair_id = $1 AND n = $2")
            .bind(before.id.to_string())
            .bind(i64::from(gone.n))
            .execute(&mut *tx)
            .await
            .stored()?;
    }
    for new in after.public_keys.iter().filter(|public| !has(before, public.n)) {
        insert(tx, before.id, new).await?;
    }
    Ok(())
}
