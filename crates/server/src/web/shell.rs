//! The frame around every page: the switcher, the navigation, and what was just done.

use domain::{AccountId, Owner, Place, User};
use storage::{NamedPlace, Slice};

use super::door::base;
use super::failure::PageError;
use super::part::cut;
use crate::app::App;

/// As many accounts and environments as the switcher lists.
const LISTED: u32 = 200;

/// The frame around a page.
pub(super) struct Shell {
    pub(super) user: String,
    pub(super) place: Option<Here>,
    pub(super) accounts: Vec<AccountEntry>,
    /// Whether there are more than the switcher lists.
    pub(super) more: bool,
    pub(super) notice: Option<&'static str>,
}

impl Shell {
    /// The frame around a page of `user`, at `current` or nowhere in particular.
    pub(super) async fn new(
        app: &App,
        user: &User,
        current: Option<(Place, Here)>,
        notice: Option<&'static str>,
    ) -> Result<Self, PageError> {
        let mut places = app.store.places_of(user.id, Slice::first(LISTED + 1)).await?;
        let more = cut(&mut places, LISTED).is_some();
        let (here, place) = current.map(|(place, here)| (place.owner(), here)).unzip();
        let accounts = switcher(places, here);
        Ok(Self { user: user.email.to_string(), place, accounts, more, notice })
    }

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
    pub(super) name: String,
    pub(super) href: String,
    pub(super) current: bool,
}

fn switcher(places: Vec<NamedPlace>, here: Option<Owner>) -> Vec<AccountEntry> {
    let mut entries: Vec<AccountEntry> = Vec::new();
    for NamedPlace { place, account, environment } in places {
        let (id, owner) = (place.account(), place.owner());
        let current = here == Some(owner);
        let Some(name) = environment else {
            let (name, href) = (account.to_string(), Some(base(owner)));
            entries.push(AccountEntry { id, name, href, current, environments: Vec::new() });
            continue;
        };
        let entry = EnvironmentEntry { name: name.to_string(), href: base(owner), current };
        match entries.last_mut().filter(|last| last.id == id) {
            Some(account) => account.environments.push(entry),
            None => entries.push(AccountEntry {
                id,
                name: account.to_string(),
                href: None,
                current: false,
                environments: vec![entry],
            }),
        }
    }
    entries.sort_by_key(|entry| entry.name.to_lowercase());
    entries
}

const NOTICES: [(&str, &str); 27] = [
    ("keypair-disabled", "The keypair is disabled. Its tokens stopped working."),
    ("keypair-enabled", "The keypair is enabled. Clients need new tokens; those from before stay dead."),
    ("keypair-saved", "The keypair was saved."),
    ("keypair-removed", "The keypair was removed for good."),
    ("scopes-removed", "The scopes that were not used were removed. Tokens already issued lost them."),
    ("scopes-all-used", "Every scope is in use by now, or may be handed on. Nothing was changed."),
    ("secret-ended", "The secret stopped working."),
    ("token-revoked", "The token stopped working. No other token did."),
    ("public-key-added", "The public key was added. Whoever has its private half can get tokens."),
    ("public-key-removed", "The public key was removed. Its tokens stopped working."),
    (
        "secrets-refused",
        "The keypair accepts no secrets any more. Tokens that they obtained stopped working.",
    ),
    (
        "secrets-accepted",
        "The keypair accepts secrets. Clients need new tokens; those from before stay dead.",
    ),
    ("application-created", "The application is registered. Its client_id is in the list."),
    ("application-removed", "The application was removed for good, with all that people had allowed it."),
    ("grant-revoked", "The application has no access any more. Its tokens stopped working."),
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
    (
        "password-changed",
        "Your password was changed. You are signed out everywhere else, and applications have no access any more.",
    ),
    ("welcome", "Welcome to Feedback."),
];

/// What was just done, if the address says so by a word that is known.
pub(super) fn notice(query: Option<&str>) -> Option<&'static str> {
    let done = query?.split('&').find_map(|pair| pair.strip_prefix("done="))?;
    NOTICES.iter().find(|(word, _)| *word == done).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every word stands once for the notice and at least once where something is done.
    #[test]
    fn every_notice_is_said_somewhere() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let source: String = files
            .filter(|path| path.extension().is_some_and(|it| it == "rs") && !path.ends_with("shell.rs"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        for (word, _) in NOTICES {
            let said = [format!("?done={word}\""), format!("\"{word}\"")];
            assert!(said.iter().any(|said| source.contains(said)), "nothing says {word}");
        }
    }
}
