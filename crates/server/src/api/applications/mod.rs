//! Applications that people can let act in their names. The acts are the same for an environment's and for an account's; the
//! addresses are in [`of_environment`] and [`of_account`].

pub(super) mod of_account;
pub(super) mod of_environment;

#[cfg(test)]
mod tests;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use domain::{Application, ApplicationId, Name, Owner, RedirectUris};
use serde::Deserialize;
use storage::{ApplicationInUse, StorageError};
use utoipa::ToSchema;

use super::authorization::{Requirement, Token};
use super::body::FieldErrors;
use super::error::ApiError;
use super::parameters::{Page, page};
use super::shapes::{ApplicationShape, ListShape};
use super::versions::Versioned;
use crate::app::App;

/// A new application.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewApplication)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApplicationBody {
    /// What people see when it asks them: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, example = "Dashboard")]
    name: String,
    /// Where answers to it may go, 1 to 10: `https://…`; `http://127.0.0.1/…` or `http://[::1]/…` with any port, for a program
    /// on the person's own machine; or a scheme of its own with a dot in it, as in `com.example.app:/…`.
    #[schema(min_items = 1, max_items = 10, example = json!(["https://dashboard.example.com/callback"]))]
    redirect_uris: Vec<String>,
}

/// Whose applications: the address says it, and the caller's token covers it.
struct Applications<'a, R> {
    app: &'a App,
    caller: &'a Token<R>,
    owner: Owner,
}

impl<R: Requirement> Applications<'_, R> {
    async fn list(&self, wanted: Page<ApplicationId>) -> Result<Json<ListShape<ApplicationShape>>, ApiError> {
        let (slice, limit) = wanted.slice();
        let found = self.app.store.applications(self.owner, slice, self.app.clock.now()).await?;
        Ok(page(found, limit, |found| found.application.id, |found| ApplicationShape::from(found)))
    }

    async fn create(&self, body: NewApplicationBody) -> Result<Response, ApiError> {
        let mut errors = FieldErrors::default();
        let name = errors.check("name", Name::new(&body.name));
        let uris = RedirectUris::new(body.redirect_uris.iter().map(String::as_str));
        let uris = errors.check("redirect_uris", uris);
        let (Some(name), Some(uris)) = (name, uris) else { return Err(errors.into_error()) };
        let now = self.app.clock.now();
        let application = Application::new(self.owner, name, uris, now, &*self.app.entropy);
        let stamp = self.app.stamp(&self.caller.author(), now);
        self.app.store.create_application(&stamp, &application).await?;
        let location = format!("/v1/{}s/{}/applications/{}", self.owner.kind(), self.owner, application.id);
        let made = versioned(&ApplicationInUse { application, people: 0 });
        Ok((StatusCode::CREATED, [(LOCATION, location)], made).into_response())
    }

    async fn show(&self, id: ApplicationId) -> Result<Versioned<ApplicationShape>, ApiError> {
        Ok(versioned(&self.app.store.application(self.owner, id, self.app.clock.now()).await?))
    }

    async fn remove(&self, id: ApplicationId, expected: Option<i64>) -> Result<StatusCode, ApiError> {
        let now = self.app.clock.now();
        if expected.is_some_and(|expected| expected != Application::VERSION) {
            self.app.store.application(self.owner, id, now).await?;
            return Err(StorageError::Moved.into());
        }
        let stamp = self.app.stamp(&self.caller.author(), now);
        self.app.store.remove_application(&stamp, self.owner, id).await?;
        Ok(StatusCode::NO_CONTENT)
    }
}

fn versioned(found: &ApplicationInUse) -> Versioned<ApplicationShape> {
    Versioned { version: Application::VERSION, shape: ApplicationShape::from(found) }
}
