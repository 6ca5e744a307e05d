//! `…/administration/access-management/api-management`: the keypairs of an account or environment.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{KeyId, Keypair, KeypairEdit, KeypairRefusal, KeypairStatus, Owner, Timestamp};
use serde::Deserialize;
use storage::Slice;

use super::door::{Admin, Visit, base};
use super::dress::page;
use super::failure::PageError;
use super::keypair_made::Made;
use super::outcome::Outcome;
use super::part::{Part, cut};
use super::shell::Shell;
use super::usage::{Spark, sparks};
use super::when::When;
use crate::app::App;
use crate::keypairs::{self, KeypairError};

const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "api_management.html")]
struct ListPage {
    shell: Shell,
    base: String,
    is_environment: bool,
    keys: Vec<Row>,
    next: Option<String>,
    made: Option<Made>,
}

struct Row {
    id: String,
    copy_target: String,
    comment: String,
    scopes: Vec<&'static str>,
    /// From where it may be used, in few words and in full, unless from anywhere.
    from: Option<(String, String)>,
    enabled: bool,
    status: &'static str,
    status_class: &'static str,
    created: When,
    created_by: String,
    last_used: Option<When>,
    expires: Option<When>,
    expires_word: &'static str,
    /// When its secret was reported as leaked, and what to do about it.
    leaked: Option<(When, &'static str)>,
    /// What it was used for in the last days; none if for nothing, or if that can't be told.
    spark: Option<Spark>,
}

impl Row {
    fn new(keypair: &Keypair, spark: Option<Spark>, now: Timestamp) -> Self {
        let (status, status_class) = status_words(keypair.status(now));
        Self {
            id: keypair.id.to_string(),
            copy_target: format!("id-{}", keypair.id),
            comment: keypair.comment.to_string(),
            scopes: keypair.scopes.iter().map(domain::Scope::name).collect(),
            from: match keypair.allowed_addresses.names().as_slice() {
                [] => None,
                [one] => Some((format!("From {one} only"), one.clone())),
                several => Some((format!("From {} networks only", several.len()), several.join(" "))),
            },
            enabled: keypair.enabled,
            status,
            status_class,
            created: When::new(keypair.created_at, now),
            created_by: keypair.created_by.name(),
            last_used: keypair.last_used_at.map(|at| When::new(at, now)),
            expires: keypair.expires_at.map(|at| When::new(at, now)),
            expires_word: if keypair.expires_at.is_some_and(|at| at <= now) { "Expired" } else { "Expires" },
            leaked: keypair.leaked_at().map(|at| (When::new(at, now), advice(keypair))),
            spark,
        }
    }
}

/// What is to be done about a keypair whose secret was reported as leaked.
pub(super) fn advice(keypair: &Keypair) -> &'static str {
    match (keypair.accepts_secrets, keypair.enabled) {
        (false, _) => "The keypair accepts no secrets, so it went on. Delete that secret.",
        (true, false) => "Rotate, then enable.",
        (true, true) => "Rotate, or delete that secret.",
    }
}

/// What a keypair is, and the class of its badge.
pub(super) fn status_words(status: KeypairStatus) -> (&'static str, &'static str) {
    match status {
        KeypairStatus::Active => ("Active", "ok"),
        KeypairStatus::Disabled => ("Disabled", "off"),
        KeypairStatus::Expired => ("Expired", "warn"),
    }
}

/// What is to be known before anything is done with a keypair that is stopped.
pub(super) fn stopped(status: KeypairStatus) -> Option<&'static str> {
    match status {
        KeypairStatus::Active => None,
        KeypairStatus::Disabled => {
            Some("This keypair is disabled: nothing works with it until it is enabled.")
        }
        KeypairStatus::Expired => {
            Some("This keypair has expired: nothing works with it until it is given a later expiry.")
        }
    }
}

/// `GET …/api-management`
pub(super) async fn list(
    admin: Admin,
    State(app): State<Arc<App>>,
    Query(part): Query<Part>,
) -> Result<Response, PageError> {
    show(&app, &admin, part.after()?, None).await
}

/// The list, and over it the secret that was just made.
pub(super) async fn show(
    app: &App,
    admin: &Admin,
    after: Option<KeyId>,
    made: Option<Made>,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let mut keypairs = app.store.keypairs(admin.owner(), Slice { after, limit: LISTED + 1 }).await?;
    let base = address(admin);
    let next = cut(&mut keypairs, LISTED).map(|last| format!("{base}?after={}", last.id));
    let ids: Vec<KeyId> = keypairs.iter().map(|keypair| keypair.id).collect();
    let sparks = sparks(app, &ids).await;
    let outcome = if made.is_some() { Outcome::Created } else { Outcome::Shown };
    let view = ListPage {
        shell: admin.shell(app, "api").await?,
        base,
        is_environment: admin.environment.is_some(),
        keys: keypairs.iter().zip(sparks).map(|(keypair, spark)| Row::new(keypair, spark, now)).collect(),
        next,
        made,
    };
    page(outcome, &view)
}

/// The address of the list.
pub(super) fn address(visit: &Visit) -> String {
    address_of(visit.owner())
}

/// The address of an owner's list.
pub(super) fn address_of(owner: Owner) -> String {
    format!("{}/administration/access-management/api-management", base(owner))
}

/// What the paths of a keypair's pages carry.
#[derive(Deserialize)]
pub(super) struct KeyPath {
    key: String,
}

impl KeyPath {
    /// The Key ID; one that is none is like one that does not exist.
    pub(super) fn id(&self) -> Result<KeyId, PageError> {
        self.key.parse().map_err(|_| PageError::NotFound)
    }
}

/// What the path of one of its secrets or public keys carries besides.
#[derive(Deserialize)]
pub(super) struct NumberPath {
    pub(super) n: u32,
}

/// `POST …/api-management/{key}/enable`
pub(super) async fn enable(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    switch(&app, &admin, path.id()?, true).await
}

/// `POST …/api-management/{key}/disable`
pub(super) async fn disable(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    switch(&app, &admin, path.id()?, false).await
}

async fn switch(app: &App, admin: &Admin, id: KeyId, enabled: bool) -> Result<Response, PageError> {
    let edit = KeypairEdit { enabled: Some(enabled), ..KeypairEdit::default() };
    keypairs::edit(app, &admin.author(), admin.owner(), id, &edit, None, None).await.map_err(refused)?;
    let done = if enabled { "keypair-enabled" } else { "keypair-disabled" };
    Ok(back(admin, done))
}

/// Back to the list, saying what was done.
pub(super) fn back(admin: &Admin, done: &str) -> Response {
    Redirect::to(&format!("{}?done={done}", address(admin))).into_response()
}

/// A refusal that no field of a form can show.
pub(super) fn refused(error: KeypairError) -> PageError {
    match error {
        // The form does not offer it.
        KeypairError::Refused(KeypairRefusal::UnmetBinding(_)) => {
            PageError::BadForm("The field “token_binding” names one that can’t be met here.".to_owned())
        }
        KeypairError::Refused(refusal) => PageError::Conflict(sentence(&refusal)),
        KeypairError::Store(error) => error.into(),
    }
}

/// An error's words as a sentence.
pub(super) fn sentence(error: &impl std::fmt::Display) -> String {
    let mut words = error.to_string();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words.push('.');
    words
}
