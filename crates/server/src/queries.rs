//! What can be done to queries, for every surface: decided in the domain, inside the store's transaction.

use domain::{Action, EnvironmentId, Name, Query, QueryId, QuestionText};
use storage::StorageError;

use crate::app::{App, Author};

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
    let stamp = app.stamp(author, app.clock.now());
    let decide = |before: &Query| before.edited(title.clone(), question.clone());
    app.store.change_query(&stamp, Action::QueryChanged, environment, id, expected_version, &decide).await
}

/// Closes the query; one that is closed stays as it is.
pub(crate) async fn close(
    app: &App,
    author: &Author,
    environment: EnvironmentId,
    id: QueryId,
    expected_version: Option<i64>,
) -> Result<Query, StorageError> {
    let now = app.clock.now();
    let stamp = app.stamp(author, now);
    let decide = |before: &Query| before.closed(now);
    app.store.change_query(&stamp, Action::QueryClosed, environment, id, expected_version, &decide).await
}
