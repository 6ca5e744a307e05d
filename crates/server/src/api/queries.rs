//! Queries: list, create, show, change, close, and their statistics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use domain::{Action, EnvironmentId, Name, Query, QueryId, QueryState, QuestionText, Timestamp, new_id};
use serde::Deserialize;
use storage::StorageError;
use utoipa::ToSchema;

use super::authorization::{EnvironmentAdmin, InEnvironment, InPath, QueriesCreate, QueriesRead, ReportRead};
use super::body::{Body, FieldErrors, Nothing, OptionalBody, present};
use super::error::ApiError;
use super::parameters::{NoParameters, Page, PageParameters, Parameters, page};
use super::shapes::{ListShape, Problem, QueryShape, QueryStatisticsShape};
use super::versions::{IfMatch, IfMatchParameter, Versioned};
use crate::app::{App, Author};

/// How often an edit without a version is decided anew when another one came first.
const ATTEMPTS: usize = 8;

impl From<&Query> for Versioned<QueryShape> {
    fn from(query: &Query) -> Self {
        Self { version: query.version, shape: query.into() }
    }
}

/// List queries
///
/// The newest first, open and closed.
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/queries",
    operation_id = "listQueries",
    tag = "Queries",
    params(PageParameters),
    responses((status = 200, description = "A page of the queries.", body = ListShape<QueryShape>)),
)]
pub(super) async fn list(
    environment: InEnvironment<QueriesRead>,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Page<QueryId>>,
) -> Result<Json<ListShape<QueryShape>>, ApiError> {
    let (slice, limit) = wanted.slice();
    let found = app.store.queries(environment.id(), slice).await?;
    Ok(page(found, limit, |query| query.id, |query| QueryShape::from(query)))
}

/// A new query.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQuery {
    /// What it is called in lists: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, example = "Checkout")]
    title: String,
    /// What people are asked: 1 to 1,000 characters.
    #[schema(min_length = 1, max_length = 1000, example = "How easy was it to pay?")]
    question: String,
}

/// Create a query
#[utoipa::path(
    post,
    path = "/v1/environments/{env}/queries",
    operation_id = "createQuery",
    tag = "Queries",
    request_body = NewQuery,
    responses((
        status = 201, description = "The query.", body = QueryShape,
        headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Its address.")),
    )),
)]
pub(super) async fn create(
    environment: InEnvironment<QueriesCreate>,
    State(app): State<Arc<App>>,
    _: NoParameters,
    Body(new): Body<NewQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let mut errors = FieldErrors::default();
    let title = errors.check("title", Name::new(&new.title));
    let question = errors.check("question", QuestionText::new(&new.question));
    let (Some(title), Some(question)) = (title, question) else {
        return Err(errors.into_error());
    };
    let now = app.clock.now();
    let query = Query {
        id: new_id(now, &*app.entropy),
        environment: environment.id(),
        title,
        question,
        state: QueryState::Open,
        version: 1,
        created_at: now,
    };
    app.store.create_query(&app.stamp(&environment.author(), now), &query).await?;
    let location = format!("/v1/environments/{}/queries/{}", query.environment, query.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Versioned::from(&query)))
}

/// Show a query
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/queries/{qry}",
    operation_id = "showQuery",
    tag = "Queries",
    responses((
        status = 200, description = "The query.", body = QueryShape,
        headers(("ETag" = String, description = "Its version.")),
    )),
)]
pub(super) async fn show(
    environment: InEnvironment<QueriesRead>,
    State(app): State<Arc<App>>,
    InPath(id): InPath<QueryId>,
    _: NoParameters,
) -> Result<Versioned<QueryShape>, ApiError> {
    Ok(Versioned::from(&app.store.query(environment.id(), id).await?))
}

/// What to change of a query; what is missing stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryChange {
    /// What it is called in lists: 1 to 100 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 100, example = "Checkout")]
    title: Option<String>,
    /// What people are asked: 1 to 1,000 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 1000, example = "How easy was it to pay?")]
    question: Option<String>,
}

/// Change a query
#[utoipa::path(
    patch,
    path = "/v1/environments/{env}/queries/{qry}",
    operation_id = "changeQuery",
    tag = "Queries",
    params(IfMatchParameter),
    request_body = QueryChange,
    responses(
        (
            status = 200, description = "The query after the change.", body = QueryShape,
            headers(("ETag" = String, description = "Its version.")),
        ),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    environment: InEnvironment<EnvironmentAdmin>,
    State(app): State<Arc<App>>,
    InPath(id): InPath<QueryId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    Body(change): Body<QueryChange>,
) -> Result<Versioned<QueryShape>, ApiError> {
    let mut errors = FieldErrors::default();
    let title = change.title.and_then(|text| errors.check("title", Name::new(&text)));
    let question = change.question.and_then(|text| errors.check("question", QuestionText::new(&text)));
    if !errors.is_empty() {
        return Err(errors.into_error());
    }
    let edit = |before: &Query, _| before.edited(title.clone(), question.clone());
    save(&app, &environment.author(), environment.id(), id, expected, Action::QueryChanged, edit).await
}

/// Close a query
///
/// It takes no responses from then on; its reports stay. Closing one that is closed changes nothing.
#[utoipa::path(
    post,
    path = "/v1/environments/{env}/queries/{qry}/close",
    operation_id = "closeQuery",
    tag = "Queries",
    params(IfMatchParameter),
    responses(
        (
            status = 200, description = "The query, closed.", body = QueryShape,
            headers(("ETag" = String, description = "Its version.")),
        ),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn close(
    environment: InEnvironment<EnvironmentAdmin>,
    State(app): State<Arc<App>>,
    InPath(id): InPath<QueryId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    _: OptionalBody<Nothing>,
) -> Result<Versioned<QueryShape>, ApiError> {
    let edit = |before: &Query, now| before.closed(now);
    save(&app, &environment.author(), environment.id(), id, expected, Action::QueryClosed, edit).await
}

/// Show a query's statistics
///
/// Over all that was ever answered to it.
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/queries/{qry}/statistics",
    operation_id = "showQueryStatistics",
    tag = "Reports",
    responses((status = 200, description = "The statistics.", body = QueryStatisticsShape)),
)]
pub(super) async fn statistics(
    environment: InEnvironment<ReportRead>,
    State(app): State<Arc<App>>,
    InPath(id): InPath<QueryId>,
    _: NoParameters,
) -> Result<Json<QueryStatisticsShape>, ApiError> {
    let query = app.store.query(environment.id(), id).await?;
    let statistics = app.store.query_statistics(environment.id(), query.id).await?;
    Ok(Json(QueryStatisticsShape::new(query.id, &statistics)))
}

/// Loads the query, decides by `edit`, saves; nothing is written if nothing changes.
async fn save(
    app: &App,
    author: &Author,
    environment: EnvironmentId,
    id: QueryId,
    expected: Option<i64>,
    action: Action,
    edit: impl Fn(&Query, Timestamp) -> Query,
) -> Result<Versioned<QueryShape>, ApiError> {
    for attempt in 1.. {
        let before = app.store.query(environment, id).await?;
        if expected.is_some_and(|expected| expected != before.version) {
            return Err(ApiError::Moved);
        }
        let now = app.clock.now();
        let after = edit(&before, now);
        if after == before {
            return Ok(Versioned::from(&before));
        }
        match app.store.save_query(&app.stamp(author, now), action, &before, &after).await {
            Err(StorageError::Moved) if expected.is_none() && attempt < ATTEMPTS => {}
            saved => {
                saved?;
                return Ok(Versioned::from(&after));
            }
        }
    }
    Err(ApiError::Moved)
}
