use async_trait::async_trait;
use domain::{Action, Application, ApplicationId, ClientId, Name, ObjectRef, Owner, Role, Stamp, Timestamp};
use serde_json::Value;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{ApplicationInUse, Applications, Record, Result, Slice, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored, upper_bound};
use crate::{SqliteStorage, author, begin, environments};

/// What `in_use` makes an application in use of; takes one value, which is now.
macro_rules! columns {
    () => {
        "application.*, (SELECT COUNT(DISTINCT user_id) FROM application_grant \
         WHERE client_id = application.id AND expires_at > ?) AS people"
    };
}

/// A part of an owner's applications.
const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM application WHERE owner_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
);

fn application(row: &SqliteRow) -> Result<Application> {
    Ok(Application {
        id: row.parsed("id")?,
        owner: row.parsed("owner_id")?,
        name: Name::stored(row.value("name")?),
        redirect_uris: row.parsed("redirect_uris")?,
        created_at: row.instant("created_at")?,
    })
}

fn in_use(row: &SqliteRow) -> Result<ApplicationInUse> {
    let people = row.value::<i64>("people")?.unsigned_abs();
    Ok(ApplicationInUse { application: application(row)?, people })
}

async fn find(connection: &mut SqliteConnection, id: ApplicationId) -> Result<Option<Application>> {
    let row = sqlx::query("SELECT * FROM application WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .stored()?;
    row.as_ref().map(application).transpose()
}

/// Whether there is such a client.
pub(crate) async fn is_there(connection: &mut SqliteConnection, client: ClientId) -> Result<bool> {
    match client {
        ClientId::CommandLine => Ok(true),
        ClientId::Application(id) => Ok(find(connection, id).await?.is_some()),
    }
}

fn change(action: Action, application: &Application, before: Value, after: Value) -> Change {
    Change {
        action,
        object: ObjectRef::new("application", application.id),
        owner: Some(application.owner),
        before,
        after,
    }
}

#[async_trait]
impl Applications for SqliteStorage {
    async fn create_application(&self, stamp: &Stamp, application: &Application) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, application.owner, Role::Administrator).await?;
        environments::require_open(&mut tx, application.owner).await?;
        sqlx::query(
            "INSERT INTO application (id, owner_id, name, redirect_uris, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(application.id.to_string())
        .bind(application.owner.to_string())
        .bind(application.name.as_str())
        .bind(application.redirect_uris.to_string())
        .bind(application.created_at.as_millisecond())
        .execute(&mut *tx)
        .await
        .stored()?;
        let created = change(Action::ApplicationCreated, application, Value::Null, application.record());
        append(&mut tx, stamp, created).await?;
        tx.commit().await.stored()
    }

    async fn application(&self, owner: Owner, id: ApplicationId, now: Timestamp) -> Result<ApplicationInUse> {
        let row =
            sqlx::query(concat!("SELECT ", columns!(), " FROM application WHERE id = ? AND owner_id = ?"))
                .bind(now.as_millisecond())
                .bind(id.to_string())
                .bind(owner.to_string())
                .fetch_one(&self.readers)
                .await
                .stored()?;
        in_use(&row)
    }

    async fn applications(
        &self,
        owner: Owner,
        slice: Slice<ApplicationId>,
        now: Timestamp,
    ) -> Result<Vec<ApplicationInUse>> {
        sqlx::query(NEWEST)
            .bind(now.as_millisecond())
            .bind(owner.to_string())
            .bind(upper_bound(slice.after))
            .bind(slice.limit)
            .fetch_all(&self.readers)
            .await
            .stored()?
            .iter()
            .map(in_use)
            .collect()
    }

    async fn live_application(&self, id: ApplicationId) -> Result<Option<Application>> {
        find(&mut *self.readers.acquire().await.stored()?, id).await
    }

    async fn remove_application(&self, stamp: &Stamp, owner: Owner, id: ApplicationId) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, owner, Role::Administrator).await?;
        let found = find(&mut tx, id).await?;
        let application = found.filter(|found| found.owner == owner).ok_or(StorageError::NotFound)?;
        for statement in [
            "DELETE FROM application WHERE id = ?",
            "DELETE FROM application_grant WHERE client_id = ?",
            "DELETE FROM authorization_code WHERE client_id = ?",
        ] {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.stored()?;
        }
        let removed = change(Action::ApplicationRemoved, &application, application.record(), Value::Null);
        append(&mut tx, stamp, removed).await?;
        tx.commit().await.stored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn a_part_of_the_list_reads_no_more_than_it_shows() {
        assert_eq!(
            plan(NEWEST).await,
            [
                "SEARCH application USING INDEX application_of_owner (owner_id=? AND id<?)",
                "CORRELATED SCALAR SUBQUERY 1",
                "USE TEMP B-TREE FOR count(DISTINCT)",
                "SEARCH application_grant USING INDEX application_grant_to_client (client_id=?)",
            ]
        );
    }
}
