//! `/v1/environments/{env}/applications`: the applications of an environment.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ApplicationId;

use super::{Applications, NewApplicationBody};
use crate::api::authorization::{EnvironmentAdmin, InEnvironment, InPath};
use crate::api::body::Body;
use crate::api::error::ApiError;
use crate::api::parameters::{NoParameters, Page, PageParameters, Parameters};
use crate::api::shapes::{ApplicationShape, ListShape, Problem};
use crate::api::versions::{IfMatch, IfMatchParameter, Versioned};
use crate::app::App;

type Administered = InEnvironment<EnvironmentAdmin>;

fn applications<'a>(app: &'a App, environment: &'a Administered) -> Applications<'a, EnvironmentAdmin> {
    Applications { app, caller: environment, owner: environment.id().into() }
}

/// List applications
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/applications",
    operation_id = "listEnvironmentApplications",
    tag = "Applications of an environment",
    params(PageParameters),
    responses((status = 200, description = "A page of the applications.", body = ListShape<ApplicationShape>)),
)]
pub(in crate::api) async fn list(
    environment: Administered,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Page<ApplicationId>>,
) -> Result<Json<ListShape<ApplicationShape>>, ApiError> {
    applications(&app, &environment).list(wanted).await
}

/// Register an application
///
/// It has no secret: its `client_id` is public, and it proves by PKCE that it is the one that asked. It never changes; to
/// move it, register another.
#[utoipa::path(
    post,
    path = "/v1/environments/{env}/applications",
    operation_id = "createEnvironmentApplication",
    tag = "Applications of an environment",
    request_body = NewApplicationBody,
    responses((
        status = 201, description = "The application.", body = ApplicationShape,
        headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Its address.")),
    )),
)]
pub(in crate::api) async fn create(
    environment: Administered,
    State(app): State<Arc<App>>,
    _: NoParameters,
    Body(new): Body<NewApplicationBody>,
) -> Result<Response, ApiError> {
    applications(&app, &environment).create(new).await
}

/// Show an application
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/applications/{app}",
    operation_id = "showEnvironmentApplication",
    tag = "Applications of an environment",
    responses((
        status = 200, description = "The application.", body = ApplicationShape,
        headers(("ETag" = String, description = "Its version.")),
    )),
)]
pub(in crate::api) async fn show(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<ApplicationId>,
    _: NoParameters,
) -> Result<Versioned<ApplicationShape>, ApiError> {
    applications(&app, &environment).show(id).await
}

/// Remove an application
///
/// For good: all that people let it do ends at once.
#[utoipa::path(
    delete,
    path = "/v1/environments/{env}/applications/{app}",
    operation_id = "removeEnvironmentApplication",
    tag = "Applications of an environment",
    params(IfMatchParameter),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It has no such version.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn remove(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<ApplicationId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, ApiError> {
    applications(&app, &environment).remove(id, expected).await
}
