use async_trait::async_trait;
use domain::{Action, ObjectRef, Stamp};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{Result, ServerKeys, SigningKey};

use crate::PostgresStorage;
use crate::audit::{Change, append};
use crate::row::{Columns, Stored};

fn signing_key(row: &PgRow) -> Result<SigningKey> {
    Ok(SigningKey {
        kid: row.value("kid")?,
        algorithm: row.value("algorithm")?,
        sealed: row.value("sealed")?,
        public_jwk: row.value("public_jwk")?,
        created_at: row.instant("created_at")?,
    })
}

async fn all(connection: &mut PgConnection) -> Result<Vec<SigningKey>> {
    sqlx::query(
        "SELECT kid, algorithm, sealed, public_jwk, created_at FROM signing_key ORDER BY created_at, kid",
    )
    .fetch_all(connection)
    .await
    .stored()?
    .iter()
    .map(signing_key)
    .collect()
}

#[async_trait]
impl ServerKeys for PostgresStorage {
    async fn signing_keys_or(&self, stamp: &Stamp, first: &SigningKey) -> Result<Vec<SigningKey>> {
        self.administer(async |tx| {
            let known = all(tx).await?;
            if known.iter().any(|key| key.algorithm == first.algorithm) {
                return Ok(known);
            }
            sqlx::query(
                "INSERT INTO signing_key (kid, algorithm, sealed, public_jwk, created_at) \
                 VALUES ($1, $2, $3, $4, $5)",
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
            append(tx, stamp, created).await?;
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
}
