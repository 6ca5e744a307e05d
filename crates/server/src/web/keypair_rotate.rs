//! `…/api-management/{key}/rotate`: a new secret beside the one in use. The answer shows it, once.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::{Keypair, OldSecrets, SignedDuration};

use super::api_management::{self, KeyPath, address, refused, stopped};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::Fields;
use super::keypair_made::Made;
use super::once::{Refusal, UNKNOWN};
use super::outcome::Outcome;
use super::shell::Shell;
use crate::app::App;
use crate::keypairs;

#[derive(Template)]
#[template(path = "keypair_rotate.html")]
struct RotatePage {
    shell: Shell,
    base: String,
    id: String,
    comment: String,
    stopped: Option<&'static str>,
    choices: Vec<Choice>,
    idle_times: Vec<IdleTime>,
    form: String,
    error: Option<&'static str>,
}

struct Choice {
    value: &'static str,
    label: &'static str,
    help: &'static str,
    checked: bool,
}

struct IdleTime {
    hours: i64,
    label: &'static str,
    chosen: bool,
}

/// When the secrets in use stop: after so many hours, or without any, when they are idle.
const CHOICES: [(&str, Option<i64>, &str, &str); 5] = [
    ("0", Some(0), "Now", "Clients fail until they have the new secret. For one that leaked."),
    ("1", Some(1), "In 1 hour", "For clients that you change by hand, right away."),
    ("24", Some(24), "In 24 hours", "Time for a deployment."),
    ("168", Some(168), "In 7 days", "Time for a release."),
    (
        "idle",
        None,
        "When nobody uses it any more",
        "Once the new secret has been used, and neither the old one nor its tokens have been for some time.",
    ),
];

const IDLE_TIMES: [(i64, &str); 4] = [(1, "1 hour"), (24, "24 hours"), (168, "7 days"), (720, "30 days")];

/// What is shown as chosen at first.
const USUAL: (&str, i64) = ("24", 24);

/// What was chosen: what becomes of the old secrets, and what to say of it.
fn chosen(fields: &Fields) -> Result<Option<(OldSecrets, String)>, PageError> {
    let chosen = fields.optional("overlap")?;
    let Some((_, hours, label, _)) = CHOICES.into_iter().find(|(value, ..)| chosen == Some(*value)) else {
        return Ok(None);
    };
    let Some(hours) = hours else {
        let chosen = fields.optional("idle")?.and_then(|hours| hours.parse().ok());
        let idle = IDLE_TIMES.into_iter().find(|(hours, _)| chosen == Some(*hours));
        return Ok(idle.map(|(hours, label)| {
            let note = format!(
                "The secret before this one stops working once this one has been used, and that one has not been for {label}."
            );
            (OldSecrets::EndWhenIdle(SignedDuration::from_hours(hours)), note)
        }));
    };
    let note = match hours {
        0 => "The secret before this one has stopped working, and so have its tokens.".to_owned(),
        _ => format!("The secret before this one stops working {}.", label.to_lowercase()),
    };
    Ok(Some((OldSecrets::EndAfter(SignedDuration::from_hours(hours)), note)))
}

/// `GET …/api-management/{key}/rotate`
pub(super) async fn show(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let keypair = app.store.keypair(admin.owner(), path.id()?).await?;
    page(Outcome::Shown, &view(&app, &admin, &keypair, None).await?)
}

/// `POST …/api-management/{key}/rotate`
pub(super) async fn rotate(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
    fields: Fields,
) -> Result<Response, PageError> {
    let (owner, id) = (admin.owner(), path.id()?);
    let keypair = app.store.keypair(owner, id).await?;
    let Some((old, note)) = chosen(&fields)? else {
        let error = Some("Choose when the secret in use stops.");
        return page(Outcome::Invalid, &view(&app, &admin, &keypair, error).await?);
    };
    let sending = match admin.person.forms.send(&app, &fields)? {
        Ok(sending) => sending,
        Err(Refusal::Sent) => return Err(made_already(&admin)),
        Err(Refusal::Unknown) => {
            return page(Outcome::Conflict, &view(&app, &admin, &keypair, Some(UNKNOWN)).await?);
        }
    };
    let (all, author) = (app.clone(), admin.author());
    let work = async move { keypairs::rotate(&all, &author, owner, id, old, None, None).await };
    let (keypair, secret) = sending.finish(work).await?.map_err(refused)?;
    let made = Made::new(&app, "New Key Secret", &keypair, &secret, Some(note));
    api_management::show(&app, &admin, None, Some(made)).await
}

fn made_already(admin: &Admin) -> PageError {
    PageError::MadeAlready {
        title: "This Key Secret was made already",
        detail: "It was shown once and can't be shown again. Nothing more was made.",
        list: address(admin),
    }
}

async fn view(
    app: &App,
    admin: &Admin,
    keypair: &Keypair,
    error: Option<&'static str>,
) -> Result<RotatePage, PageError> {
    let choice = |(value, _, label, help)| Choice { value, label, help, checked: value == USUAL.0 };
    let idle_time = |(hours, label)| IdleTime { hours, label, chosen: hours == USUAL.1 };
    Ok(RotatePage {
        shell: admin.shell(app, "api").await?,
        base: address(admin),
        id: keypair.id.to_string(),
        comment: keypair.comment.to_string(),
        stopped: stopped(keypair.status(app.clock.now())),
        choices: CHOICES.into_iter().map(choice).collect(),
        idle_times: IDLE_TIMES.into_iter().map(idle_time).collect(),
        form: admin.person.forms.issue(app),
        error,
    })
}
