//! `/v1/accounts/{acc}/applications`: the applications of the account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ApplicationId;

use super::{Applications, NewApplicationBody};
use crate::api::authorization::{AccountAdmin, InAccount, InPath};
use crate::api::body::Body;
use crate::api::error::ApiError;
use crate::api::parameters::{NoParameters, Page, PageParameters, Parameters};
use crate::api::shapes::{ApplicationShape, ListShape, Problem};
use crate::api::versions::{IfMatch, IfMatchParameter, Versioned};
use crate::app::App;

type Administered = InAccount<AccountAdmin>;

fn applications<'a>(app: &'a App, account: &'a Administered) -> Applications<'a, AccountAdmin> {
    Applications { app, caller: account, owner: account.id().into() }
}

/// List applications
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/v1/accounts/{acc}/applications",
    operation_id = "listAccountApplications",
    tag = "Applications of the account",
    params(PageParameters),
    responses((status = 200, description = "A page of the applications.", body = ListShape<ApplicationShape>)),
)]
pub(in crate::api) async fn list(
    account: Administered,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Page<ApplicationId>>,
) -> Result<Json<ListShape<ApplicationShape>>, ApiError> {
    applications(&app, &account).list(wanted).await
}

/// Register an application
///
/// It has no secret: its `client_id` is public, and it proves by PKCE that it is the one that asked. It never changes; to
/// move it, register another.
#[utoipa::path(
    post,
    path = "/v1/accounts/{acc}/applications",
    operation_id = "createAccountApplication",
    tag = "Applications of the account",
    request_body = NewApplicationBody,
    responses((
        status = 201, description = "The application.", body = ApplicationShape,
        headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Its address.")),
    )),
)]
pub(in crate::api) async fn create(
    account: Administered,
    State(app): State<Arc<App>>,
    _: NoParameters,
    Body(new): Body<NewApplicationBody>,
) -> Result<Response, ApiError> {
    applications(&app, &account).create(new).await
}

/// Show an application
#[utoipa::path(
    get,
    path = "/v1/accounts/{acc}/applications/{app}",
    operation_id = "showAccountApplication",
    tag = "Applications of the account",
    responses((
        status = 200, description = "The application.", body = ApplicationShape,
        headers(("ETag" = String, description = "Its version.")),
    )),
)]
pub(in crate::api) async fn show(
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<ApplicationId>,
    _: NoParameters,
) -> Result<Versioned<ApplicationShape>, ApiError> {
    applications(&app, &account).show(id).await
}

/// Remove an application
///
/// For good: all that people let it do ends at once.
#[utoipa::path(
    delete,
    path = "/v1/accounts/{acc}/applications/{app}",
    operation_id = "removeAccountApplication",
    tag = "Applications of the account",
    params(IfMatchParameter),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It has no such version.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn remove(
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<ApplicationId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, ApiError> {
    applications(&app, &account).remove(id, expected).await
}
