//! Queries: list, create, show, change, close, and their statistics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use domain::{Name, Query, QueryId, QuestionText};
use serde::Deserialize;
use utoipa::ToSchema;

use super::authorization::{EnvironmentAdmin, InEnvironment, InPath, QueriesCreate, QueriesRead, ReportRead};
use super::body::{Body, FieldErrors, Nothing, OptionalBody, present};
use super::error::ApiError;
use super::parameters::{NoParameters, Page, PageParameters, Parameters, page};
use super::shapes::{ListShape, Problem, QueryShape, QueryStatisticsShape};
use super::versions::{IfMatch, IfMatchParameter, Versioned};
use crate::app::App;
use crate::queries as acts;

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
    let query = Query::new(environment.id(), title, question, now, &*app.entropy);
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
    let author = environment.author();
    let changed = acts::edit(&app, &author, environment.id(), id, expected, title, question).await?;
    Ok(Versioned::from(&changed))
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
            example = json!({
                "id": "qry_01jx1m2q6fe8gtvdb2v3cx2xkq", "environment_id": "env_01jx1m2q6fe8gtvdb2v3cx2xkq",
                "title": "Checkout", "question": "How easy was it to pay?", "state": "closed",
                "created_at": "2026-01-31T12:00:00Z", "closed_at": "2026-11-26T09:30:00Z",
            }),
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
    let closed = acts::close(&app, &environment.author(), environment.id(), id, expected).await?;
    Ok(Versioned::from(&closed))
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

#[cfg(test)]
mod tests {
    use domain::EnvironmentId;
    use serde_json::{Value, json};

    use crate::api::test_harness::TestApp;

    async fn environment_and_token() -> (TestApp, EnvironmentId, String) {
        let test = TestApp::start().await;
        let account = test.account("Acme").await;
        let environment = test.environment(account, "Production").await;
        let token = test.token(environment, "feedback-queries:create feedback-admin").await;
        (test, environment, token)
    }

    #[tokio::test]
    async fn a_query_is_created_shown_changed_and_closed() {
        let (test, environment, token) = environment_and_token().await;
        let path = format!("/v1/environments/{environment}/queries");
        let new = json!({"title": " Checkout ", "question": "<b>How</b> was it?"});
        let created = test.call(&token, "POST", &path, new).await;
        let mut query = created.expect(201);
        let address = format!("{path}/{}", query["id"].as_str().unwrap());
        assert_eq!((created.header("location"), created.header("etag")), (address.as_str(), "\"1\""));
        assert_eq!(
            query,
            json!({
                "id": query["id"], "environment_id": environment.to_string(), "title": "Checkout",
                "question": "<b>How</b> was it?", "state": "open", "created_at": test.now(), "closed_at": null,
            })
        );
        assert_eq!(test.get(&token, &address).await.expect(200), query);

        let changed = test.call(&token, "PATCH", &address, json!({"title": "Paying"})).await;
        query["title"] = json!("Paying");
        assert_eq!((changed.expect(200), changed.header("etag")), (query.clone(), "\"2\""));

        let closed = test.call(&token, "POST", &format!("{address}/close"), Value::Null).await;
        query["state"] = json!("closed");
        query["closed_at"] = json!(test.now());
        assert_eq!((closed.expect(200), closed.header("etag")), (query.clone(), "\"3\""));
        let again = test.call(&token, "POST", &format!("{address}/close"), json!({})).await;
        assert_eq!((again.expect(200), again.header("etag")), (query, "\"3\""), "nothing changes");
        let body = test.call(&token, "POST", &format!("{address}/close"), json!({"at": 1})).await;
        assert_eq!(body.errors()[0].split(',').next().unwrap(), "at: unknown field `at`");
    }

    #[tokio::test]
    async fn an_edit_of_what_moved_on_is_refused() {
        let (test, environment, token) = environment_and_token().await;
        let query = test.query(environment, "Checkout").await.id;
        let path = format!("/v1/environments/{environment}/queries/{query}");
        let edit = async |tag: &str, title: &str| {
            test.call_with(&token, "PATCH", &path, json!({"title": title}), &[("if-match", tag)]).await
        };
        edit("\"1\"", "First").await.expect(200);
        assert_eq!(edit("\"1\"", "Second").await.problem(412), "precondition_failed");
        assert_eq!(edit("W/\"2\"", "Second").await.problem(412), "precondition_failed");
        assert_eq!(test.get(&token, &path).await.expect(200)["title"], "First");
        edit("*", "Third").await.expect(200);
        edit("\"2\", \"3\"", "Fourth").await.expect(200);
        let empty = test.call(&token, "PATCH", &path, json!({})).await;
        assert_eq!(empty.expect(200)["title"], "Fourth");
        let null = test.call(&token, "PATCH", &path, json!({"title": null})).await;
        assert_eq!(null.errors(), ["title: invalid type: null, expected a string"]);
    }

    #[tokio::test]
    async fn lists_are_paged_to_the_end_the_newest_first() {
        let (test, environment, token) = environment_and_token().await;
        for n in 1..=5 {
            test.query(environment, &format!("Query {n}")).await;
        }
        let path = format!("/v1/environments/{environment}/queries");
        let mut titles = Vec::new();
        let mut pages = 0;
        let mut more = String::new();
        loop {
            let page = test.get(&token, &format!("{path}?limit=2{more}")).await.expect(200);
            titles.extend(page["items"].as_array().unwrap().iter().map(|query| query["title"].clone()));
            pages += 1;
            match page["next_cursor"].as_str() {
                Some(cursor) => more = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(titles, ["Query 5", "Query 4", "Query 3", "Query 2", "Query 1"]);
        assert_eq!(pages, 3);
        let exactly = test.get(&token, &format!("{path}?limit=5")).await.expect(200);
        assert_eq!(exactly["next_cursor"], Value::Null, "no page is announced that would be empty");
    }
}
