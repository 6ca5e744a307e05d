use async_trait::async_trait;
use domain::{Action, ObjectRef, Stamp};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{Result, ServerKeys, SigningKey};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{SqliteStorage, begin};

fn signing_key(row: &SqliteRow) -> Result<SigningKey> {
    Ok(SigningKey {
        kid: row.value("kid")?,
        algorithm: row.value("algorithm")?,
        sealed: row.value("sealed")?,
        public_jwk: row.value("public_jwk")?,
        created_at: row.instant("created_at")?,
    })
}

async fn all(connection: &mut SqliteConnection) -> Result<Vec<SigningKey>> {
    sqlx::query("SELECT * FROM signing_key ORDER BY created_at, kid")
        .fetch_all(connection)
        .await
        .stored()?
        .iter()
        .map(signing_key)
        .collect()
}

#[async_trait]
impl ServerKeys for SqliteStorage {
    async fn signing_keys_or(&self, stamp: &Stamp, first: &SigningKey) -> Result<Vec<SigningKey>> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let known = all(&mut tx).await?;
        if known.iter().any(|key| key.algorithm == first.algorithm) {
            return Ok(known);
        }
        sqlx::query(
            "INSERT INTO signing_key (kid, algorithm, sealed, public_jwk, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&first.kid)
        .bind(&first.algorithm)
        .bind(first.sealed.as_slice())
        .bind(&first.public_jwk)
        .bind(first.created_at.as_millisecond())
        .execute(&mut *tx)
        .await
        .stored()?;
        let created = Change {
            action: Action::SigningKeyCreated,
            object: ObjectRef::new("signing_key", &first.kid),
            owner: None,
            before: Value::Null,
            after: json!({"kid": first.kid, "algorithm": first.algorithm}),
        };
        append(&mut tx, stamp, created).await?;
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
}
