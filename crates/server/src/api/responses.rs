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

/// The longest body, in bytes: a thousand responses with texts.
pub(super) const LONGEST_BODY: usize = 4 * 1024 * 1024;

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
    Body(batch): Body<Batch>,
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
