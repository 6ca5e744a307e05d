//! `/leaked-secret`: for whoever has found a Key Secret, signed in or not.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::access::Public;
use super::dress::page;
use super::failure::PageError;
use super::form::Fields;
use super::outcome::Outcome;
use super::session::From;
use crate::app::App;
use crate::leaked_secret;

#[derive(Template)]
#[template(path = "leaked_secret.html")]
struct LeakedSecretPage {
    reported: bool,
}

/// `GET /leaked-secret`
pub(super) async fn show(_: Public) -> Result<Response, PageError> {
    page(Outcome::Shown, &LeakedSecretPage { reported: false })
}

/// `POST /leaked-secret`
pub(super) async fn report(
    _: Public,
    State(app): State<Arc<App>>,
    From(address): From,
    fields: Fields,
) -> Result<Response, PageError> {
    leaked_secret::report(&app, fields.one("secret")?, address).await?;
    page(Outcome::Shown, &LeakedSecretPage { reported: true })
}
