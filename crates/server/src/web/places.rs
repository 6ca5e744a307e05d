//! `/environments`: every account and environment that the person may see, in parts.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use domain::Place;
use serde::Deserialize;
use storage::{NamedPlace, Slice};

use super::door::base;
use super::dress::page;
use super::failure::PageError;
use super::outcome::Outcome;
use super::part::cut;
use super::session::SignedIn;
use super::shell::Shell;
use crate::app::App;

const LISTED: u32 = 100;

#[derive(Template)]
#[template(path = "places.html")]
struct PlacesPage {
    shell: Shell,
    places: Vec<Row>,
    next: Option<String>,
}

struct Row {
    href: String,
    account: String,
    environment: Option<String>,
}

impl Row {
    fn new(named: &NamedPlace) -> Self {
        Self {
            href: base(named.place.owner()),
            account: named.account.to_string(),
            environment: named.environment.as_ref().map(ToString::to_string),
        }
    }
}

/// Which part of the list: after an account, or after an environment of it.
#[derive(Deserialize)]
pub(super) struct Part {
    account: Option<String>,
    environment: Option<String>,
}

impl Part {
    fn after(&self) -> Option<Option<Place>> {
        let Some(account) = &self.account else {
            return self.environment.is_none().then_some(None);
        };
        let account = account.parse().ok()?;
        Some(Some(match &self.environment {
            Some(environment) => Place::Environment(environment.parse().ok()?, account),
            None => Place::Account(account),
        }))
    }
}

/// `GET /environments`
pub(super) async fn list(
    person: SignedIn,
    State(app): State<Arc<App>>,
    Query(part): Query<Part>,
) -> Result<Response, PageError> {
    let after = part.after().ok_or(PageError::NotFound)?;
    let mut places = app.store.places_of(person.user.id, Slice { after, limit: LISTED + 1 }).await?;
    let next = cut(&mut places, LISTED).map(|last| match last.place {
        Place::Account(account) => format!("/environments?account={account}"),
        Place::Environment(environment, account) => {
            format!("/environments?account={account}&environment={environment}")
        }
    });
    let shell = Shell::new(&app, &person.user, None, None).await?;
    page(Outcome::Shown, &PlacesPage { shell, places: places.iter().map(Row::new).collect(), next })
}
