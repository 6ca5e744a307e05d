use async_trait::async_trait;
use domain::{Action, Application, ApplicationId, ClientId, Name, ObjectRef, Owner, Role, Stamp, Timestamp};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{ApplicationInUse, Applications, Record, Result, Slice, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored, upper_bound};
use crate::{PostgresStorage, author, environments};

/// What `application` makes an application of.
macro_rules! columns {
    () => {
        "application.id, application.owner_id, application.name, application.redirect_uris, application.created_at"
    };
}

/// How many people let it act at `$1`.
macro_rules! people {
    () => {
        ", (SELECT COUNT(DISTINCT user_id) FROM application_grant \
         WHERE client_id = application.id AND expires_at > $1) AS people"
    };
}

/// A part of an owner's applications.
const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    people!(),
    " FROM application WHERE owner_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4"
);

fn application(row: &PgRow) -> Result<Application> {
    Ok(Application {
        id: row.parsed("id")?,
        owner: row.parsed("owner_id")?,
        name: Name::stored(row.value("name")?),
        redirect_uris: row.parsed("redirect_uris")?,
        created_at: row.instant("created_at")?,
    })
}

fn in_use(row: &PgRow) -> Result<ApplicationInUse> {
    Ok(ApplicationInUse { application: application(row)?, people: row.number("people")? })
}

async fn find(connection: &mut PgConnection, id: ApplicationId) -> Result<Option<Application>> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM application WHERE id = $1"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .stored()?;
    row.as_ref().map(application).transpose()
}

/// Whether there is such a client.
pub(crate) async fn is_there(connection: &mut PgConnection, client: ClientId) -> Result<bool> {
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
impl Applications for PostgresStorage {
    async fn create_application(&self, stamp: &Stamp, application: &Application) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, application.owner, Role::Administrator).await?;
            environments::require_open(tx, application.owner).await?;
            sqlx::query(
                "INSERT INTO application (id, owner_id, name, redirect_uris, created_at) \
                 VALUES ($1, $2, $3, $4, $5)",
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
            append(tx, stamp, created).await
        })
        .await
    }

    async fn application(&self, owner: Owner, id: ApplicationId, now: Timestamp) -> Result<ApplicationInUse> {
        self.read(async |connection| {
            let row = sqlx::query(concat!(
                "SELECT ",
                columns!(),
                people!(),
                " FROM application WHERE id = $2 AND owner_id = $3"
            ))
            .bind(now.as_millisecond())
            .bind(id.to_string())
            .bind(owner.to_string())
            .fetch_one(connection)
            .await
            .stored()?;
            in_use(&row)
        })
        .await
    }

    async fn applications(
        &self,
        owner: Owner,
        slice: Slice<ApplicationId>,
        now: Timestamp,
    ) -> Result<Vec<ApplicationInUse>> {
        self.read(async |connection| {
            sqlx::query(NEWEST)
                .bind(now.as_millisecond())
                .bind(owner.to_string())
                .bind(upper_bound(slice.after))
                .bind(i64::from(slice.limit))
                .fetch_all(connection)
                .await
                .stored()?
                .iter()
                .map(in_use)
                .collect()
        })
        .await
    }

    async fn live_application(&self, id: ApplicationId) -> Result<Option<Application>> {
        self.read(async |connection| find(connection, id).await).await
    }

    async fn remove_application(&self, stamp: &Stamp, owner: Owner, id: ApplicationId) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, owner, Role::Administrator).await?;
            let found = find(tx, id).await?;
            let application = found.filter(|found| found.owner == owner).ok_or(StorageError::NotFound)?;
            for statement in [
                "DELETE FROM application WHERE id = $1",
                "DELETE FROM application_grant WHERE client_id = $1",
                "DELETE FROM authorization_code WHERE client_id = $1",
            ] {
                sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.stored()?;
            }
            let removed = change(Action::ApplicationRemoved, &application, application.record(), Value::Null);
            append(tx, stamp, removed).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn a_part_of_the_list_reads_no_more_than_it_shows() {
        let steps = Planner::new().await.plan(NEWEST).await;
        assert!(
            steps.contains(&"application_of_owner ((owner_id = $2) AND (id < $3))".to_owned()),
            "{steps:?}"
        );
        assert!(!steps.iter().any(|step| step.starts_with("Seq Scan")), "{steps:?}");
    }
}
