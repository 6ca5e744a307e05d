//! Reports: on all responses, on the spontaneous ones, and on those to one query.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Date, EnvironmentId, MAX_HISTORY, Period, QueryId, Series, every_day, utc_date};
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
    let date: Date = text.parse().map_err(|_| EXPECTED)?;
    // The parser takes a time and other forms too; here a date has one form.
    if date.to_string() == text && date.year() > 0 { Ok(date) } else { Err(EXPECTED) }
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
        return Ok(Json(ReportShape::per_day(period, &every_day(period, &found))));
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

#[cfg(test)]
mod tests {
    use domain::EnvironmentId;
    use serde_json::{Value, json};

    use crate::api::test_harness::TestApp;

    const SCOPES: &str = "feedback-report:read feedback-responses:create";

    async fn environment_and_token() -> (TestApp, EnvironmentId, String) {
        let test = TestApp::start().await;
        let account = test.account("Acme").await;
        let environment = test.environment(account, "Production").await;
        let token = test.token(environment, SCOPES).await;
        (test, environment, token)
    }

    async fn submit(test: &TestApp, token: &str, environment: EnvironmentId, responses: Value) {
        let path = format!("/v1/environments/{environment}/responses");
        test.call(token, "POST", &path, json!({"responses": responses})).await.expect(200);
    }

    async fn report(test: &TestApp, token: &str, environment: EnvironmentId, which: &str) -> Value {
        test.get(token, &format!("/v1/environments/{environment}/reports/{which}")).await.expect(200)
    }

    #[tokio::test]
    async fn a_point_for_every_day_and_people_counted_once() {
        let (test, environment, token) = environment_and_token().await;
        let responses = json!([
            {"score": 5, "respondent": "ann", "machine": "m1", "at": "2026-03-01T08:00:00Z"},
            {"score": 4, "respondent": "ann", "machine": "m2", "at": "2026-03-01T23:59:59.999Z"},
            {"score": 1, "respondent": "ann", "machine": "m1", "at": "2026-03-03T00:00:00Z"},
            {"score": 3, "respondent": "bob", "at": "2026-03-03T01:00:00+01:00"},
        ]);
        submit(&test, &token, environment, responses).await;

        let days = report(&test, &token, environment, "overview?from=2026-03-01&to=2026-03-03").await;
        let day = |date: &str, people: [u64; 3], average: Value, scores: [u64; 5]| {
            let [one, two, three, four, five] = scores;
            json!({
                "from": date, "to": date, "responses": people[0], "respondents": people[1], "machines": people[2],
                "average_score": average, "scores": {"1": one, "2": two, "3": three, "4": four, "5": five},
            })
        };
        assert_eq!(
            days,
            json!({
                "from": "2026-03-01", "to": "2026-03-03", "combined": false, "history": [],
                "points": [
                    day("2026-03-01", [2, 1, 2], json!(4.5), [0, 0, 0, 1, 1]),
                    day("2026-03-02", [0, 0, 0], Value::Null, [0; 5]),
                    day("2026-03-03", [2, 2, 1], json!(2.0), [1, 0, 1, 0, 0]),
                ],
            })
        );

        let combined = "overview?from=2026-03-01&to=2026-03-03&combine=true&history=2";
        let whole = report(&test, &token, environment, combined).await;
        let point = &whole["points"][0];
        assert_eq!((&whole["combined"], whole["points"].as_array().unwrap().len()), (&json!(true), 1));
        assert_eq!(
            (&point["respondents"], &point["machines"], &point["responses"]),
            (&json!(2), &json!(2), &json!(4))
        );
        assert_eq!(point["average_score"], json!(3.25));
        let spans: Vec<_> =
            whole["history"].as_array().unwrap().iter().map(|past| (&past["from"], &past["to"])).collect();
        assert_eq!(
            spans,
            [(&json!("2026-02-26"), &json!("2026-02-28")), (&json!("2026-02-23"), &json!("2026-02-25"))],
            "the nearest first"
        );
    }

    #[tokio::test]
    async fn without_dates_a_report_is_on_the_last_thirty_days() {
        let (test, environment, token) = environment_and_token().await;
        let usual = report(&test, &token, environment, "overview").await;
        assert_eq!((&usual["from"], &usual["to"]), (&json!("2026-02-14"), &json!("2026-03-15")));
        assert_eq!(usual["points"].as_array().unwrap().len(), 30);
        let until = report(&test, &token, environment, "feedback?to=2026-03-01&combine=true").await;
        assert_eq!((&until["from"], &until["to"]), (&json!("2026-01-31"), &json!("2026-03-01")));
        let since = report(&test, &token, environment, "feedback?from=2025-03-15&combine=true").await;
        assert_eq!((&since["from"], &since["to"]), (&json!("2025-03-15"), &json!("2026-03-15")));
        let future = test
            .get(&token, &format!("/v1/environments/{environment}/reports/feedback?from=2026-03-16"))
            .await;
        assert_eq!(future.errors(), ["from: `from` must not be later than `to`"]);
    }

    #[tokio::test]
    async fn each_series_counts_its_own_and_no_identifier_leaves() {
        let (test, environment, token) = environment_and_token().await;
        let query = test.query(environment, "Checkout").await.id;
        let responses = json!([
            {"score": 5, "respondent": "ann@example.com"},
            {"score": 2, "respondent": "ann@example.com", "machine": "till-17", "query": query.to_string()},
            {"score": 3, "respondent": "bob", "query": query.to_string()},
        ]);
        submit(&test, &token, environment, responses).await;
        let at = test.now();
        let counts = async |which: &str| {
            let report = report(&test, &token, environment, &format!("{which}?combine=true")).await;
            let point = report["points"][0].clone();
            assert!(!report.to_string().contains("ann") && !report.to_string().contains("till"));
            (point["responses"].as_u64().unwrap(), point["respondents"].as_u64().unwrap())
        };
        assert_eq!(counts("overview").await, (3, 2));
        assert_eq!(counts("feedback").await, (1, 1));
        assert_eq!(counts(&format!("queries/{query}")).await, (2, 2));

        let path = format!("/v1/environments/{environment}/queries/{query}/statistics");
        assert_eq!(
            test.get(&token, &path).await.expect(200),
            json!({
                "query_id": query.to_string(), "responses": 2, "respondents": 2, "machines": 1, "average_score": 2.5,
                "scores": {"1": 0, "2": 1, "3": 1, "4": 0, "5": 0},
                "first_response_at": at, "last_response_at": at,
            })
        );
    }
}
