//! `/v1/accounts/{acc}/api-keys`: the keypairs of an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::KeyId;

use super::{KeypairChange, Keypairs, NewKeypairBody, NewPublicKey, Rotation};
use crate::api::authorization::{AccountAdmin, InAccount, InPath, SecretNumber};
use crate::api::body::{Body, OptionalBody};
use crate::api::error::ApiError;
use crate::api::parameters::{NoParameters, Page, PageParameters, Parameters};
use crate::api::shapes::{KeypairShape, KeypairWithSecret, ListShape, Problem, UsageShape};
use crate::api::versions::{IfMatch, IfMatchParameter, Versioned};
use crate::app::App;

type Administered = InAccount<AccountAdmin>;

fn keypairs<'a>(app: &'a App, account: &'a Administered) -> Keypairs<'a, AccountAdmin> {
    Keypairs { app, caller: account, owner: account.id().into() }
}

/// List keypairs
///
/// The newest first. The keypairs of its environments are apart.
#[utoipa::path(
    get,
    path = "/v1/accounts/{acc}/api-keys",
    operation_id = "listAccountKeypairs",
    tag = "Keypairs of the account",
    params(PageParameters),
    responses((status = 200, description = "A page of the keypairs.", body = ListShape<KeypairShape>)),
)]
pub(in crate::api) async fn list(
    account: Administered,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Page<KeyId>>,
) -> Result<Json<ListShape<KeypairShape>>, ApiError> {
    keypairs(&app, &account).list(wanted).await
}

/// Create a keypair
///
/// The answer shows the Key Secret, this once; with a `public_key` there is none. It can't be given a scope that the caller's own token lacks.
#[utoipa::path(
    post,
    path = "/v1/accounts/{acc}/api-keys",
    operation_id = "createAccountKeypair",
    tag = "Keypairs of the account",
    request_body = NewKeypairBody,
    responses((
        status = 201, description = "The keypair, with its secret.", body = KeypairWithSecret,
        headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Its address.")),
    )),
)]
pub(in crate::api) async fn create(
    account: Administered,
    State(app): State<Arc<App>>,
    _: NoParameters,
    Body(new): Body<NewKeypairBody>,
) -> Result<Response, ApiError> {
    keypairs(&app, &account).create(new).await
}

/// Show a keypair
#[utoipa::path(
    get,
    path = "/v1/accounts/{acc}/api-keys/{key}",
    operation_id = "showAccountKeypair",
    tag = "Keypairs of the account",
    responses((
        status = 200, description = "The keypair.", body = KeypairShape,
        headers(("ETag" = String, description = "Its version.")),
    )),
)]
pub(in crate::api) async fn show(
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
) -> Result<Versioned<KeypairShape>, ApiError> {
    keypairs(&app, &account).show(id).await
}

/// Change a keypair
///
/// Switch it on or off, or change its comment, scopes or expiry, or whether it accepts secrets. It can't be given a scope that the caller's own
/// token lacks, nor made to work again or longer while it has one.
#[utoipa::path(
    patch,
    path = "/v1/accounts/{acc}/api-keys/{key}",
    operation_id = "changeAccountKeypair",
    tag = "Keypairs of the account",
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
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    Body(change): Body<KeypairChange>,
) -> Result<Versioned<KeypairShape>, ApiError> {
    keypairs(&app, &account).change(id, expected, change).await
}

/// Remove a keypair
///
/// For good: its tokens end at once, and its Key ID is never given again.
#[utoipa::path(
    delete,
    path = "/v1/accounts/{acc}/api-keys/{key}",
    operation_id = "removeAccountKeypair",
    tag = "Keypairs of the account",
    params(IfMatchParameter),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It was changed since.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn remove(
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, ApiError> {
    keypairs(&app, &account).remove(id, expected).await
}

/// Rotate a keypair
///
/// Adds a secret, which the answer shows, this once. The caller's own token must have every scope of the keypair.
#[utoipa::path(
    post,
    path = "/v1/accounts/{acc}/api-keys/{key}/secrets",
    operation_id = "rotateAccountKeypair",
    tag = "Keypairs of the account",
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
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    OptionalBody(rotation): OptionalBody<Rotation>,
) -> Result<Response, ApiError> {
    keypairs(&app, &account).rotate(id, expected, rotation).await
}

/// Delete a secret
///
/// The tokens that it obtained end at once, and no others. The last way to authenticate can't be deleted.
#[utoipa::path(
    delete,
    path = "/v1/accounts/{acc}/api-keys/{key}/secrets/{n}",
    operation_id = "deleteAccountKeypairSecret",
    tag = "Keypairs of the account",
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
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    InPath(secret): InPath<SecretNumber>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
) -> Result<Versioned<KeypairShape>, ApiError> {
    keypairs(&app, &account).delete_secret(id, secret.0, expected).await
}

/// Register a public key
///
/// Whoever has its private half can sign assertions (`private_key_jwt`) instead of sending a secret. The caller's own
/// token must have every scope of the keypair.
#[utoipa::path(
    post,
    path = "/v1/accounts/{acc}/api-keys/{key}/public-keys",
    operation_id = "addAccountKeypairPublicKey",
    tag = "Keypairs of the account",
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
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    Body(new): Body<NewPublicKey>,
) -> Result<Response, ApiError> {
    keypairs(&app, &account).add_public_key(id, expected, new).await
}

/// Delete a public key
///
/// The tokens that it obtained end at once, and no others. The last way to authenticate can't be deleted.
#[utoipa::path(
    delete,
    path = "/v1/accounts/{acc}/api-keys/{key}/public-keys/{n}",
    operation_id = "deleteAccountKeypairPublicKey",
    tag = "Keypairs of the account",
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
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    InPath(public): InPath<SecretNumber>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
) -> Result<Versioned<KeypairShape>, ApiError> {
    keypairs(&app, &account).delete_public_key(id, public.0, expected).await
}

/// Show how a keypair is used
///
/// Tokens and requests of the last 30 days, when each scope last let a request in, and what was done in the last seven days:
/// what would fail if the keypair was stopped. A few seconds late.
#[utoipa::path(
    get,
    path = "/v1/accounts/{acc}/api-keys/{key}/usage",
    operation_id = "showAccountKeypairUsage",
    tag = "Keypairs of the account",
    responses((status = 200, description = "How it is used.", body = UsageShape)),
)]
pub(in crate::api) async fn usage(
    account: Administered,
    State(app): State<Arc<App>>,
    InPath(id): InPath<KeyId>,
    _: NoParameters,
) -> Result<Json<UsageShape>, ApiError> {
    keypairs(&app, &account).usage(id).await
}
