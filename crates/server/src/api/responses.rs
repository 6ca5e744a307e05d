//! `POST /v1/environments/{env}/responses`: one response, or a batch of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{ResponseError, SubmittedResponse, check_batch, new_id};
use serde::{Deserialize, Serialize};
use storage::{Accepted, StorageError};
use utoipa::ToSchema;

use super::authorization::{InEnvironment, ResponsesCreate};
use super::body::{Body, Object};
use super::error::ApiError;
use super::parameters::NoParameters;
use super::shapes::FieldError;
use crate::app::App;
use crate::whole_body::LONGEST;

/// A batch of responses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// One to 1,000 responses.
    #[schema(value_type = Vec<NewResponse>, min_items = 1, max_items = 1000)]
    responses: Vec<Object<NewResponse>>,
}

/// A response.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"id": "order-1067", "score": 4, "text": "Quick and clear.", "respondent": "customer-77"}))]
#[serde(deny_unknown_fields)]
pub(super) struct NewResponse {
    /// Your own identifier for it, up to 128 characters: a response that is sent again with the same one is counted
    /// once.
    #[schema(example = "order-1067")]
    id: Option<String>,
    /// The query that it answers; spontaneous without one.
    #[schema(example = "qry_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    query: Option<String>,
    /// From 1 (worst) to 5 (best).
    #[schema(minimum = 1, maximum = 5, example = 4)]
    score: i64,
    /// In the respondent's own words, up to 4,000 characters.
    #[schema(example = "Quick and clear.")]
    text: Option<String>,
    /// Who answered, in your terms, up to 256 characters. Only a keyed hash is kept, for counting people once.
    #[schema(example = "customer-77")]
    respondent: Option<String>,
    /// On which machine, likewise.
    #[schema(example = "kiosk-3")]
    machine: Option<String>,
    /// When; now without it.
    #[schema(format = DateTime)]
    at: Option<String>,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct Acceptance {
    /// How many were stored.
    accepted: u64,
    /// How many had been stored before, by your own identifier.
    duplicates: u64,
}

impl From<NewResponse> for SubmittedResponse {
    fn from(new: NewResponse) -> Self {
        let NewResponse { id, query, score, text, respondent, machine, at } = new;
        Self { id, query, score, text, respondent, machine, at }
    }
}

impl From<Accepted> for Acceptance {
    fn from(Accepted { accepted, duplicates }: Accepted) -> Self {
        Self { accepted, duplicates }
    }
}

impl From<ResponseError> for FieldError {
    fn from(error: ResponseError) -> Self {
        Self::new(error.field, error.detail)
    }
}

/// Submit responses
///
/// One, or up to 1,000 at a time: all of them are stored, or none.
#[utoipa::path(
    post,
    path = "/v1/environments/{env}/responses",
    operation_id = "submitResponses",
    tag = "Responses",
    request_body = Batch,
    responses((status = 200, description = "What became of them.", body = Acceptance)),
)]
pub(super) async fn submit(
    environment: InEnvironment<ResponsesCreate>,
    State(app): State<Arc<App>>,
    _: NoParameters,
    Body(batch): Body<Batch, LONGEST>,
) -> Result<Json<Acceptance>, ApiError> {
    let now = app.clock.now();
    let submitted = batch.responses.into_iter().map(|Object(new)| new.into()).collect();
    let identify = |kind: &str, value: &str| app.person_hash(environment.id(), kind, value);
    let responses = check_batch(submitted, now, identify, || new_id(now, &*app.entropy))
        .map_err(|errors| ApiError::BadFields(errors.into_iter().map(FieldError::from).collect()))?;
    match app.store.add_responses(environment.id(), &responses).await {
        Err(StorageError::NotOpen(places)) => {
            let errors = places.into_iter().map(|place| {
                FieldError::new(format!("responses[{place}].query"), "no open query of this environment")
            });
            Err(ApiError::BadFields(errors.collect()))
        }
        stored => Ok(Json(stored?.into())),
    }
}

#[cfg(test)]
mod tests {
    use domain::EnvironmentId;
    use serde_json::{Value, json};

    use crate::api::test_harness::{Answer, TestApp};

    async fn environment_and_token() -> (TestApp, EnvironmentId, String) {
        let test = TestApp::start().await;
        let account = test.account("Acme").await;
        let environment = test.environment(account, "Production").await;
        let token = test.token(environment, "feedback-responses:create feedback-report:read").await;
        (test, environment, token)
    }

    async fn submit(test: &TestApp, token: &str, environment: EnvironmentId, responses: Value) -> Answer {
        let path = format!("/v1/environments/{environment}/responses");
        test.call(token, "POST", &path, json!({"responses": responses})).await
    }

    async fn total(test: &TestApp, token: &str, environment: EnvironmentId) -> Value {
        let path = format!("/v1/environments/{environment}/reports/overview?combine=true");
        test.get(token, &path).await.expect(200)["points"][0]["responses"].clone()
    }

    #[tokio::test]
    async fn a_repeated_response_is_counted_once() {
        let (test, environment, token) = environment_and_token().await;
        let one = json!([{"id": "order-1", "score": 5, "respondent": "ann"}]);
        assert_eq!(
            submit(&test, &token, environment, one.clone()).await.expect(200),
            json!({"accepted": 1, "duplicates": 0})
        );
        assert_eq!(
            submit(&test, &token, environment, one).await.expect(200),
            json!({"accepted": 0, "duplicates": 1})
        );
        let batch = json!([{"id": "order-1", "score": 1}, {"id": "order-2", "score": 1}, {"id": "order-2", "score": 1}, {"score": 1}]);
        assert_eq!(
            submit(&test, &token, environment, batch).await.expect(200),
            json!({"accepted": 2, "duplicates": 2})
        );
        assert_eq!(total(&test, &token, environment).await, 3);
    }

    #[tokio::test]
    async fn one_bad_row_refuses_the_batch_and_every_fault_is_named() {
        let (test, environment, token) = environment_and_token().await;
        let batch = json!([
            {"score": 5},
            {"score": 0, "text": "x".repeat(4001)},
            {"score": 6, "query": "key_01jx1m2q6fe8gtvdb2v3cx2xkq", "at": "2026-03-16T00:00:00Z"},
            {"score": 3, "id": "", "respondent": "x".repeat(257), "machine": "a\u{0}", "at": "yesterday"},
        ]);
        let answer = submit(&test, &token, environment, batch).await;
        assert_eq!(answer.problem(400), "invalid_body");
        let errors = answer.errors();
        let fields: Vec<_> = errors.iter().map(|error| error.split(':').next().unwrap()).collect();
        assert_eq!(
            fields,
            [
                "responses[1].text",
                "responses[1].score",
                "responses[2].score",
                "responses[2].query",
                "responses[2].at",
                "responses[3].id",
                "responses[3].respondent",
                "responses[3].machine",
                "responses[3].at",
            ]
        );
        assert_eq!(total(&test, &token, environment).await, 0);
    }

    #[tokio::test]
    async fn shapes_that_are_not_are_refused_by_place() {
        let (test, environment, token) = environment_and_token().await;
        let many: Vec<_> = (0..1001).map(|_| json!({"score": 1})).collect();
        let cases = [
            (json!([]), "responses: expected 1 to 1000 responses; there are 0"),
            (json!(many), "responses: expected 1 to 1000 responses; there are 1001"),
            (
                json!([{"score": 4.5}]),
                "responses[0].score: invalid type: floating point `4.5`, expected a whole number",
            ),
            (json!([{"score": 4}, {}]), "responses[1].score: missing field `score`"),
            (json!([[null, null, 4]]), "responses[0]: invalid type: sequence, expected an object"),
            (
                json!([{"score": 4, "name": "ann"}]),
                "responses[0].name: unknown field `name`, expected one of `id`, `query`, `score`, `text`, `respondent`, `machine`, `at`",
            ),
            (json!({"score": 4}), "responses: invalid type: map, expected a sequence"),
        ];
        for (batch, expected) in cases {
            let answer = submit(&test, &token, environment, batch).await;
            assert_eq!(answer.problem(400), "invalid_body");
            assert_eq!(answer.errors(), [expected]);
        }
        assert_eq!(total(&test, &token, environment).await, 0);
    }

    #[tokio::test]
    async fn a_closed_query_takes_none() {
        let (test, environment, token) = environment_and_token().await;
        let query = test.query(environment, "Checkout").await.id;
        let admin = test.token(environment, "feedback-admin").await;
        let one = json!([{"id": "a", "score": 5, "query": query.to_string()}]);
        submit(&test, &token, environment, one.clone()).await.expect(200);
        let close = format!("/v1/environments/{environment}/queries/{query}/close");
        test.call(&admin, "POST", &close, Value::Null).await.expect(200);
        let answer =
            submit(&test, &token, environment, json!([{"score": 5, "query": query.to_string()}])).await;
        assert_eq!(answer.errors(), ["responses[0].query: no open query of this environment"]);
        assert_eq!(
            submit(&test, &token, environment, one).await.expect(200),
            json!({"accepted": 0, "duplicates": 1})
        );
    }
}
