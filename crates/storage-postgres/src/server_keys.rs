use async_trait::async_trait;
use domain::{Action, ObjectRef, PUBLISHED_FIRST, Stamp};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{DecideSigningKeys, Record, Reseal, Result, ServerKeys, SigningKey, StorageError};

use crate::PostgresStorage;
use crate::audit::{Change, append};
use crate::row::{Columns, Stored};

fn signing_key(row: &PgRow) -> Result<SigningKey> {
    let created_at = row.instant("created_at")?;
    Ok(SigningKey {
        kid: row.value("kid")?,
        algorithm: row.value("algorithm")?,
        sealed: row.value("sealed")?,
        public_jwk: row.value("public_jwk")?,
        created_at,
        signs_from: row.instant_or_null("signs_from")?.unwrap_or(created_at + PUBLISHED_FIRST),
    })
}

async fn all(connection: &mut PgConnection) -> Result<Vec<SigningKey>> {
    let rows =
        sqlx::query("SELECT kid, algorithm, sealed, public_jwk, created_at, signs_from FROM signing_key")
            .fetch_all(connection)
            .await
            .stored()?;
    let mut keys = rows.iter().map(signing_key).collect::<Result<Vec<_>>>()?;
    keys.sort_by(|one, other| (one.signs_from, &one.kid).cmp(&(other.signs_from, &other.kid)));
    Ok(keys)
}

async fn add(tx: &mut PgConnection, key: &SigningKey) -> Result<()> {
    sqlx::query(
        "INSERT INTO signing_key (kid, algorithm, sealed, public_jwk, created_at, signs_from) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&key.kid)
    .bind(&key.algorithm)
    .bind(key.sealed.as_slice())
    .bind(&key.public_jwk)
    .bind(key.created_at.as_millisecond())
    .bind(key.signs_from.as_millisecond())
    .execute(tx)
    .await
    .stored()?;
    Ok(())
}

async fn remove(tx: &mut PgConnection, kid: &str) -> Result<()> {
    sqlx::query("DELETE FROM signing_key WHERE kid = $1").bind(kid).execute(tx).await.stored()?;
    Ok(())
}

/// The `kid` of each signing key.
pub(crate) async fn kids(connection: &mut PgConnection) -> Result<Vec<String>> {
    sqlx::query_scalar("SELECT kid FROM signing_key").fetch_all(connection).await.stored()
}

#[async_trait]
impl ServerKeys for PostgresStorage {
    async fn change_signing_keys(
        &self,
        stamp: &Stamp,
        decide: DecideSigningKeys<'_>,
    ) -> Result<Vec<SigningKey>> {
        self.administer(async |tx| {
            let known = all(tx).await?;
            let change = decide(&known);
            let mut lines = Vec::new();
            if let Some(key) = &change.add {
                add(tx, key).await?;
                lines.push((Action::SigningKeyCreated, &key.kid, Value::Null, key.record()));
            }
            for key in known.iter().filter(|key| change.remove.contains(&key.kid)) {
                remove(tx, &key.kid).await?;
                lines.push((Action::SigningKeyRemoved, &key.kid, key.record(), Value::Null));
            }
            for ((action, kid, before, after), n) in lines.into_iter().zip(0..) {
                let stamp = if n == 0 { stamp.clone() } else { stamp.further(n) };
                let object = ObjectRef::new("signing_key", kid);
                append(tx, &stamp, Change { action, object, owner: None, before, after }).await?;
            }
            all(tx).await
        })
        .await
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.read(async |connection| all(connection).await).await
    }

    async fn sealed_or(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        self.write(async |tx| {
            // Waits for whoever is about to store the same name; the next statement sees what came of it.
            sqlx::query("INSERT INTO sealed (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(name)
                .bind(sealed)
                .execute(&mut *tx)
                .await
                .stored()?;
            sqlx::query_scalar("SELECT value FROM sealed WHERE name = $1")
                .bind(name)
                .fetch_one(tx)
                .await
                .stored()
        })
        .await
    }

    async fn sealed(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(async |connection| {
            sqlx::query_scalar("SELECT value FROM sealed WHERE name = $1")
                .bind(name)
                .fetch_optional(connection)
                .await
                .stored()
        })
        .await
    }

    async fn reseal(&self, stamp: &Stamp, reseal: Reseal<'_>) -> Result<usize> {
        const SEALED: [(&str, &str); 2] = [
            ("SELECT kid, sealed FROM signing_key", "UPDATE signing_key SET sealed = $1 WHERE kid = $2"),
            ("SELECT name, value FROM sealed", "UPDATE sealed SET value = $1 WHERE name = $2"),
        ];
        self.administer(async |tx| {
            // What is not sealed as administration is: lest something is added under the key that goes.
            sqlx::query("LOCK TABLE sealed IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await.stored()?;
            let mut count = 0;
            for (read, write) in SEALED {
                let rows = sqlx::query_as::<_, (String, Vec<u8>)>(read).fetch_all(&mut *tx).await.stored()?;
                count += rows.len();
                for (name, sealed) in rows {
                    let anew = reseal(&name, &sealed).ok_or_else(|| {
                        StorageError::Corrupt(format!("what is sealed as {name} does not open"))
                    })?;
                    sqlx::query(write).bind(anew).bind(name).execute(&mut *tx).await.stored()?;
                }
            }
            let rotated = Change {
                action: Action::MasterKeyRotated,
                object: ObjectRef::new("store", "store"),
                owner: None,
                before: Value::Null,
                after: json!({"sealed": count}),
            };
            append(tx, stamp, rotated).await?;
            Ok(count)
        })
        .await
    }
}
