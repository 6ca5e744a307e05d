//! `/environments/{env}/queries/{qry}`: one query with its report, and closing it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query as Parameters, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Query, Series};
use serde::Deserialize;

use super::door::{Admin, CanRead, Visit};
use super::dress::page;
use super::failure::PageError;
use super::outcome::Outcome;
use super::report::{self, Asked, PeriodView, ReportView};
use super::shell::Shell;
use super::when::When;
use crate::app::App;
use crate::queries;

#[derive(Template)]
#[template(path = "query.html")]
struct QueryPage {
    shell: Shell,
    base: String,
    id: String,
    title: String,
    question: String,
    open: bool,
    admin: bool,
    created: When,
    closed: Option<When>,
    period: PeriodView,
    report: Option<ReportView>,
}

/// What the path of a query carries.
#[derive(Deserialize)]
pub(super) struct QueryPath {
    query: String,
}

/// The query in the address.
pub(super) async fn load(app: &App, visit: &Visit, path: &QueryPath) -> Result<Query, PageError> {
    let id = path.query.parse().map_err(|_| PageError::NotFound)?;
    Ok(app.store.query(visit.environment()?.id, id).await?)
}

/// Where the query is shown.
pub(super) fn address(visit: &Visit, query: &Query) -> String {
    format!("{}/queries/{}", visit.base(), query.id)
}

/// `GET /environments/{env}/queries/{qry}`
pub(super) async fn show(
    visit: CanRead,
    State(app): State<Arc<App>>,
    Path(path): Path<QueryPath>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, PageError> {
    let query = load(&app, &visit, &path).await?;
    let now = app.clock.now();
    let (period, period_view) = report::period(&asked, now);
    let report = report::load(&app, query.environment, Series::Query(query.id), period).await?;
    let outcome = if period_view.error.is_some() { Outcome::Unreadable } else { Outcome::Shown };
    let view = QueryPage {
        shell: visit.shell(&app, "queries").await?,
        base: visit.base(),
        id: query.id.to_string(),
        title: query.title.to_string(),
        question: query.question.to_string(),
        open: query.state.is_open(),
        admin: visit.is_admin(),
        created: When::new(query.created_at, now),
        closed: query.state.closed_at().map(|at| When::new(at, now)),
        period: period_view,
        report,
    };
    page(outcome, &view)
}

/// `POST /environments/{env}/queries/{qry}/close`
pub(super) async fn close(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<QueryPath>,
) -> Result<Response, PageError> {
    let query = load(&app, &admin, &path).await?;
    let to = format!("{}?done=query-closed", address(&admin, &query));
    queries::close(&app, &admin.author(), query.environment, query.id, None).await?;
    Ok(Redirect::to(&to).into_response())
}
