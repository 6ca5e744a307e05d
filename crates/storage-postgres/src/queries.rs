use async_trait::async_trait;
use domain::{Action, EnvironmentId, Name, ObjectRef, Query, QueryId, QuestionText, Role, Stamp, State};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{DecideQuery, Queries, Record, Result, Slice, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored, upper_bound};
use crate::{PostgresStorage, author, environments};

/// A part of an environment's queries.
const NEWEST: &str = "SELECT id, environment_id, title, question, version, created_at, closed_at FROM query \
     WHERE environment_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

fn query(row: &PgRow) -> Result<Query> {
    Ok(Query {
        id: row.parsed("id")?,
        environment: row.parsed("environment_id")?,
        title: Name::stored(row.value("title")?),
        question: QuestionText::stored(row.value("question")?),
        state: row.instant_or_null("closed_at")?.map_or(State::Open, State::Closed),
        version: row.value("version")?,
        created_at: row.instant("created_at")?,
    })
}

async fn find(connection: &mut PgConnection, environment: EnvironmentId, id: QueryId) -> Result<Query> {
    let row = sqlx::query(
        "SELECT id, environment_id, title, question, version, created_at, closed_at FROM query \
         WHERE id = $1 AND environment_id = $2",
    )
    .bind(id.to_string())
    .bind(environment.to_string())
    .fetch_one(connection)
    .await
    .stored()?;
    query(&row)
}

fn change(action: Action, query: &Query, before: Value, after: Value) -> Change {
    Change {
        action,
        object: ObjectRef::new("query", query.id),
        owner: Some(query.environment.into()),
        before,
        after,
    }
}

#[async_trait]
impl Queries for PostgresStorage {
    async fn create_query(&self, stamp: &Stamp, query: &Query) -> Result<()> {
        self.write_with_line(async |tx| {
            author::require(tx, stamp, query.environment.into(), Role::Author).await?;
            environments::find_open(tx, query.environment).await?;
            sqlx::query(
                "INSERT INTO query (id, environment_id, title, question, version, created_at, closed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(query.id.to_string())
            .bind(query.environment.to_string())
            .bind(query.title.as_str())
            .bind(query.question.as_str())
            .bind(query.version)
            .bind(query.created_at.as_millisecond())
            .bind(query.state.closed_at().map(|at| at.as_millisecond()))
            .execute(&mut *tx)
            .await
            .stored()?;
            append(tx, stamp, change(Action::QueryCreated, query, Value::Null, query.record())).await
        })
        .await
    }

    async fn query(&self, environment: EnvironmentId, id: QueryId) -> Result<Query> {
        self.read(async |connection| find(connection, environment, id).await).await
    }

    async fn queries(&self, environment: EnvironmentId, slice: Slice<QueryId>) -> Result<Vec<Query>> {
        self.read(async |connection| {
            sqlx::query(NEWEST)
                .bind(environment.to_string())
                .bind(upper_bound(slice.after))
                .bind(i64::from(slice.limit))
                .fetch_all(connection)
                .await
                .stored()?
                .iter()
                .map(query)
                .collect()
        })
        .await
    }

    async fn change_query(
        &self,
        stamp: &Stamp,
        action: Action,
        environment: EnvironmentId,
        id: QueryId,
        expected_version: Option<i64>,
        decide: DecideQuery<'_>,
    ) -> Result<Query> {
        self.administer(async |tx| {
            author::require(tx, stamp, environment.into(), Role::Administrator).await?;
            environments::find_open(tx, environment).await?;
            let before = find(tx, environment, id).await?;
            if expected_version.is_some_and(|expected| expected != before.version) {
                return Err(StorageError::Moved);
            }
            let after = decide(&before);
            if after == before {
                return Ok(before);
            }
            sqlx::query(
                "UPDATE query SET title = $1, question = $2, version = $3, closed_at = $4 WHERE id = $5",
            )
            .bind(after.title.as_str())
            .bind(after.question.as_str())
            .bind(after.version)
            .bind(after.state.closed_at().map(|at| at.as_millisecond()))
            .bind(before.id.to_string())
            .execute(&mut *tx)
            .await
            .stored()?;
            append(tx, stamp, change(action, &after, before.record(), after.record())).await?;
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
    async fn a_part_of_the_list_is_read_from_the_index() {
        let mut planner = Planner::new().await;
        assert_eq!(
            planner.plan(NEWEST).await,
            ["query_of_environment ((environment_id = $1) AND (id < $2))"]
        );
    }
}
