//! `…/administration/access-management/applications`: programs that people can let act in their names here.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Application, ApplicationId, Name, RedirectUris, Timestamp};
use storage::{ApplicationInUse, Slice};

use super::api_management::sentence;
use super::door::{Admin, Visit};
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::part::{Part, cut};
use super::shell::Shell;
use super::when::When;
use crate::app::App;

const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "applications.html")]
struct ApplicationsPage {
    shell: Shell,
    base: String,
    is_environment: bool,
    applications: Vec<Row>,
    next: Option<String>,
    name: Field,
    redirect_uris: Field,
}

struct Row {
    id: String,
    copy_target: String,
    name: String,
    redirect_uris: Vec<String>,
    people: u64,
    created: When,
}

impl Row {
    fn new(found: &ApplicationInUse, now: Timestamp) -> Self {
        let ApplicationInUse { application, people } = found;
        Self {
            id: application.id.to_string(),
            copy_target: format!("id-{}", application.id),
            name: application.name.to_string(),
            redirect_uris: application.redirect_uris.iter().map(ToString::to_string).collect(),
            people: *people,
            created: When::new(application.created_at, now),
        }
    }
}

/// `GET …/applications`
pub(super) async fn list(
    admin: Admin,
    State(app): State<Arc<App>>,
    Query(part): Query<Part>,
) -> Result<Response, PageError> {
    page(Outcome::Shown, &ApplicationsPage::new(&app, &admin, part.after()?).await?)
}

/// `POST …/applications`
pub(super) async fn create(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let mut name = Field::of(fields.one("name")?);
    let mut redirect_uris = Field::of(fields.one("redirect_uris")?);
    let checked = name.read("The name", Name::new);
    let uris = RedirectUris::new(redirect_uris.value.split_whitespace());
    let (Some(checked), Ok(uris)) = (checked, &uris) else {
        redirect_uris.error = uris.err().map(|error| sentence(&error));
        let form =
            ApplicationsPage { name, redirect_uris, ..ApplicationsPage::new(&app, &admin, None).await? };
        return page(Outcome::Invalid, &form);
    };
    let now = app.clock.now();
    let application = Application::new(admin.owner(), checked, uris.clone(), now, &*app.entropy);
    app.store.create_application(&app.stamp(&admin.author(), now), &application).await?;
    Ok(back(&admin, "application-created"))
}

/// `POST …/applications/remove`
pub(super) async fn remove(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id: ApplicationId = fields.one("application")?.parse().map_err(|_| PageError::NotFound)?;
    let stamp = app.stamp(&admin.author(), app.clock.now());
    app.store.remove_application(&stamp, admin.owner(), id).await?;
    Ok(back(&admin, "application-removed"))
}

fn address(visit: &Visit) -> String {
    format!("{}/administration/access-management/applications", visit.base())
}

fn back(admin: &Admin, done: &str) -> Response {
    Redirect::to(&format!("{}?done={done}", address(admin))).into_response()
}

impl ApplicationsPage {
    async fn new(app: &App, admin: &Admin, after: Option<ApplicationId>) -> Result<Self, PageError> {
        let now = app.clock.now();
        let slice = Slice { after, limit: LISTED + 1 };
        let mut found = app.store.applications(admin.owner(), slice, now).await?;
        let base = address(admin);
        let next = cut(&mut found, LISTED).map(|last| format!("{base}?after={}", last.application.id));
        Ok(Self {
            shell: admin.shell(app, "applications").await?,
            base,
            is_environment: admin.environment.is_some(),
            applications: found.iter().map(|found| Row::new(found, now)).collect(),
            next,
            name: Field::default(),
            redirect_uris: Field::default(),
        })
    }
}
