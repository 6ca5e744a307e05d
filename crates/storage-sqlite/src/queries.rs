use async_trait::async_trait;
use domain::{Action, EnvironmentId, Name, ObjectRef, Query, QueryId, QueryState, QuestionText, Stamp};
use serde_json::Value;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{Queries, Record, Result, Slice, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored, text, upper_bound};
use crate::{SqliteStorage, begin, environments};

/// A part of an environment's queries.
const NEWEST: &str = "SELECT * FROM query WHERE environment_id = ? AND id < ? ORDER BY id DESC LIMIT ?";

fn query(row: &SqliteRow) -> Result<Query> {
    Ok(Query {
        id: row.parsed("id")?,
        environment: row.parsed("environment_id")?,
        title: text("title", Name::new(row.value("title")?))?,
        question: text("question", QuestionText::new(row.value("question")?))?,
        state: row.instant_or_null("closed_at")?.map_or(QueryState::Open, QueryState::Closed),
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

fn closed_at(query: &Query) -> Option<i64> {
    match query.state {
        QueryState::Open => None,
        QueryState::Closed(at) => Some(at.as_millisecond()),
    }
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
        .bind(closed_at(query))
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

    async fn save_query(&self, stamp: &Stamp, action: Action, before: &Query, after: &Query) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        environments::find_open(&mut tx, before.environment).await?;
        let saved = sqlx::query(
            "UPDATE query SET title = ?, question = ?, version = ?, closed_at = ? \
             WHERE id = ? AND environment_id = ? AND version = ?",
        )
        .bind(after.title.as_str())
        .bind(after.question.as_str())
        .bind(after.version)
        .bind(closed_at(after))
        .bind(before.id.to_string())
        .bind(before.environment.to_string())
        .bind(before.version)
        .execute(&mut *tx)
        .await
        .stored()?;
        if saved.rows_affected() == 0 {
            find(&mut tx, before.environment, before.id).await?;
            return Err(StorageError::Moved);
        }
        append(&mut tx, stamp, change(action, after, before.record(), after.record())).await?;
        tx.commit().await.stored()
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
