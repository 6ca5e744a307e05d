use async_trait::async_trait;
use domain::{AccountId, Action, Environment, EnvironmentId, Name, ObjectRef, Owner, Role, Stamp, State};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{Environments, Record, Result, Slice, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{SqliteStorage, accounts, author, begin};

/// Deletes what ends with an environment: what is its own, and what is narrowed to it.
const END: [&str; 8] = [
    "DELETE FROM keypair WHERE owner_id = ?",
    "DELETE FROM role WHERE owner_id = ?",
    "DELETE FROM invitation WHERE owner_id = ?",
    "DELETE FROM application WHERE owner_id = ?",
    "DELETE FROM application_grant WHERE owner_id = ?",
    "DELETE FROM authorization_code WHERE owner_id = ?",
    "DELETE FROM application_grant WHERE environment_id = ?",
    "DELETE FROM authorization_code WHERE environment_id = ?",
];

fn environment(row: &SqliteRow) -> Result<Environment> {
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
pub(crate) async fn find(connection: &mut SqliteConnection, id: EnvironmentId) -> Result<Environment> {
    let row = sqlx::query("SELECT * FROM environment WHERE id = ?")
        .bind(id.to_string())
        .fetch_one(connection)
        .await
        .stored()?;
    environment(&row)
}

/// The environment if it is open; `NotFound`, `Closed`.
pub(crate) async fn find_open(tx: &mut SqliteConnection, id: EnvironmentId) -> Result<Environment> {
    let found = find(tx, id).await?;
    if found.state.is_open() { Ok(found) } else { Err(StorageError::Closed) }
}

/// Whether the environment is there and open.
pub(crate) async fn is_open(tx: &mut SqliteConnection, id: EnvironmentId) -> Result<bool> {
    match find(tx, id).await {
        Ok(found) => Ok(found.state.is_open()),
        Err(StorageError::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Answers if the account or environment is there and open; `NotFound`, `Closed`.
pub(crate) async fn require_open(tx: &mut SqliteConnection, owner: Owner) -> Result<()> {
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
impl Environments for SqliteStorage {
    async fn create_environment(&self, stamp: &Stamp, environment: &Environment) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, environment.account.into(), Role::Administrator).await?;
        require_open(&mut tx, environment.account.into()).await?;
        sqlx::query(
            "INSERT INTO environment (id, account_id, name, version, created_at, closed_at) \
             VALUES (?, ?, ?, ?, ?, ?)",
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
        append(&mut tx, stamp, created).await?;
        tx.commit().await.stored()
    }

    async fn environment(&self, id: EnvironmentId) -> Result<Environment> {
        find(&mut *self.readers.acquire().await.stored()?, id).await
    }

    async fn environments(
        &self,
        account: AccountId,
        slice: Slice<EnvironmentId>,
    ) -> Result<Vec<Environment>> {
        sqlx::query("SELECT * FROM environment WHERE account_id = ? AND id > ? ORDER BY id LIMIT ?")
            .bind(account.to_string())
            .bind(slice.after.map(|id| id.to_string()).unwrap_or_default())
            .bind(slice.limit)
            .fetch_all(&self.readers)
            .await
            .stored()?
            .iter()
            .map(environment)
            .collect()
    }

    async fn open_environments(
        &self,
        account: AccountId,
        slice: Slice<EnvironmentId>,
    ) -> Result<Vec<Environment>> {
        sqlx::query(
            "SELECT * FROM environment WHERE account_id = ? AND id > ? AND closed_at IS NULL \
             ORDER BY id LIMIT ?",
        )
        .bind(account.to_string())
        .bind(slice.after.map(|id| id.to_string()).unwrap_or_default())
        .bind(slice.limit)
        .fetch_all(&self.readers)
        .await
        .stored()?
        .iter()
        .map(environment)
        .collect()
    }

    async fn rename_environment(
        &self,
        stamp: &Stamp,
        id: EnvironmentId,
        expected_version: Option<i64>,
        name: &Name,
    ) -> Result<Environment> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, id.into(), Role::Administrator).await?;
        let current = find_open(&mut tx, id).await?;
        if expected_version.is_some_and(|expected| expected != current.version) {
            return Err(StorageError::Moved);
        }
        if current.name == *name {
            return Ok(current);
        }
        let after = Environment { name: name.clone(), version: current.version + 1, ..current.clone() };
        sqlx::query("UPDATE environment SET name = ?, version = ? WHERE id = ?")
            .bind(name.as_str())
            .bind(after.version)
            .bind(after.id.to_string())
            .execute(&mut *tx)
            .await
            .stored()?;
        let renamed = change(Action::EnvironmentRenamed, &after, current.record(), after.record());
        append(&mut tx, stamp, renamed).await?;
        tx.commit().await.stored()?;
        Ok(after)
    }

    async fn close_environment(
        &self,
        stamp: &Stamp,
        id: EnvironmentId,
        expected_version: Option<i64>,
    ) -> Result<Environment> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, id.into(), Role::Administrator).await?;
        let before = find_open(&mut tx, id).await?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(StorageError::Moved);
        }
        let after =
            Environment { state: State::Closed(stamp.at), version: before.version + 1, ..before.clone() };
        let keypairs =
            accounts::ids(&mut tx, "SELECT id FROM keypair WHERE owner_id = ? ORDER BY id", id.into())
                .await?;
        sqlx::query("UPDATE environment SET closed_at = ?, version = ? WHERE id = ?")
            .bind(stamp.at.as_millisecond())
            .bind(after.version)
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .stored()?;
        for statement in END {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.stored()?;
        }
        let mut record = after.record();
        if let Some(record) = record.as_object_mut() {
            record.insert("ended".to_owned(), json!({"keypairs": keypairs}));
        }
        let closed = change(Action::EnvironmentClosed, &after, before.record(), record);
        append(&mut tx, stamp, closed).await?;
        tx.commit().await.stored()?;
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn what_ends_with_an_environment_is_found_without_a_scan() {
        for statement in END {
            let steps = plan(statement).await;
            assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{statement}: {steps:?}");
        }
    }
}
