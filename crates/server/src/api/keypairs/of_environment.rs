//! `/v1/environments/{env}/api-keys`: the keypairs of an environment.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::KeyId;

use super::{KeypairChange, Keypairs, NewKeypairBody, NewPublicKey, Rotation};
use crate::api::authorization::{EnvironmentAdmin, InEnvironment, InPath, SecretNumber};
use crate::api::body::{Body, OptionalBody};
use crate::api::error::ApiError;
use crate::api::parameters::{NoParameters, Page, PageParameters, Parameters};
use crate::api::shapes::{KeypairShape, KeypairWithSecret, ListShape, Problem, UsageShape};
use crate::api::versions::{IfMatch, IfMatchParameter, Versioned};
use crate::app::App;

type Administered = InEnvironment<EnvironmentAdmin>;

fn keypairs<'a>(app: &'a App, environment: &'a Administered) -> Keypairs<'a, EnvironmentAdmin> {
    Keypairs { app, caller: environment, owner: environment.id().into() }
}

/// List keypairs
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/api-keys",
    operation_id = "listEnvironmentKeypairs",
    tag = "Keypairs of an environment",
    params(PageParameters),
    responses((status = 200, description = "A page of the keypairs.", body = ListShape<KeypairShape>)),
)]
pub(in crate::api) async fn list(
    environment: Administered,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Page<KeyId>>,
) -> Result<Json<ListShape<KeypairShape>>, ApiError> {
    keypairs(&app, &environment).list(wanted).await
}

/// Create a keypair
///
/// The answer shows the Key Secret, this once; with a `public_key` there is none. It can't be given a scope that the caller's own token lacks.
#[utoipa::path(
    post,
    path = "/v1/environments/{env}/api-keys",
    operation_id = "createEnvironmentKeypair",
    tag = "Keypairs of an environment",
    request_body = NewKeypairBody,
    responses((
        status = 201, description = "The keypair, with its secret.", body = KeypairWithSecret,
        headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Its address.")),
    )),
)]
pub(in crate::api) async fn create(
    environment: Administered,
    State(app): State<Arc<App>>,
    _: NoParameters,
    Body(new): Body<NewKeypairBody>,
) -> Result<Response, ApiError> {
    keypairs(&app, &environment).create(new).await
}

/// Show a keypair
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/api-keys/{key}",
    operation_id = "showEnvironmentKeypair",
    tag = "Keypairs of an environment",
    responses((
        status = 200, description = "The keypair.", body = KeypairShape,
        headers(("ETag" = String, description = "Its version.")),
    )),
)]
pub(in crate::api) async fn show(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
) -> Result<Versioned<KeypairShape>, ApiError> {
    keypairs(&app, &environment).show(id).await
}

/// Change a keypair
///
/// Switch it on or off, or change its comment, scopes or expiry, or whether it accepts secrets. It can't be given a scope that the caller's own
/// token lacks, nor made to work again or longer while it has one.
#[utoipa::path(
    patch,
    path = "/v1/environments/{env}/api-keys/{key}",
    operation_id = "changeEnvironmentKeypair",
    tag = "Keypairs of an environment",
    params(IfMatchParameter),
    request_body = KeypairChange,
    responses(
        (
            status = 200, description = "The keypair after the change.", body = KeypairShape,
            headers(("ETag" = String, description = "Its version.")),
        ),
        (status = 409, description = "It would accept no secrets, and has no public key that works.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn change(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    Body(change): Body<KeypairChange>,
) -> Result<Versioned<KeypairShape>, ApiError> {
    keypairs(&app, &environment).change(id, expected, change).await
}

/// Remove a keypair
///
/// For good: its tokens end at once, and its Key ID is never given again.
#[utoipa::path(
    delete,
    path = "/v1/environments/{env}/api-keys/{key}",
    operation_id = "removeEnvironmentKeypair",
    tag = "Keypairs of an environment",
    params(IfMatchParameter),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn remove(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, ApiError> {
    keypairs(&app, &environment).remove(id, expected).await
}

/// Rotate a keypair
///
/// Adds a secret, which the answer shows, this once. The caller's own token must have every scope of the keypair.
#[utoipa::path(
    post,
    path = "/v1/environments/{env}/api-keys/{key}/secrets",
    operation_id = "rotateEnvironmentKeypair",
    tag = "Keypairs of an environment",
    params(IfMatchParameter),
    request_body = Option<Rotation>,
    responses(
        (
            status = 201, description = "The keypair, with its new secret.", body = KeypairWithSecret,
            headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Its address.")),
        ),
        (status = 409, description = "It has as many secrets as it can have, or accepts none.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn rotate(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    OptionalBody(rotation): OptionalBody<Rotation>,
) -> Result<Response, ApiError> {
    keypairs(&app, &environment).rotate(id, expected, rotation).await
}

/// Delete a secret
///
/// The tokens that it obtained end at once, and no others. The last way to authenticate can't be deleted.
#[utoipa::path(
    delete,
    path = "/v1/environments/{env}/api-keys/{key}/secrets/{n}",
    operation_id = "deleteEnvironmentKeypairSecret",
    tag = "Keypairs of an environment",
    params(IfMatchParameter),
    responses(
        (
            status = 200, description = "The keypair without it.", body = KeypairShape,
            headers(("ETag" = String, description = "Its version.")),
        ),
        (status = 409, description = "Nothing else that works is left.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn delete_secret(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    InPath(secret): InPath<SecretNumber>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
) -> Result<Versioned<KeypairShape>, ApiError> {
    keypairs(&app, &environment).delete_secret(id, secret.0, expected).await
}

/// Register a public key
///
/// Whoever has its private half can sign assertions (`private_key_jwt`) instead of sending a secret. The caller's own
/// token must have every scope of the keypair.
#[utoipa::path(
    post,
    path = "/v1/environments/{env}/api-keys/{key}/public-keys",
    operation_id = "addEnvironmentKeypairPublicKey",
    tag = "Keypairs of an environment",
    params(IfMatchParameter),
    request_body = NewPublicKey,
    responses(
        (
            status = 201, description = "The keypair, with its new public key as the last.", body = KeypairShape,
            headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Its address.")),
        ),
        (status = 409, description = "It has this public key, or as many as it can have.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn add_public_key(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    Body(new): Body<NewPublicKey>,
) -> Result<Response, ApiError> {
    keypairs(&app, &environment).add_public_key(id, expected, new).await
}

/// Delete a public key
///
/// The tokens that it obtained end at once, and no others. The last way to authenticate can't be deleted.
#[utoipa::path(
    delete,
    path = "/v1/environments/{env}/api-keys/{key}/public-keys/{n}",
    operation_id = "deleteEnvironmentKeypairPublicKey",
    tag = "Keypairs of an environment",
    params(IfMatchParameter),
    responses(
        (
            status = 200, description = "The keypair without it.", body = KeypairShape,
            headers(("ETag" = String, description = "Its version.")),
        ),
        (status = 409, description = "Nothing else that works is left.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn delete_public_key(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    InPath(public): InPath<SecretNumber>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
) -> Result<Versioned<KeypairShape>, ApiError> {
    keypairs(&app, &environment).delete_public_key(id, public.0, expected).await
}

/// Show how a keypair is used
///
/// Tokens and requests of the last 30 days, when each scope last let a request in, and what was done in the last seven days:
/// what would fail if the keypair was stopped. A few seconds late.
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/api-keys/{key}/usage",
    operation_id = "showEnvironmentKeypairUsage",
    tag = "Keypairs of an environment",
    responses((status = 200, description = "How it is used.", body = UsageShape)),
)]
pub(in crate::api) async fn usage(
    environment: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
) -> Result<Json<UsageShape>, ApiError> {
    keypairs(&app, &environment).usage(id).await
}
