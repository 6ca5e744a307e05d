use async_trait::async_trait;
use domain::{Action, EnvironmentId, Name, ObjectRef, Query, QueryId, QuestionText, Role, Stamp, State};
use serde_json::Value;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{DecideQuery, Queries, Record, Result, Slice, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored, upper_bound};
use crate::{SqliteStorage, author, begin, environments};

/// A part of an environment's queries.
const NEWEST: &str = "SELECT * FROM query WHERE environment_id = ? AND id < ? ORDER BY id DESC LIMIT ?";

fn query(row: &SqliteRow) -> Result<Query> {
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

async fn find(connection: &mut SqliteConnection, environment: EnvironmentId, id: QueryId) -> Result<Query> {
    let row = sqlx::query("SELECT * FROM query WHERE id = ? AND environment_id = ?")
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
impl Queries for SqliteStorage {
    async fn create_query(&self, stamp: &Stamp, query: &Query) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, query.environment.into(), Role::Author).await?;
        environments::find_open(&mut tx, query.environment).await?;
        sqlx::query(
            "INSERT INTO query (id, environment_id, title, question, version, created_at, closed_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
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
        append(&mut tx, stamp, change(Action::QueryCreated, query, Value::Null, query.record())).await?;
        tx.commit().await.stored()
    }

    async fn query(&self, environment: EnvironmentId, id: QueryId) -> Result<Query> {
        find(&mut *self.readers.acquire().await.stored()?, environment, id).await
    }

    async fn queries(&self, environment: EnvironmentId, slice: Slice<QueryId>) -> Result<Vec<Query>> {
        sqlx::query(NEWEST)
            .bind(environment.to_string())
            .bind(upper_bound(slice.after))
            .bind(slice.limit)
            .fetch_all(&self.readers)
            .await
            .stored()?
            .iter()
            .map(query)
            .collect()
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
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, environment.into(), Role::Administrator).await?;
        environments::find_open(&mut tx, environment).await?;
        let before = find(&mut tx, environment, id).await?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(StorageError::Moved);
        }
        let after = decide(&before);
        if after == before {
            return Ok(before);
        }
        sqlx::query(
            "UPDATE query SET title = ?, question = ?, version = ?, closed_at = ? \
             WHERE id = ?",
        )
        .bind(after.title.as_str())
        .bind(after.question.as_str())
        .bind(after.version)
        .bind(after.state.closed_at().map(|at| at.as_millisecond()))
        .bind(before.id.to_string())
        .execute(&mut *tx)
        .await
        .stored()?;
        append(&mut tx, stamp, change(action, &after, before.record(), after.record())).await?;
        tx.commit().await.stored()?;
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn a_part_of_the_list_is_read_from_the_index() {
        let plan = plan(NEWEST).await;
        assert_eq!(plan, ["SEARCH query USING INDEX query_of_environment (environment_id=? AND id<?)"]);
    }
}
