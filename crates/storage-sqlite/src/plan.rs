//! How SQLite would run a statement, for the tests that hold statements to their indexes.

use sqlx::AssertSqlSafe;

use crate::{FILE_NAME, SqliteStorage};

/// The steps of `EXPLAIN QUERY PLAN`, in words.
pub(crate) async fn plan(statement: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStorage::open(&folder.path().join(FILE_NAME)).await.unwrap();
    let steps: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
            .fetch_all(&store.readers)
            .await
            .unwrap();
    steps.into_iter().map(|step| step.3).collect()
}
