//! `/invitations/{token}`: taking up a role by a one-time link.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::{Actor, Owner, User, new_id};
use storage::{Invitation, NewPerson, StorageError};

use super::door::base;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
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
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    let invitation = load(&app, &token).await?;
    page(StatusCode::OK, &view(&app, token, &invitation, Field::default()).await?)
}

/// `POST /invitations/{token}`
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    Extension(throttle): Extension<Arc<Throttle>>,
    Path(token): Path<String>,
    From(address): From,
    fields: Fields,
) -> Result<Response, PageError> {
    let invitation = load(&app, &token).await?;
    let password = Password::typed(fields.one("password")?.to_owned());
    let email = &invitation.email;
    let known = match app.store.user_by_email(email).await {
        Ok(found) => Some(found),
        Err(StorageError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let now = app.clock.now();
    let (user, hash, person) = match known {
        Some((user, hash)) => {
            if let Some(seconds) = throttle.wait(email.as_str(), address, now) {
                let words = format!("Too many attempts. Wait {} minutes, then try again.", seconds / 60 + 1);
                let view = view(&app, token, &invitation, Field::wrong(words)).await?;
                return page(StatusCode::TOO_MANY_REQUESTS, &view);
            }
            throttle.attempt(email.as_str(), address, now);
            if !app.passwords.verify(&password, Some(&hash)).await {
                let wrong = Field::wrong("The password is not right.");
                return page(StatusCode::UNPROCESSABLE_ENTITY, &view(&app, token, &invitation, wrong).await?);
            }
            throttle.success(email.as_str(), address);
            (user.clone(), hash, NewPerson::Known(user.id))
        }
        None => {
            if let Err(weak) = password.check(email) {
                let wrong = Field::wrong(format!("The password {weak}."));
                return page(StatusCode::UNPROCESSABLE_ENTITY, &view(&app, token, &invitation, wrong).await?);
            }
            let hash = app.passwords.hash(&password, &*app.entropy).await;
            let user = User { id: new_id(now, &*app.entropy), email: email.clone(), created_at: now };
            (user.clone(), hash.clone(), NewPerson::New(user, hash))
        }
    };
    let author = Author { actor: Actor::User(user.id, user.email.to_string()), address };
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
