//! `/accounts/{acc}`: its environments, and making another.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Environment, Name, Owner, Period, Series, utc_date};
use storage::Slice;

use super::door::{Admin, CanRead, base};
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::part::{Part, cut};
use super::shell::Shell;
use super::when::grouped;
use crate::app::App;

const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    shell: Shell,
    base: String,
    name: String,
    admin: bool,
    environments: Vec<Card>,
    next: Option<String>,
}

struct Card {
    href: String,
    name: String,
    id: String,
    responses: String,
    respondents: String,
    average: String,
}

/// `GET /accounts/{acc}`
pub(super) async fn show(
    visit: CanRead,
    State(app): State<Arc<App>>,
    Query(part): Query<Part>,
) -> Result<Response, PageError> {
    let after = part.after()?;
    let period = Period::ending(utc_date(app.clock.now()), 30);
    let base_of_page = visit.base();
    let mut found = app.store.open_environments(visit.account.id, Slice { after, limit: LISTED + 1 }).await?;
    let next = cut(&mut found, LISTED).map(|last| format!("{base_of_page}?after={}", last.id));
    let mut environments = Vec::new();
    for environment in found {
        let point = app.store.combined_point(environment.id, Series::Overview, period).await?;
        environments.push(Card {
            href: base(Owner::Environment(environment.id)),
            name: environment.name.to_string(),
            id: environment.id.to_string(),
            responses: grouped(point.scores.responses()),
            respondents: grouped(point.respondents),
            average: point.scores.average().map_or("–".to_owned(), |average| format!("{average:.2}")),
        });
    }
    let view = AccountPage {
        shell: visit.shell(&app, "overview").await?,
        base: base_of_page,
        name: visit.name(),
        admin: visit.is_admin(),
        environments,
        next,
    };
    page(Outcome::Shown, &view)
}

#[derive(Template)]
#[template(path = "environment_new.html")]
struct NewPage {
    shell: Shell,
    base: String,
    name: Field,
}

/// `GET /accounts/{acc}/environments/new`
pub(super) async fn new_environment(
    admin: Admin,
    State(app): State<Arc<App>>,
) -> Result<Response, PageError> {
    let shell = admin.shell(&app, "overview").await?;
    page(Outcome::Shown, &NewPage { shell, base: admin.base(), name: Field::default() })
}

/// `POST /accounts/{acc}/environments`
pub(super) async fn create_environment(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let mut field = Field::of(fields.one("name")?);
    let Some(name) = field.read("The name", Name::new) else {
        let shell = admin.shell(&app, "overview").await?;
        let view = NewPage { shell, base: admin.base(), name: field };
        return page(Outcome::Invalid, &view);
    };
    let now = app.clock.now();
    let environment = Environment::new(admin.account.id, name, now, &*app.entropy);
    app.store.create_environment(&app.stamp(&admin.author(), now), &environment).await?;
    let to = format!("{}?done=environment-created", base(Owner::Environment(environment.id)));
    Ok(Redirect::to(&to).into_response())
}
