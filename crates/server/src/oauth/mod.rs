//! The Authorization Server: OAuth 2.0 (RFC 6749), for programs with keypairs and for applications that act in people's
//! names, one file per endpoint. The page that asks a person is the Web UI's.

pub(crate) mod access_token;
#[cfg(test)]
mod access_token_tests;
pub(crate) mod application_client;
#[cfg(test)]
mod application_tests;
mod application_token;
pub(crate) mod authorization_code;
pub(crate) mod authorization_request;
mod client_assertion;
mod client_authentication;
mod client_jwt;
mod client_request;
pub(crate) mod dpop;
pub(crate) mod error;
pub(crate) mod examined;
mod form;
#[cfg(test)]
mod inactive_matrix_tests;
mod introspect;
pub(crate) mod issued_tokens;
mod jwks;
mod metadata;
#[cfg(test)]
mod private_key_jwt_tests;
mod protected_resource;
mod revoke;
#[cfg(test)]
mod test_jwt;
#[cfg(test)]
mod test_signer;
#[cfg(test)]
mod tests;
pub(crate) mod throttle;
mod token;
pub(crate) mod token_basis;
#[cfg(test)]
mod token_binding_tests;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};

use crate::app::App;

/// The path of the authorization endpoint, which is a page of the Web UI.
pub(crate) const AUTHORIZATION_PATH: &str = "/oauth2/authorize";
/// The path of the token endpoint.
pub(crate) const TOKEN_PATH: &str = "/oauth2/token";
/// The path of the introspection endpoint (RFC 7662).
pub(crate) const INTROSPECTION_PATH: &str = "/oauth2/introspect";
/// The path of the revocation endpoint (RFC 7009).
pub(crate) const REVOCATION_PATH: &str = "/oauth2/revoke";
/// The path of the keys that verify access tokens.
pub(crate) const JWKS_PATH: &str = "/oauth2/jwks";
/// The path of the Authorization Server's metadata (RFC 8414 §3).
pub(crate) const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
/// The path of the Feedback API's metadata (RFC 9728).
pub(crate) const PROTECTED_RESOURCE_PATH: &str = "/.well-known/oauth-protected-resource";

/// The Authorization Server's endpoints.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(TOKEN_PATH, post(token::token).fallback(error::method_not_allowed))
        .route(INTROSPECTION_PATH, post(introspect::introspect).fallback(error::method_not_allowed))
        .route(REVOCATION_PATH, post(revoke::revoke).fallback(error::method_not_allowed))
        .route("/oauth2/{*rest}", any(error::no_such_address))
        .route(JWKS_PATH, get(jwks::jwks))
        .route(METADATA_PATH, get(metadata::metadata))
        .route(PROTECTED_RESOURCE_PATH, get(protected_resource::protected_resource))
        // Where RFC 9728 §3.1 has a client look that starts from the API's base URL.
        .route(&format!("{PROTECTED_RESOURCE_PATH}/v1"), get(protected_resource::protected_resource))
}
