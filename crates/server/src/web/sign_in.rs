//! `/sign-in` and signing out.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::access::Public;
use super::dress::page;
use super::failure::PageError;
use super::form::Fields;
use super::outcome::Outcome;
use super::proof::prove;
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
    _: Public,
    uri: Uri,
    Query(address): Query<Address>,
    person: Result<SignedIn, PageError>,
) -> Result<Response, PageError> {
    match person {
        Ok(_) => Ok(Redirect::to(&safe(&address.next)).into_response()),
        Err(PageError::SignedOut(_)) => {
            let signed_out = uri.query() == Some("signed-out");
            page(Outcome::Shown, &SignInPage { next: address.next, signed_out, ..Default::default() })
        }
        Err(error) => Err(error),
    }
}

/// `POST /sign-in`
pub(super) async fn sign_in(
    _: Public,
    State(app): State<Arc<App>>,
    Extension(throttle): Extension<Arc<Throttle>>,
    From(address): From,
    fields: Fields,
) -> Result<Response, PageError> {
    let typed = fields.one("email")?;
    let password = Password::typed(fields.one("password")?.to_owned());
    let next = fields.optional("next")?.unwrap_or_default();
    match prove(&app, &throttle, typed, &password, address).await? {
        Ok((user, hash)) => session::begin(&app, user.id, &hash, &safe(next)).await,
        Err(unproven) => {
            let view = SignInPage {
                email: typed.to_owned(),
                next: next.to_owned(),
                error: Some(unproven.words("The e-mail or the password is not right.")),
                signed_out: false,
            };
            page(unproven.outcome(), &view)
        }
    }
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    _: Public,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
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
