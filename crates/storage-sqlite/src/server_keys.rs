use async_trait::async_trait;
use domain::{Action, ObjectRef, PUBLISHED_FIRST, Stamp};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{DecideSigningKeys, Record, Reseal, Result, ServerKeys, SigningKey, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{SqliteStorage, begin};

fn signing_key(row: &SqliteRow) -> Result<SigningKey> {
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

async fn all(connection: &mut SqliteConnection) -> Result<Vec<SigningKey>> {
    let rows = sqlx::query("SELECT * FROM signing_key").fetch_all(connection).await.stored()?;
    let mut keys = rows.iter().map(signing_key).collect::<Result<Vec<_>>>()?;
    keys.sort_by(|one, other| (one.signs_from, &one.kid).cmp(&(other.signs_from, &other.kid)));
    Ok(keys)
}

async fn add(tx: &mut SqliteConnection, key: &SigningKey) -> Result<()> {
    sqlx::query(
        "INSERT INTO signing_key (kid, algorithm, sealed, public_jwk, created_at, signs_from) \
         VALUES (?, ?, ?, ?, ?, ?)",
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

async fn remove(tx: &mut SqliteConnection, kid: &str) -> Result<()> {
    sqlx::query("DELETE FROM signing_key WHERE kid = ?").bind(kid).execute(tx).await.stored()?;
    Ok(())
}

/// The `kid` of each signing key.
pub(crate) async fn kids(connection: &mut SqliteConnection) -> Result<Vec<String>> {
    sqlx::query_scalar("SELECT kid FROM signing_key").fetch_all(connection).await.stored()
}

#[async_trait]
impl ServerKeys for SqliteStorage {
    async fn change_signing_keys(
        &self,
        stamp: &Stamp,
        decide: DecideSigningKeys<'_>,
    ) -> Result<Vec<SigningKey>> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let known = all(&mut tx).await?;
        let change = decide(&known);
        let mut lines = Vec::new();
        if let Some(key) = &change.add {
            add(&mut tx, key).await?;
            lines.push((Action::SigningKeyCreated, &key.kid, Value::Null, key.record()));
        }
        for key in known.iter().filter(|key| change.remove.contains(&key.kid)) {
            remove(&mut tx, &key.kid).await?;
            lines.push((Action::SigningKeyRemoved, &key.kid, key.record(), Value::Null));
        }
        for ((action, kid, before, after), n) in lines.into_iter().zip(0..) {
            let stamp = if n == 0 { stamp.clone() } else { stamp.further(n) };
            let object = ObjectRef::new("signing_key", kid);
            append(&mut tx, &stamp, Change { action, object, owner: None, before, after }).await?;
        }
        let keys = all(&mut tx).await?;
        tx.commit().await.stored()?;
        Ok(keys)
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        all(&mut *self.readers.acquire().await.stored()?).await
    }

    async fn sealed_or(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        sqlx::query("INSERT OR IGNORE INTO sealed (name, value) VALUES (?, ?)")
            .bind(name)
            .bind(sealed)
            .execute(&mut *tx)
            .await
            .stored()?;
        let value = sqlx::query_scalar("SELECT value FROM sealed WHERE name = ?")
            .bind(name)
            .fetch_one(&mut *tx)
            .await
            .stored()?;
        tx.commit().await.stored()?;
        Ok(value)
    }

    async fn sealed(&self, name: &str) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT value FROM sealed WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .stored()
    }

    async fn reseal(&self, stamp: &Stamp, reseal: Reseal<'_>) -> Result<usize> {
        const SEALED: [(&str, &str); 2] = [
            ("SELECT kid, sealed FROM signing_key", "UPDATE signing_key SET sealed = ? WHERE kid = ?"),
            ("SELECT name, value FROM sealed", "UPDATE sealed SET value = ? WHERE name = ?"),
        ];
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
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
        append(&mut tx, stamp, rotated).await?;
        tx.commit().await.stored()?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FILE_NAME;

    #[tokio::test]
    async fn a_key_of_the_version_before_signs_ten_minutes_after_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStorage::open(&folder.path().join(FILE_NAME)).await.unwrap();
        let mut writer = store.write().await.unwrap();
        sqlx::query(
            "INSERT INTO signing_key (kid, algorithm, sealed, public_jwk, created_at) \
             VALUES ('kid', 'ES256', x'00', '{}', 1000)",
        )
        .execute(&mut *writer)
        .await
        .unwrap();
        let key = store.signing_keys().await.unwrap().remove(0);
        assert_eq!((key.created_at.as_millisecond(), key.signs_from.as_millisecond()), (1000, 601_000));
    }
}
