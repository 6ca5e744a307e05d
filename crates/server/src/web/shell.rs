//! The frame around every page: the switcher, the navigation, and what was just done.

use domain::{AccountId, EnvironmentId, Grant, Owner, Place};
use storage::{Slice, StorageError};

use super::door::base;
use super::failure::PageError;
use crate::app::App;

/// As many environments of one account as the switcher lists.
const LISTED: u32 = 200;

/// The frame around a page.
pub(super) struct Shell {
    pub(super) user: String,
    pub(super) place: Option<Here>,
    pub(super) accounts: Vec<AccountEntry>,
    pub(super) notice: Option<&'static str>,
}

impl Shell {
    /// Where the person is, as the switcher shows it.
    pub(super) fn here(&self) -> String {
        match &self.place {
            Some(Here { name, account: Some(account), .. }) => format!("{account}/{name}"),
            Some(Here { name, account: None, .. }) => name.clone(),
            None => "Choose an environment".to_owned(),
        }
    }

    /// What stands for the person in the smallest place.
    pub(super) fn initial(&self) -> String {
        self.user.chars().take(1).collect()
    }
}

/// Where the person is.
pub(super) struct Here {
    pub(super) base: String,
    pub(super) name: String,
    pub(super) account: Option<String>,
    pub(super) is_environment: bool,
    pub(super) admin: bool,
    pub(super) at: &'static str,
}

/// An account in the switcher.
pub(super) struct AccountEntry {
    id: AccountId,
    pub(super) name: String,
    /// None if the person has a role on some of its environments only.
    pub(super) href: Option<String>,
    pub(super) current: bool,
    pub(super) environments: Vec<EnvironmentEntry>,
}

/// An environment in the switcher.
pub(super) struct EnvironmentEntry {
    id: EnvironmentId,
    pub(super) name: String,
    pub(super) href: String,
    pub(super) current: bool,
}

/// The accounts and environments that a person with these roles may see.
pub(super) async fn accounts(
    app: &App,
    grants: &[Grant],
    here: Option<Place>,
) -> Result<Vec<AccountEntry>, PageError> {
    let here = here.map(Place::owner);
    let mut entries: Vec<AccountEntry> = Vec::new();
    for grant in grants {
        if let Owner::Account(id) = grant.on {
            let Some(account) = found(app.store.account(id).await)? else { continue };
            let environments = app.store.open_environments(id, Slice::first(LISTED)).await?;
            entries.push(AccountEntry {
                id,
                name: account.name.to_string(),
                href: Some(base(grant.on)),
                current: here == Some(grant.on),
                environments: environments.into_iter().map(|it| entry(it, here)).collect(),
            });
        }
    }
    for grant in grants {
        if let Owner::Environment(id) = grant.on {
            let Some(environment) = found(app.store.environment(id).await)? else { continue };
            match entries.iter_mut().find(|entry| entry.id == environment.account) {
                Some(account) if account.environments.iter().any(|entry| entry.id == id) => {}
                Some(account) => account.environments.push(entry(environment, here)),
                None => {
                    let Some(account) = found(app.store.account(environment.account).await)? else {
                        continue;
                    };
                    entries.push(AccountEntry {
                        id: account.id,
                        name: account.name.to_string(),
                        href: None,
                        current: false,
                        environments: vec![entry(environment, here)],
                    });
                }
            }
        }
    }
    entries.sort_by_key(|entry| entry.name.to_lowercase());
    Ok(entries)
}

fn entry(environment: domain::Environment, here: Option<Owner>) -> EnvironmentEntry {
    let owner = Owner::Environment(environment.id);
    EnvironmentEntry {
        id: environment.id,
        name: environment.name.to_string(),
        href: base(owner),
        current: here == Some(owner),
    }
}

/// What may have gone between two look-ups is not listed.
fn found<T>(result: Result<T, StorageError>) -> Result<Option<T>, PageError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StorageError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

const NOTICES: [(&str, &str); 17] = [
    ("keypair-disabled", "The keypair is disabled. Its tokens stopped working."),
    ("keypair-enabled", "The keypair is enabled. Clients need new tokens; those from before stay dead."),
    ("keypair-saved", "The keypair was saved."),
    ("keypair-removed", "The keypair was removed for good."),
    ("secret-ended", "The secret stopped working."),
    ("role-changed", "The role was changed."),
    ("user-removed", "The user no longer has a role here."),
    ("invitation-revoked", "The invitation was revoked."),
    ("query-created", "The query was created."),
    ("query-saved", "The query was saved."),
    ("query-closed", "The query is closed."),
    ("environment-created", "The environment was created."),
    ("environment-closed", "The environment is closed."),
    ("account-closed", "The account is closed."),
    ("renamed", "The name was changed."),
    ("password-changed", "Your password was changed. You are signed out everywhere else."),
    ("welcome", "Welcome to Feedback."),
];

/// What was just done, if the address says so by a word that is known.
pub(super) fn notice(query: Option<&str>) -> Option<&'static str> {
    let done = query?.split('&').find_map(|pair| pair.strip_prefix("done="))?;
    NOTICES.iter().find(|(word, _)| *word == done).map(|(_, sentence)| *sentence)
}
