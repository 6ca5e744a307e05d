//! `/your-account`: one's own password.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::session::{self, From, SignedIn};
use super::shell::{self, Shell};
use super::throttle::Throttle;
use crate::app::App;
use crate::passwords::Password;

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    shell: Shell,
    user: String,
    current: Field,
    new: Field,
}

impl ProfilePage {
    async fn new(app: &App, person: &SignedIn, query: Option<&str>) -> Result<Self, PageError> {
        let grants = app.store.grants_of(person.user.id).await?;
        let accounts = shell::accounts(app, &grants, None).await?;
        let user = person.user.email.to_string();
        let shell = Shell { user: user.clone(), place: None, accounts, notice: shell::notice(query) };
        Ok(Self { shell, user, current: Field::default(), new: Field::default() })
    }
}

/// `GET /your-account`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    uri: Uri,
    person: SignedIn,
) -> Result<Response, PageError> {
    page(StatusCode::OK, &ProfilePage::new(&app, &person, uri.query()).await?)
}

/// `POST /your-account/password`: ends every session of the person, and begins another on this browser.
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    Extension(throttle): Extension<Arc<Throttle>>,
    person: SignedIn,
    From(address): From,
    fields: Fields,
) -> Result<Response, PageError> {
    let current = Password::typed(fields.one("current")?.to_owned());
    let new = Password::typed(fields.one("new")?.to_owned());
    let mut form = ProfilePage::new(&app, &person, None).await?;
    let email = &person.user.email;
    if let Err(weak) = new.check(email) {
        form.new = Field::wrong(format!("The password {weak}."));
        return page(StatusCode::UNPROCESSABLE_ENTITY, &form);
    }
    let now = app.clock.now();
    if let Some(seconds) = throttle.wait(email.as_str(), address, now) {
        let words = format!("Too many attempts. Wait {} minutes, then try again.", seconds / 60 + 1);
        form.current = Field::wrong(words);
        return page(StatusCode::TOO_MANY_REQUESTS, &form);
    }
    throttle.attempt(email.as_str(), address, now);
    let (_, stored) = app.store.user_by_email(email).await?;
    if !app.passwords.verify(&current, Some(&stored)).await {
        form.current = Field::wrong("The password is not right.");
        return page(StatusCode::UNPROCESSABLE_ENTITY, &form);
    }
    throttle.success(email.as_str(), address);
    let hash = app.passwords.hash(&new, &*app.entropy).await;
    app.store.set_password(&app.stamp(&person.author(), now), person.user.id, &hash).await?;
    session::begin(&app, person.user.id, &hash, "/your-account?done=password-changed").await
}
