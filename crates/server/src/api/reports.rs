//! Reports: on all responses, on the spontaneous ones, and on those to one query.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Date, EnvironmentId, MAX_HISTORY, Period, Point, QueryId, Series, utc_date};
use jiff::ToSpan;
use utoipa::IntoParams;

use super::authorization::{InEnvironment, InPath, ReportRead};
use super::error::ApiError;
use super::parameters::{FromParameters, Given, Parameters};
use super::shapes::{FieldError, ReportShape};
use crate::app::App;

/// How many days a report spans, unless the client says otherwise.
const USUAL_DAYS: u16 = 30;

/// What a report shall be on.
pub(super) struct Wanted {
    from: Option<Date>,
    to: Option<Date>,
    combine: bool,
    history: u8,
}

/// What the document says of a report's parameters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters in the OpenAPI document")]
pub(super) struct ReportParameters {
    /// The first day, in UTC; without it, 29 days before `to`.
    #[param(required = false, value_type = String, format = Date, example = "2026-01-01")]
    from: Option<String>,
    /// The last day, in UTC, at most 366 days in all; without it, today.
    #[param(required = false, value_type = String, format = Date, example = "2026-01-31")]
    to: Option<String>,
    /// One point for the whole period in place of one for every day.
    #[param(required = false, value_type = bool, default = false)]
    combine: Option<bool>,
    /// With `combine`: a point for each of that many preceding periods of the same length, too.
    #[param(required = false, value_type = u8, minimum = 0, maximum = 12, default = 0)]
    history: Option<u8>,
}

impl FromParameters for Wanted {
    fn take(given: &mut Given) -> Self {
        let from = given.take("from", date);
        let to = given.take("to", date);
        let combine =
            given.take("combine", |text| text.parse::<bool>().map_err(|_| "expected true or false"));
        let history = given.take("history", |text| {
            let history = text.parse().ok().filter(|history| *history <= MAX_HISTORY);
            history.ok_or_else(|| format!("expected a whole number from 0 to {MAX_HISTORY}"))
        });
        let wanted = Self { from, to, combine: combine.unwrap_or(false), history: history.unwrap_or(0) };
        if wanted.history > 0 && !wanted.combine {
            given.refuse("history", "comes with `combine=true` only");
        }
        wanted
    }
}

fn date(text: &str) -> Result<Date, &'static str> {
    const EXPECTED: &str = "expected a date as in 2026-01-31";
    // A date and a time would do for the parser, but a time has no say here.
    let date: Date = text.parse().map_err(|_| EXPECTED)?;
    if date.to_string() == text { Ok(date) } else { Err(EXPECTED) }
}

impl Wanted {
    fn period(&self, today: Date) -> Result<Period, ApiError> {
        let to = self.to.unwrap_or(today);
        let from = self.from.unwrap_or_else(|| to.saturating_sub(i64::from(USUAL_DAYS - 1).days()));
        Period::new(from, to).map_err(|error| {
            let field = if self.from.is_some() { "from" } else { "to" };
            ApiError::BadParameters(vec![FieldError::new(field, error)])
        })
    }
}

/// Report on all responses
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/reports/overview",
    operation_id = "reportOverview",
    tag = "Reports",
    params(ReportParameters),
    responses((status = 200, description = "The report.", body = ReportShape)),
)]
pub(super) async fn overview(
    environment: InEnvironment<ReportRead>,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<ReportShape>, ApiError> {
    report(&app, environment.id(), Series::Overview, &wanted).await
}

/// Report on spontaneous feedback
///
/// The responses that answer no query.
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/reports/feedback",
    operation_id = "reportFeedback",
    tag = "Reports",
    params(ReportParameters),
    responses((status = 200, description = "The report.", body = ReportShape)),
)]
pub(super) async fn feedback(
    environment: InEnvironment<ReportRead>,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<ReportShape>, ApiError> {
    report(&app, environment.id(), Series::Spontaneous, &wanted).await
}

/// Report on the responses to a query
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/reports/queries/{qry}",
    operation_id = "reportQuery",
    tag = "Reports",
    params(ReportParameters),
    responses((status = 200, description = "The report.", body = ReportShape)),
)]
pub(super) async fn query(
    environment: InEnvironment<ReportRead>,
    State(app): State<Arc<App>>,
    InPath(id): InPath<QueryId>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<ReportShape>, ApiError> {
    let query = app.store.query(environment.id(), id).await?;
    report(&app, environment.id(), Series::Query(query.id), &wanted).await
}

async fn report(
    app: &App,
    environment: EnvironmentId,
    series: Series,
    wanted: &Wanted,
) -> Result<Json<ReportShape>, ApiError> {
    let period = wanted.period(utc_date(app.clock.now()))?;
    if !wanted.combine {
        let found = app.store.daily_points(environment, series, period).await?;
        return Ok(Json(ReportShape::per_day(period, &with_empty_days(period, found))));
    }
    let whole = app.store.combined_point(environment, series, period).await?;
    let mut history = Vec::new();
    let mut before = period;
    for _ in 0..wanted.history {
        before = before.preceding();
        history.push(app.store.combined_point(environment, series, before).await?);
    }
    Ok(Json(ReportShape::combined(&whole, &history)))
}

/// A point for every day, given those of the days on which there is a response.
fn with_empty_days(period: Period, found: Vec<Point>) -> Vec<Point> {
    let mut found = found.into_iter().peekable();
    period
        .each_day()
        .map(|day| found.next_if(|point| point.period == day).unwrap_or_else(|| Point::empty(day)))
        .collect()
}
