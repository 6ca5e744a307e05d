//! Every address of the Web UI.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router, middleware};
use tower_http::csrf::CsrfLayer;

use super::access::{Access, Page, get, post};
use super::once::Once;
use super::throttle::Throttle;
use super::{
    account, administration, api_management, applications, assets, audit_log, authorize, dress, environment,
    home, invitation, keypair, keypair_edit, keypair_new, keypair_public_keys, keypair_remove,
    keypair_rotate, keypair_try, leaked_secret, places, profile, queries, query, query_edit, set_up,
    settings, sign_in, token_reach, users,
};
use crate::app::App;
use crate::oauth::AUTHORIZATION_PATH;
use crate::whole_body::LONGEST_ELSEWHERE;

/// The Web UI.
pub(crate) fn router(app: Arc<App>) -> Router<Arc<App>> {
    let (mut anywhere, mut at_a_place) = (Router::new(), Router::new());
    for Page { path, access, route, .. } in pages() {
        match access {
            Access::Public | Access::SignedIn => anywhere = anywhere.route(&path, route),
            Access::At(_) => at_a_place = at_a_place.route(&path, route),
        }
    }
    // What is not there for somebody is not there by any method.
    anywhere
        .merge(at_a_place.method_not_allowed_fallback(home::nothing))
        .fallback(home::nothing)
        .layer(Extension(Arc::new(Throttle::new())))
        .layer(Extension(Arc::new(Once::new())))
        .layer(DefaultBodyLimit::max(LONGEST_ELSEWHERE))
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn_with_state(app, dress::dress))
}

/// Every page and act, with what it asks of whoever comes.
pub(super) fn pages() -> Vec<Page> {
    let mut pages = vec![
        get("/", home::show),
        get("/static/{name}", assets::serve),
        get("/sign-in", sign_in::show),
        post("/sign-in", sign_in::sign_in),
        post("/sign-out", sign_in::sign_out),
        get("/leaked-secret", leaked_secret::show),
        post("/leaked-secret", leaked_secret::report),
        get(AUTHORIZATION_PATH, authorize::show),
        post(AUTHORIZATION_PATH, authorize::decide),
        get("/your-account", profile::show),
        post("/your-account/password", profile::change_password),
        post("/your-account/grants/revoke", profile::revoke_grant),
        get("/set-up/{token}", set_up::show),
        post("/set-up/{token}", set_up::set_up),
        get("/invitations/{token}", invitation::show),
        post("/invitations/{token}", invitation::accept),
        get("/environments", places::list),
        get("/accounts/{owner}", account::show),
        post("/accounts/{owner}/environments", account::create_environment),
        get("/accounts/{owner}/environments/new", account::new_environment),
        get("/environments/{owner}", environment::show),
        get("/environments/{owner}/queries", queries::list),
        post("/environments/{owner}/queries", queries::create),
        get("/environments/{owner}/queries/new", queries::new),
        get("/environments/{owner}/queries/{query}", query::show),
        get("/environments/{owner}/queries/{query}/edit", query_edit::show),
        post("/environments/{owner}/queries/{query}/edit", query_edit::save),
        post("/environments/{owner}/queries/{query}/close", query::close),
    ];
    for owner in ["/accounts/{owner}", "/environments/{owner}"] {
        pages.extend(administration(&format!("{owner}/administration")));
    }
    pages
}

fn administration(base: &str) -> Vec<Page> {
    let at = |path: &str| format!("{base}{path}");
    let users = |path: &str| format!("{base}/access-management/users{path}");
    let applications = |path: &str| format!("{base}/access-management/applications{path}");
    let keys = |path: &str| format!("{base}/access-management/api-management{path}");
    vec![
        get(at(""), administration::show),
        get(at("/access-management"), administration::show),
        get(users(""), users::list),
        post(users(""), users::invite),
        post(users("/invitations/revoke"), users::revoke),
        post(users("/{user}/role"), users::change_role),
        post(users("/{user}/remove"), users::remove),
        get(keys(""), api_management::list),
        post(keys(""), keypair_new::create),
        get(keys("/new"), keypair_new::show),
        get(keys("/token"), token_reach::show),
        post(keys("/token"), token_reach::tell),
        post(keys("/token/revoke"), token_reach::revoke),
        get(keys("/{key}"), keypair::show),
        post(keys("/{key}/scopes/remove-unused"), keypair::remove_unused_scopes),
        post(keys("/{key}/try"), keypair_try::attempt),
        post(keys("/{key}/enable"), api_management::enable),
        post(keys("/{key}/disable"), api_management::disable),
        get(keys("/{key}/edit"), keypair_edit::show),
        post(keys("/{key}/edit"), keypair_edit::save),
        post(keys("/{key}/secrets/{n}/end"), keypair_edit::end_secret),
        post(keys("/{key}/secrets/refuse"), keypair_public_keys::refuse_secrets),
        post(keys("/{key}/secrets/accept"), keypair_public_keys::accept_secrets),
        get(keys("/{key}/public-keys"), keypair_public_keys::show),
        post(keys("/{key}/public-keys"), keypair_public_keys::add),
        post(keys("/{key}/public-keys/{n}/remove"), keypair_public_keys::remove),
        get(keys("/{key}/rotate"), keypair_rotate::show),
        post(keys("/{key}/rotate"), keypair_rotate::rotate),
        get(keys("/{key}/remove"), keypair_remove::show),
        post(keys("/{key}/remove"), keypair_remove::remove),
        get(applications(""), applications::list),
        post(applications(""), applications::create),
        post(applications("/remove"), applications::remove),
        get(at("/audit-log"), audit_log::show),
        get(at("/settings"), settings::show),
        post(at("/settings/rename"), settings::rename),
        post(at("/settings/close"), settings::close),
    ]
}
