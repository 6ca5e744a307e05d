//! The public keys of keypairs.

use domain::{KeyId, Keypair, PublicKey, Thumbprint, VerifyingKey};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::Result;

use crate::row::{Columns, Stored};

pub(crate) fn public_key(row: &SqliteRow) -> Result<PublicKey> {
    let key = VerifyingKey::from_parts(
        row.parsed("algorithm")?,
        Thumbprint::from_bytes(row.bytes("thumbprint")?),
        row.value::<&[u8]>("spki")?.into(),
    );
    Ok(PublicKey {
        n: row.value("n")?,
        key,
        created_at: row.instant("created_at")?,
        expires_at: row.instant_or_null("expires_at")?,
        last_used_at: row.instant_or_null("last_used_at")?,
    })
}

/// Those of one keypair, the oldest first.
pub(crate) async fn of(connection: &mut SqliteConnection, keypair: &str) -> Result<Vec<PublicKey>> {
    let rows = sqlx::query(
        "SELECT public.*, at AS last_used_at FROM keypair_public_key public \
         LEFT JOIN key_use USING (keypair_id, n) WHERE keypair_id = ? ORDER BY n",
    )
    .bind(keypair)
    .fetch_all(connection)
    .await
    .stored()?;
    rows.iter().map(public_key).collect()
}

pub(crate) async fn insert(tx: &mut SqliteConnection, id: KeyId, public: &PublicKey) -> Result<()> {
    sqlx::query(
        "INSERT INTO keypair_public_key (keypair_id, n, algorithm, thumbprint, spki, created_at, expires_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(public.n)
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
pub(crate) async fn put(tx: &mut SqliteConnection, before: &Keypair, after: &Keypair) -> Result<()> {
    let has = |keypair: &Keypair, n| keypair.public_keys.iter().any(|public| public.n == n);
    for gone in before.public_keys.iter().filter(|public| !has(after, public.n)) {
        sqlx::query("DELETE FROM keypair_public_key WHERE keypair_id = ? AND n = ?")
            .bind(before.id.to_string())
            .bind(gone.n)
            .execute(&mut *tx)
            .await
            .stored()?;
    }
    for new in after.public_keys.iter().filter(|public| !has(before, public.n)) {
        insert(tx, before.id, new).await?;
    }
    Ok(())
}
