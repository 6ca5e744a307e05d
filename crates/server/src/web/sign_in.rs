//! `/sign-in` and signing out.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use domain::Email;
use serde::Deserialize;
use storage::StorageError;

use super::dress::page;
use super::failure::PageError;
use super::form::Fields;
use super::session::{self, From, SignedIn};
use super::throttle::Throttle;
use crate::app::App;
use crate::passwords::Password;

#[derive(Default, Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    email: String,
    next: String,
    error: Option<String>,
    signed_out: bool,
}

/// What the address may carry.
#[derive(Deserialize)]
pub(super) struct Address {
    #[serde(default)]
    next: String,
}

/// `GET /sign-in`
pub(super) async fn show(
    uri: Uri,
    Query(address): Query<Address>,
    person: Result<SignedIn, PageError>,
) -> Result<Response, PageError> {
    match person {
        Ok(_) => Ok(Redirect::to(&safe(&address.next)).into_response()),
        Err(PageError::SignedOut(_)) => {
            let signed_out = uri.query() == Some("signed-out");
            page(StatusCode::OK, &SignInPage { next: address.next, signed_out, ..Default::default() })
        }
        Err(error) => Err(error),
    }
}

/// `POST /sign-in`
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    Extension(throttle): Extension<Arc<Throttle>>,
    From(address): From,
    fields: Fields,
) -> Result<Response, PageError> {
    let typed = fields.one("email")?;
    let password = Password::typed(fields.one("password")?.to_owned());
    let next = fields.optional("next")?.unwrap_or_default();
    let again = |error: String| SignInPage {
        email: typed.to_owned(),
        next: next.to_owned(),
        error: Some(error),
        signed_out: false,
    };
    let now = app.clock.now();
    if let Some(seconds) = throttle.wait(typed, address, now) {
        return too_many(seconds, &again);
    }
    throttle.attempt(typed, address, now);
    let found = match Email::new(typed) {
        Ok(email) => match app.store.user_by_email(&email).await {
            Ok(found) => Some(found),
            Err(StorageError::NotFound) => None,
            Err(error) => return Err(error.into()),
        },
        Err(_) => None,
    };
    let right = app.passwords.verify(&password, found.as_ref().map(|(_, hash)| hash)).await;
    match found {
        Some((user, hash)) if right => {
            throttle.success(typed, address);
            session::begin(&app, user.id, &hash, &safe(next)).await
        }
        _ => page(
            StatusCode::UNPROCESSABLE_ENTITY,
            &again("The e-mail or the password is not right.".to_owned()),
        ),
    }
}

fn too_many(seconds: i64, again: &impl Fn(String) -> SignInPage) -> Result<Response, PageError> {
    let minutes = seconds / 60 + 1;
    let words = format!("Too many attempts. Wait {minutes} minutes, then try again.");
    let mut response = page(StatusCode::TOO_MANY_REQUESTS, &again(words))?;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    Ok(response)
}

/// `POST /sign-out`
pub(super) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, PageError> {
    session::end(&app, &headers).await
}

/// `next` if it leads to a page of ours, else home: a sign-in that leads anywhere helps those who fish for passwords.
fn safe(next: &str) -> String {
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if ours { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn sign_in_leads_to_our_own_pages_only() {
        assert_eq!(safe("/accounts/acc_1?done=saved"), "/accounts/acc_1?done=saved");
        for elsewhere in ["", "https://example.com", "//example.com", "/\\example.com", "/a\r\nb", "accounts"]
        {
            assert_eq!(safe(elsewhere), "/", "{elsewhere}");
        }
    }
}
