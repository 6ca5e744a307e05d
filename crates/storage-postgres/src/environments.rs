use async_trait::async_trait;
use domain::{AccountId, Action, Environment, EnvironmentId, Name, ObjectRef, Owner, Role, Stamp, State};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{Environments, Record, Result, Slice, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{PostgresStorage, accounts, author};

/// Deletes what ends with an environment: what is its own, and what is narrowed to it.
const END: [&str; 8] = [
    "DELETE FROM keypair WHERE owner_id = $1",
    "DELETE FROM role WHERE owner_id = $1",
    "DELETE FROM invitation WHERE owner_id = $1",
    "DELETE FROM application WHERE owner_id = $1",
    "DELETE FROM application_grant WHERE owner_id = $1",
    "DELETE FROM authorization_code WHERE owner_id = $1",
    "DELETE FROM application_grant WHERE environment_id = $1",
    "DELETE FROM authorization_code WHERE environment_id = $1",
];

fn environment(row: &PgRow) -> Result<Environment> {
    Ok(Environment {
        id: row.parsed("id")?,
        account: row.parsed("account_id")?,
        name: Name::stored(row.value("name")?),
        state: row.instant_or_null("closed_at")?.map_or(State::Open, State::Closed),
        version: row.value("version")?,
        created_at: row.instant("created_at")?,
    })
}

/// The environment, open or closed; `NotFound`.
pub(crate) async fn find(connection: &mut PgConnection, id: EnvironmentId) -> Result<Environment> {
    let row = sqlx::query(
        "SELECT id, account_id, name, version, created_at, closed_at FROM environment WHERE id = $1",
    )
    .bind(id.to_string())
    .fetch_one(connection)
    .await
    .stored()?;
    environment(&row)
}

/// The environment if it is open; `NotFound`, `Closed`.
pub(crate) async fn find_open(tx: &mut PgConnection, id: EnvironmentId) -> Result<Environment> {
    let found = find(tx, id).await?;
    if found.state.is_open() { Ok(found) } else { Err(StorageError::Closed) }
}

/// Takes the environment for the rest of the transaction, for verbs that don't take turns with administrative ones: it
/// is open, and stays so. Nobody shares it, since a stream of those who do would keep whoever closes it waiting.
/// `NotFound`, `Closed`.
pub(crate) async fn hold_open(tx: &mut PgConnection, id: EnvironmentId) -> Result<()> {
    let open = sqlx::query("SELECT closed_at FROM environment WHERE id = $1 FOR NO KEY UPDATE")
        .bind(id.to_string())
        .fetch_one(tx)
        .await
        .stored()?
        .instant_or_null("closed_at")?
        .is_none();
    if open { Ok(()) } else { Err(StorageError::Closed) }
}

/// Whether the environment is there and open.
pub(crate) async fn is_open(tx: &mut PgConnection, id: EnvironmentId) -> Result<bool> {
    match find(tx, id).await {
        Ok(found) => Ok(found.state.is_open()),
        Err(StorageError::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Answers if the account or environment is there and open; `NotFound`, `Closed`.
pub(crate) async fn require_open(tx: &mut PgConnection, owner: Owner) -> Result<()> {
    let state = match owner {
        Owner::Account(id) => accounts::find(tx, id).await?.state,
        Owner::Environment(id) => find(tx, id).await?.state,
    };
    if state.is_open() { Ok(()) } else { Err(StorageError::Closed) }
}

fn change(action: Action, environment: &Environment, before: Value, after: Value) -> Change {
    Change {
        action,
        object: ObjectRef::new("environment", environment.id),
        owner: Some(environment.account.into()),
        before,
        after,
    }
}

#[async_trait]
impl Environments for PostgresStorage {
    async fn create_environment(&self, stamp: &Stamp, environment: &Environment) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, environment.account.into(), Role::Administrator).await?;
            require_open(tx, environment.account.into()).await?;
            sqlx::query(
                "INSERT INTO environment (id, account_id, name, version, created_at, closed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(environment.id.to_string())
            .bind(environment.account.to_string())
            .bind(environment.name.as_str())
            .bind(environment.version)
            .bind(environment.created_at.as_millisecond())
            .bind(environment.state.closed_at().map(|at| at.as_millisecond()))
            .execute(&mut *tx)
            .await
            .stored()?;
            let created = change(Action::EnvironmentCreated, environment, Value::Null, environment.record());
            append(tx, stamp, created).await
        })
        .await
    }

    async fn environment(&self, id: EnvironmentId) -> Result<Environment> {
        self.read(async |connection| find(connection, id).await).await
    }

    async fn environments(
        &self,
        account: AccountId,
        slice: Slice<EnvironmentId>,
    ) -> Result<Vec<Environment>> {
        self.read(async |connection| {
            sqlx::query(
                "SELECT id, account_id, name, version, created_at, closed_at FROM environment \
                 WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            )
            .bind(account.to_string())
            .bind(slice.after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(slice.limit))
            .fetch_all(connection)
            .await
            .stored()?
            .iter()
            .map(environment)
            .collect()
        })
        .await
    }

    async fn open_environments(
        &self,
        account: AccountId,
        slice: Slice<EnvironmentId>,
    ) -> Result<Vec<Environment>> {
        self.read(async |connection| {
            sqlx::query(
                "SELECT id, account_id, name, version, created_at, closed_at FROM environment \
                 WHERE account_id = $1 AND id > $2 AND closed_at IS NULL ORDER BY id LIMIT $3",
            )
            .bind(account.to_string())
            .bind(slice.after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(slice.limit))
            .fetch_all(connection)
            .await
            .stored()?
            .iter()
            .map(environment)
            .collect()
        })
        .await
    }

    async fn rename_environment(
        &self,
        stamp: &Stamp,
        id: EnvironmentId,
        expected_version: Option<i64>,
        name: &Name,
    ) -> Result<Environment> {
        self.administer(async |tx| {
            author::require(tx, stamp, id.into(), Role::Administrator).await?;
            let current = find_open(tx, id).await?;
            if expected_version.is_some_and(|expected| expected != current.version) {
                return Err(StorageError::Moved);
            }
            if current.name == *name {
                return Ok(current);
            }
            let after = Environment { name: name.clone(), version: current.version + 1, ..current.clone() };
            sqlx::query("UPDATE environment SET name = $1, version = $2 WHERE id = $3")
                .bind(name.as_str())
                .bind(after.version)
                .bind(after.id.to_string())
                .execute(&mut *tx)
                .await
                .stored()?;
            let renamed = change(Action::EnvironmentRenamed, &after, current.record(), after.record());
            append(tx, stamp, renamed).await?;
            Ok(after)
        })
        .await
    }

    async fn close_environment(
        &self,
        stamp: &Stamp,
        id: EnvironmentId,
        expected_version: Option<i64>,
    ) -> Result<Environment> {
        self.administer(async |tx| {
            author::require(tx, stamp, id.into(), Role::Administrator).await?;
            let before = find_open(tx, id).await?;
            if expected_version.is_some_and(|expected| expected != before.version) {
                return Err(StorageError::Moved);
            }
            let after =
                Environment { state: State::Closed(stamp.at), version: before.version + 1, ..before.clone() };
            // Waits for the batches of responses on their way, and stops later ones.
            sqlx::query("UPDATE environment SET closed_at = $1, version = $2 WHERE id = $3")
                .bind(stamp.at.as_millisecond())
                .bind(after.version)
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .stored()?;
            let keypairs = accounts::ids(
                tx,
                "SELECT id FROM keypair WHERE owner_id = $1 ORDER BY id FOR UPDATE",
                id.into(),
            )
            .await?;
            for statement in END {
                sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.stored()?;
            }
            let mut record = after.record();
            if let Some(record) = record.as_object_mut() {
                record.insert("ended".to_owned(), json!({"keypairs": keypairs}));
            }
            append(tx, stamp, change(Action::EnvironmentClosed, &after, before.record(), record)).await?;
            Ok(after)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn what_ends_with_an_environment_is_found_without_a_scan() {
        let mut planner = Planner::new().await;
        for statement in END {
            let steps = planner.plan(statement).await;
            assert!(!steps.iter().any(|step| step.starts_with("Seq Scan")), "{statement}: {steps:?}");
        }
    }
}
