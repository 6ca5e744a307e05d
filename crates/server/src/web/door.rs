//! Who may pass where. A handler is handed one of these values, which exist only if the person may act there.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use domain::{Account, Environment, Grant, Owner, Place, Role, effective_role};

use super::access::{Access, Guard, not_forged};
use super::failure::PageError;
use super::session::SignedIn;
use super::shell::{self, Shell};
use crate::app::{App, Author};

/// A person at an open account or environment, with the role that the person has there.
pub(super) struct Visit {
    pub(super) person: SignedIn,
    pub(super) grants: Vec<Grant>,
    pub(super) account: Account,
    /// None for an account's own pages.
    pub(super) environment: Option<Environment>,
    pub(super) place: Place,
    pub(super) role: Role,
    notice: Option<&'static str>,
}

impl Visit {
    /// The account or environment.
    pub(super) fn owner(&self) -> Owner {
        self.place.owner()
    }

    /// The environment, for pages that only environments have.
    pub(super) fn environment(&self) -> Result<&Environment, PageError> {
        self.environment.as_ref().ok_or(PageError::NotFound)
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        self.environment.as_ref().map_or(&self.account.name, |environment| &environment.name).to_string()
    }

    /// Whether the person is a full administrator here.
    pub(super) fn is_admin(&self) -> bool {
        self.role == Role::Administrator
    }

    /// The address below which all its pages are.
    pub(super) fn base(&self) -> String {
        base(self.owner())
    }

    /// The person as the author of a change.
    pub(super) fn author(&self) -> Author {
        self.person.author()
    }

    /// The frame around a page; `at` is the entry of the navigation that is current.
    pub(super) async fn shell(&self, app: &App, at: &'static str) -> Result<Shell, PageError> {
        let place = shell::Here {
            base: self.base(),
            name: self.name(),
            account: self.environment.as_ref().map(|_| self.account.name.to_string()),
            is_environment: self.environment.is_some(),
            admin: self.is_admin(),
            at,
        };
        Shell::new(app, &self.person.user, Some((self.place, place)), self.notice).await
    }

    async fn at(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        let person = SignedIn::in_session(parts, app).await?;
        let Path(parameters) = Path::<HashMap<String, String>>::from_request_parts(parts, app)
            .await
            .map_err(|_| PageError::NotFound)?;
        let owner: Owner = parameters
            .get("owner")
            .and_then(|text| text.parse().ok())
            .filter(|owner| parts.uri.path().starts_with(&base(*owner)))
            .ok_or(PageError::NotFound)?;
        let grants = app.store.grants_of(person.user.id).await?;
        let (account, environment) = match owner {
            Owner::Account(id) => (app.store.account(id).await?, None),
            Owner::Environment(id) => {
                let environment = app.store.environment(id).await?;
                (app.store.account(environment.account).await?, Some(environment))
            }
        };
        let open = account.state.is_open() && environment.as_ref().is_none_or(|it| it.state.is_open());
        let place = match &environment {
            Some(environment) => Place::Environment(environment.id, account.id),
            None => Place::Account(account.id),
        };
        let role = effective_role(&grants, place).filter(|_| open).ok_or(PageError::NotFound)?;
        let notice = shell::notice(parts.uri.query());
        Ok(Self { person, grants, account, environment, place, role, notice })
    }
}

/// The address below which all pages of `owner` are.
pub(super) fn base(owner: Owner) -> String {
    format!("/{}s/{owner}", owner.kind())
}

macro_rules! doors {
    ($($(#[$doc:meta])* $name:ident, $role:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name(Visit);

        impl std::ops::Deref for $name {
            type Target = Visit;

            fn deref(&self) -> &Visit {
                &self.0
            }
        }

        impl Guard for $name {
            const ACCESS: Access = Access::At($role);
        }

        impl FromRequestParts<Arc<App>> for $name {
            type Rejection = PageError;

            async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
                let visit = Visit::at(parts, app).await?;
                // The same answer as for what does not exist.
                if visit.role < $role {
                    return Err(PageError::NotFound);
                }
                not_forged(parts)?;
                Ok(Self(visit))
            }
        }
    )*};
}

doors! {
    /// Somebody with any role here.
    CanRead, Role::Reader;
    /// Somebody who may create queries here.
    CanAuthor, Role::Author;
    /// A full administrator of this account or environment, explicit or inherited.
    Admin, Role::Administrator;
}
