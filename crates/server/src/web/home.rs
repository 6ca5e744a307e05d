//! `/`: leads to where the person works.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect, Response};

use super::dress::page;
use super::failure::PageError;
use super::outcome::Outcome;
use super::session::SignedIn;
use super::shell::{self, Shell};
use crate::app::App;

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage {
    shell: Shell,
}

/// `GET /`
pub(super) async fn show(
    person: SignedIn,
    State(app): State<Arc<App>>,
    uri: Uri,
) -> Result<Response, PageError> {
    let shell = Shell::new(&app, &person.user, None, shell::notice(uri.query())).await?;
    let accounts = &shell.accounts;
    let first = accounts.iter().find_map(|account| account.environments.first()).map(|entry| &entry.href);
    let first = first.or_else(|| accounts.iter().find_map(|account| account.href.as_ref()));
    if let Some(href) = first {
        return Ok(Redirect::to(href).into_response());
    }
    page(Outcome::Shown, &WelcomePage { shell })
}

/// Any address that nothing else serves.
pub(super) async fn nothing() -> PageError {
    PageError::NotFound
}
