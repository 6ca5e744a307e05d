//! `/your-account`: one's own password.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::proof::prove;
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
        let user = person.user.email.to_string();
        let shell = Shell::new(app, &person.user, None, shell::notice(query)).await?;
        Ok(Self { shell, user, current: Field::default(), new: Field::default() })
    }
}

/// `GET /your-account`
pub(super) async fn show(
    person: SignedIn,
    State(app): State<Arc<App>>,
    uri: Uri,
) -> Result<Response, PageError> {
    page(Outcome::Shown, &ProfilePage::new(&app, &person, uri.query()).await?)
}

/// `POST /your-account/password`: ends every session of the person, and begins another on this browser.
pub(super) async fn change_password(
    person: SignedIn,
    State(app): State<Arc<App>>,
    Extension(throttle): Extension<Arc<Throttle>>,
    From(address): From,
    fields: Fields,
) -> Result<Response, PageError> {
    let current = Password::typed(fields.one("current")?.to_owned());
    let new = Password::typed(fields.one("new")?.to_owned());
    let mut form = ProfilePage::new(&app, &person, None).await?;
    let email = &person.user.email;
    if let Err(weak) = new.check(email) {
        form.new = Field::wrong(format!("The password {weak}."));
        return page(Outcome::Invalid, &form);
    }
    if let Err(unproven) = prove(&app, &throttle, email.as_str(), &current, address).await? {
        form.current = Field::wrong(unproven.words("The password is not right."));
        return page(unproven.outcome(), &form);
    }
    let hash = app.passwords.hash(&new, &*app.entropy).await;
    app.store.set_password(&app.stamp(&person.author(), app.clock.now()), person.user.id, &hash).await?;
    session::begin(&app, person.user.id, &hash, "/your-account?done=password-changed").await
}
