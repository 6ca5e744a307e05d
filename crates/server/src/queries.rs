//! What can be done to queries, for every surface: load, decide in the domain, save.

use domain::{Action, EnvironmentId, Name, Query, QueryId, QuestionText, Timestamp};
use storage::StorageError;

use crate::app::{App, Author};

/// How often an edit without a version is decided anew when another one came first.
const ATTEMPTS: usize = 8;

/// Gives the query another title or question. With `expected_version`, only if it still has that version; an edit that
/// changes nothing is not written.
pub(crate) async fn edit(
    app: &App,
    author: &Author,
    environment: EnvironmentId,
    id: QueryId,
    expected_version: Option<i64>,
    title: Option<Name>,
    question: Option<QuestionText>,
) -> Result<Query, StorageError> {
    let change = |before: &Query, _| before.edited(title.clone(), question.clone());
    save(app, author, environment, id, expected_version, Action::QueryChanged, change).await
}

/// Closes the query; one that is closed stays as it is.
pub(crate) async fn close(
    app: &App,
    author: &Author,
    environment: EnvironmentId,
    id: QueryId,
    expected_version: Option<i64>,
) -> Result<Query, StorageError> {
    let change = |before: &Query, now| before.closed(now);
    save(app, author, environment, id, expected_version, Action::QueryClosed, change).await
}

async fn save(
    app: &App,
    author: &Author,
    environment: EnvironmentId,
    id: QueryId,
    expected_version: Option<i64>,
    action: Action,
    change: impl Fn(&Query, Timestamp) -> Query,
) -> Result<Query, StorageError> {
    for attempt in 1.. {
        let before = app.store.query(environment, id).await?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(StorageError::Moved);
        }
        let now = app.clock.now();
        let after = change(&before, now);
        if after == before {
            return Ok(before);
        }
        match app.store.save_query(&app.stamp(author, now), action, &before, &after).await {
            Err(StorageError::Moved) if expected_version.is_none() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(after),
        }
    }
    Err(StorageError::Moved)
}
