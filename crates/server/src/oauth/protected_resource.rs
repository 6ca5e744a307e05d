//! `GET /.well-known/oauth-protected-resource` (RFC 9728), for the Feedback API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{AssertionAlgorithm, Scope};
use serde_json::{Value, json};

use crate::app::App;

/// What the Feedback API asks of its clients.
pub(super) async fn protected_resource(State(app): State<Arc<App>>) -> Json<Value> {
    let issuer = app.config.issuer();
    Json(json!({
        "resource": app.config.api_resource(),
        "authorization_servers": [issuer],
        "scopes_supported": Scope::ALL,
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": AssertionAlgorithm::NAMES,
        // Some keypairs ask for it, others do not.
        "dpop_bound_access_tokens_required": false,
        "tls_client_certificate_bound_access_tokens": app.config.sees_client_certificates(),
        "resource_name": "Feedback API",
        "resource_documentation": format!("{issuer}/docs"),
    }))
}
