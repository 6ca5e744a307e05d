//! `/your-account`: one's own password, and the applications that act in one's name.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect, Response};
use domain::{GrantId, Scope, Timestamp};
use storage::NamedGrant;

use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::proof::prove;
use super::session::{self, From, SignedIn};
use super::shell::{self, Shell};
use super::throttle::Throttle;
use super::when::When;
use crate::app::App;
use crate::passwords::Password;

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    shell: Shell,
    user: String,
    current: Field,
    new: Field,
    grants: Vec<Row>,
}

/// As many grants as are listed.
const LISTED: u32 = 200;

/// What the person let an application do.
struct Row {
    id: String,
    application: String,
    place: String,
    /// The account, of an environment.
    account: Option<String>,
    scopes: Vec<&'static str>,
    since: When,
    last_used: When,
}

impl Row {
    fn new(named: &NamedGrant, now: Timestamp) -> Self {
        let NamedGrant { grant, application, place } = named;
        let application = application.as_ref().map_or("Feedback’s command line", |name| name.as_str());
        Self {
            id: grant.id.to_string(),
            application: application.to_owned(),
            place: place.environment.as_ref().unwrap_or(&place.account).to_string(),
            account: place.environment.as_ref().map(|_| place.account.to_string()),
            scopes: grant.scopes.iter().map(Scope::name).collect(),
            since: When::new(grant.created_at, now),
            last_used: When::new(grant.last_used_at, now),
        }
    }
}

impl ProfilePage {
    async fn new(app: &App, person: &SignedIn, query: Option<&str>) -> Result<Self, PageError> {
        let user = person.user.email.to_string();
        let shell = Shell::new(app, &person.user, None, shell::notice(query)).await?;
        let now = app.clock.now();
        let grants = app.store.grants_by(person.user.id, now, LISTED).await?;
        let grants = grants.iter().map(|grant| Row::new(grant, now)).collect();
        Ok(Self { shell, user, current: Field::default(), new: Field::default(), grants })
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

/// `POST /your-account/grants/revoke`
pub(super) async fn revoke_grant(
    person: SignedIn,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id: GrantId = fields.one("grant")?.parse().map_err(|_| PageError::NotFound)?;
    let stamp = app.stamp(&person.author(), app.clock.now());
    app.store.revoke_grant(&stamp, person.user.id, id).await?;
    Ok(Redirect::to("/your-account?done=grant-revoked").into_response())
}

/// `POST /your-account/password`: ends every session of the person and all that applications were allowed, and begins
/// another session on this browser.
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
