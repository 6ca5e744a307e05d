//! `/invitations/{token}`: taking up a role by a one-time link.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::{Actor, Owner, User, new_id};
use storage::{Invitation, NewPerson, StorageError};

use super::access::Public;
use super::door::base;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::proof::prove;
use super::session::{self, From};
use super::throttle::Throttle;
use crate::app::{App, Author};
use crate::passwords::Password;

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage {
    token: String,
    place: String,
    role: &'static str,
    email: String,
    known: bool,
    password: Field,
}

/// `GET /invitations/{token}`
pub(super) async fn show(
    _: Public,
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    let invitation = load(&app, &token).await?;
    page(Outcome::Shown, &view(&app, token, &invitation, Field::default()).await?)
}

/// `POST /invitations/{token}`
pub(super) async fn accept(
    _: Public,
    State(app): State<Arc<App>>,
    Extension(throttle): Extension<Arc<Throttle>>,
    Path(token): Path<String>,
    From(address): From,
    fields: Fields,
) -> Result<Response, PageError> {
    let invitation = load(&app, &token).await?;
    let password = Password::typed(fields.one("password")?.to_owned());
    let email = &invitation.email;
    let now = app.clock.now();
    let (user, hash, person) = match app.store.email_is_known(email).await? {
        true => match prove(&app, &throttle, email.as_str(), &password, address).await? {
            Ok((user, hash)) => (user.clone(), hash, NewPerson::Known(user.id)),
            Err(unproven) => {
                let wrong = Field::wrong(unproven.words("The password is not right."));
                return page(unproven.outcome(), &view(&app, token, &invitation, wrong).await?);
            }
        },
        false => {
            if let Err(weak) = password.check(email) {
                let wrong = Field::wrong(format!("The password {weak}."));
                return page(Outcome::Invalid, &view(&app, token, &invitation, wrong).await?);
            }
            let hash = app.passwords.hash(&password, &*app.entropy).await;
            let user = User { id: new_id(now, &*app.entropy), email: email.clone(), created_at: now };
            (user.clone(), hash.clone(), NewPerson::New(user, hash))
        }
    };
    let author = Author { actor: Actor::User(user.id, user.email.to_string()), address, standing: None };
    match app.store.accept_invitation(&app.stamp(&author, now), &session::hash(&token), &person).await {
        Ok(_) => {}
        Err(StorageError::NotFound | StorageError::Closed) => return Err(PageError::DeadLink),
        Err(error) => return Err(error.into()),
    }
    let to = format!("{}?done=welcome", base(invitation.grant.on));
    session::begin(&app, user.id, &hash, &to).await
}

async fn load(app: &App, token: &str) -> Result<Invitation, PageError> {
    match app.store.invitation(&session::hash(token), app.clock.now()).await {
        Err(StorageError::NotFound) => Err(PageError::DeadLink),
        other => Ok(other?),
    }
}

async fn view(
    app: &App,
    token: String,
    invitation: &Invitation,
    password: Field,
) -> Result<InvitationPage, PageError> {
    let place = match invitation.grant.on {
        Owner::Account(id) => app.store.account(id).await?.name.to_string(),
        Owner::Environment(id) => app.store.environment(id).await?.name.to_string(),
    };
    let known = app.store.email_is_known(&invitation.email).await?;
    let (role, email) = (invitation.grant.role.name(), invitation.email.to_string());
    Ok(InvitationPage { token, place, role, email, known, password })
}
