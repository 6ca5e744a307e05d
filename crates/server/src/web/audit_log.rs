//! `…/administration/audit-log`: every administrative change, the newest first.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use domain::{Action, Actor, AuditEvent, Client, ClientId, EventId, Timestamp};
use serde::Deserialize;

use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::outcome::Outcome;
use super::part::cut;
use super::shell::Shell;
use super::when::When;
use crate::app::App;

const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "audit_log.html")]
struct AuditPage {
    shell: Shell,
    base: String,
    events: Vec<Row>,
    paged: bool,
    next: Option<String>,
}

struct Row {
    what: String,
    object: String,
    /// What it is for, of a keypair, as far as the line says it.
    comment: String,
    who: String,
    through: String,
    address: String,
    at: When,
    before: String,
    after: String,
}

impl Row {
    fn new(event: &AuditEvent, now: Timestamp) -> Self {
        Self {
            what: words(&event.action),
            object: event.object.id.clone(),
            comment: comment(event),
            who: match &event.stamp.actor {
                Actor::Operator if event.action == Action::KeypairSecretRetired.name() => {
                    "Feedback itself, as the rotation said".to_owned()
                }
                Actor::Operator => "Operator, by the command line".to_owned(),
                Actor::Anonymous => "Somebody who has found it".to_owned(),
                actor => actor.name(),
            },
            through: match event.stamp.client {
                None => String::new(),
                Some(ClientId::CommandLine) => Client::CommandLine.name().to_owned(),
                Some(ClientId::Application(id)) => id.to_string(),
            },
            address: event.stamp.address.clone().unwrap_or_default(),
            at: When::new(event.stamp.at, now),
            before: pretty(&event.before),
            after: pretty(&event.after),
        }
    }
}

fn comment(event: &AuditEvent) -> String {
    let said = [&event.after, &event.before].into_iter().find_map(|record| record.get("comment")?.as_str());
    said.unwrap_or_default().to_owned()
}

fn pretty(value: &serde_json::Value) -> String {
    if value.is_null() { String::new() } else { serde_json::to_string_pretty(value).unwrap_or_default() }
}

/// What a newer version has done beside this one bears the name that it has in the log.
fn words(name: &str) -> String {
    let Some(action) = Action::from_name(name) else {
        return name.to_owned();
    };
    let words = match action {
        Action::AccountCreated => "Account created",
        Action::AccountRenamed => "Account renamed",
        Action::AccountClosed => "Account closed",
        Action::EnvironmentCreated => "Environment created",
        Action::EnvironmentRenamed => "Environment renamed",
        Action::EnvironmentClosed => "Environment closed",
        Action::UserCreated => "User created",
        Action::UserPasswordChanged => "Password changed",
        Action::UserRemoved => "User removed",
        Action::RoleGranted => "Role granted",
        Action::RoleRevoked => "Role revoked",
        Action::InvitationCreated => "Invitation created",
        Action::InvitationAccepted => "Invitation accepted",
        Action::InvitationRevoked => "Invitation revoked",
        Action::KeypairCreated => "API keypair created",
        Action::KeypairChanged => "API keypair changed",
        Action::KeypairEnabled => "API keypair enabled",
        Action::KeypairDisabled => "API keypair disabled",
        Action::KeypairSecretAdded => "Key Secret added",
        Action::KeypairSecretDeleted => "Key Secret ended",
        Action::KeypairSecretRetired => "Key Secret ended, since it was idle",
        Action::KeypairSecretLeaked => "Key Secret reported as leaked",
        Action::KeypairTokenRevoked => "Token revoked",
        Action::KeypairPublicKeyAdded => "Public key added",
        Action::KeypairPublicKeyDeleted => "Public key removed",
        Action::KeypairRemoved => "API keypair removed",
        Action::ApplicationCreated => "Application registered",
        Action::ApplicationRemoved => "Application removed",
        Action::GrantCreated => "Application allowed to act for a person",
        Action::GrantRevoked => "Application no longer allowed to act for a person",
        Action::GrantReused => {
            "Application stopped: its code or refresh token was used a second time, perhaps by a thief"
        }
        Action::QueryCreated => "Query created",
        Action::QueryChanged => "Query changed",
        Action::QueryClosed => "Query closed",
        Action::SigningKeyCreated => "Signing key created",
        Action::SigningKeyRemoved => "Signing key removed",
        Action::MasterKeyRotated => "Master key replaced",
        Action::StoreRestored => "Store restored from a backup",
    };
    words.to_owned()
}

/// Which part of the log.
#[derive(Deserialize)]
pub(super) struct Part {
    before: Option<String>,
}

/// `GET …/audit-log`
pub(super) async fn show(
    admin: Admin,
    State(app): State<Arc<App>>,
    Query(part): Query<Part>,
) -> Result<Response, PageError> {
    let before = part.before.as_deref().map(str::parse::<EventId>).transpose();
    let before = before.map_err(|_| PageError::NotFound)?;
    let now = app.clock.now();
    let mut events = app.store.audit_events(admin.owner(), before, LISTED + 1).await?;
    let base = format!("{}/administration/audit-log", admin.base());
    let next = cut(&mut events, LISTED).map(|last| format!("{base}?before={}", last.stamp.event));
    let view = AuditPage {
        shell: admin.shell(&app, "audit").await?,
        base,
        events: events.iter().map(|event| Row::new(event, now)).collect(),
        paged: before.is_some(),
        next,
    };
    page(Outcome::Shown, &view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_version_does_has_its_name_for_words() {
        assert_eq!(words("keypair.disabled"), "API keypair disabled");
        assert_eq!(words("keypair.frozen"), "keypair.frozen");
    }
}
