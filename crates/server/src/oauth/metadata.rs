//! `GET /.well-known/oauth-authorization-server` (RFC 8414).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{AssertionAlgorithm, Scope};
use serde_json::{Value, json};

use super::{AUTHORIZATION_PATH, INTROSPECTION_PATH, JWKS_PATH, REVOCATION_PATH, TOKEN_PATH};
use crate::app::App;

/// What the Authorization Server can do, and where.
pub(super) async fn metadata(State(app): State<Arc<App>>) -> Json<Value> {
    let issuer = app.config.issuer();
    let client_authentication = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    // An application sends its client_id alone.
    let with_applications = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
    let keys = app.signing_keys.held();
    let algorithms: BTreeSet<&str> = keys.public().filter_map(|key| key.get("alg")?.as_str()).collect();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}{AUTHORIZATION_PATH}"),
        "token_endpoint": format!("{issuer}{TOKEN_PATH}"),
        "jwks_uri": format!("{issuer}{JWKS_PATH}"),
        "scopes_supported": Scope::ALL,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": with_applications,
        "token_endpoint_auth_signing_alg_values_supported": AssertionAlgorithm::NAMES,
        "revocation_endpoint": format!("{issuer}{REVOCATION_PATH}"),
        "revocation_endpoint_auth_methods_supported": with_applications,
        "revocation_endpoint_auth_signing_alg_values_supported": AssertionAlgorithm::NAMES,
        "introspection_endpoint": format!("{issuer}{INTROSPECTION_PATH}"),
        "introspection_endpoint_auth_methods_supported": client_authentication,
        "introspection_endpoint_auth_signing_alg_values_supported": AssertionAlgorithm::NAMES,
        "dpop_signing_alg_values_supported": AssertionAlgorithm::NAMES,
        "tls_client_certificate_bound_access_tokens": app.config.sees_client_certificates(),
        "introspection_signing_alg_values_supported": algorithms,
        "service_documentation": format!("{issuer}/docs"),
        "protected_resources": [app.config.api_resource()],
    }))
}
