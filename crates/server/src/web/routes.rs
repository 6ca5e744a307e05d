//! Every address of the Web UI.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use tower_http::csrf::CsrfLayer;

use super::throttle::Throttle;
use super::{
    account, api_management, assets, audit_log, dress, environment, home, invitation, keypair_edit,
    keypair_new, keypair_remove, keypair_rotate, profile, queries, query, set_up, settings, sign_in, users,
};
use crate::app::App;

/// No form of ours is longer.
const MOST_BYTES: usize = 64 * 1024;

/// The Web UI.
pub(crate) fn router(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::show))
        .route("/static/{name}", get(assets::serve))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/your-account", get(profile::show))
        .route("/your-account/password", post(profile::change_password))
        .route("/set-up/{token}", get(set_up::show).post(set_up::set_up))
        .route("/invitations/{token}", get(invitation::show).post(invitation::accept))
        .route("/accounts/{owner}", get(account::show))
        .route("/accounts/{owner}/environments", post(account::create_environment))
        .route("/accounts/{owner}/environments/new", get(account::new_environment))
        .route("/environments/{owner}", get(environment::show))
        .route("/environments/{owner}/queries", get(queries::list).post(queries::create))
        .route("/environments/{owner}/queries/new", get(queries::new))
        .route("/environments/{owner}/queries/{query}", get(query::show))
        .route("/environments/{owner}/queries/{query}/close", post(query::close))
        .merge(administration("/accounts/{owner}/administration"))
        .merge(administration("/environments/{owner}/administration"))
        .fallback(home::nothing)
        .layer(Extension(Arc::new(Throttle::new())))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn_with_state(app, dress::dress))
}

fn administration(base: &str) -> Router<Arc<App>> {
    let at = |path: &str| format!("{base}{path}");
    let users = |path: &str| format!("{base}/access-management/users{path}");
    let keys = |path: &str| format!("{base}/access-management/api-management{path}");
    Router::new()
        .route(&users(""), get(users::list).post(users::invite))
        .route(&users("/invitations/revoke"), post(users::revoke))
        .route(&users("/{user}/role"), post(users::change_role))
        .route(&users("/{user}/remove"), post(users::remove))
        .route(&keys(""), get(api_management::list).post(keypair_new::create))
        .route(&keys("/new"), get(keypair_new::show))
        .route(&keys("/{key}/enable"), post(api_management::enable))
        .route(&keys("/{key}/disable"), post(api_management::disable))
        .route(&keys("/{key}/edit"), get(keypair_edit::show).post(keypair_edit::save))
        .route(&keys("/{key}/secrets/{n}/end"), post(keypair_edit::end_secret))
        .route(&keys("/{key}/rotate"), get(keypair_rotate::show).post(keypair_rotate::rotate))
        .route(&keys("/{key}/remove"), get(keypair_remove::show).post(keypair_remove::remove))
        .route(&at("/audit-log"), get(audit_log::show))
        .route(&at("/settings"), get(settings::show))
        .route(&at("/settings/rename"), post(settings::rename))
        .route(&at("/settings/close"), post(settings::close))
        // What is not there for somebody is not there by any method.
        .method_not_allowed_fallback(home::nothing)
}
