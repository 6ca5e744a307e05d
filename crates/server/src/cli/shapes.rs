//! The objects that `--json` prints.

use domain::{Account, Environment, Grant, KeySecret, Owner, Role, Scopes, State, Timestamp, User};
use serde::Serialize;

/// An account.
#[derive(Debug, Serialize)]
pub(super) struct AccountShape {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) created_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
}

impl From<&Account> for AccountShape {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.to_string(),
            state: state(account.state),
            created_at: account.created_at,
            closed_at: account.state.closed_at(),
        }
    }
}

/// An environment.
#[derive(Debug, Serialize)]
pub(super) struct EnvironmentShape {
    pub(super) id: String,
    pub(super) account_id: String,
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) created_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
}

impl From<&Environment> for EnvironmentShape {
    fn from(environment: &Environment) -> Self {
        Self {
            id: environment.id.to_string(),
            account_id: environment.account.to_string(),
            name: environment.name.to_string(),
            state: state(environment.state),
            created_at: environment.created_at,
            closed_at: environment.state.closed_at(),
        }
    }
}

fn state(state: State) -> &'static str {
    if state.is_open() { "open" } else { "closed" }
}

/// A user with the roles held on open accounts and environments.
#[derive(Debug, Serialize)]
pub(super) struct UserShape {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) created_at: Timestamp,
    pub(super) roles: Vec<RoleShape>,
}

/// A role, and where it is held.
#[derive(Debug, Serialize)]
pub(super) struct RoleShape {
    pub(super) on: Owner,
    pub(super) role: Role,
}

impl UserShape {
    pub(super) fn new(user: &User, grants: &[Grant]) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            created_at: user.created_at,
            roles: grants.iter().map(|grant| RoleShape { on: grant.on, role: grant.role }).collect(),
        }
    }
}

/// A keypair, as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct KeypairShape {
    pub(super) id: String,
    pub(super) owner: Owner,
    pub(super) comment: String,
    pub(super) scopes: Scopes,
    pub(super) enabled: bool,
    pub(super) status: &'static str,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) created_by: String,
    pub(super) last_used_at: Option<Timestamp>,
    pub(super) secrets: Vec<SecretShape>,
}

/// A keypair with the secret that was just made.
#[derive(Serialize)]
pub(super) struct KeypairWithSecret {
    #[serde(flatten)]
    keypair: KeypairShape,
    secret: String,
}

/// All of a secret but itself.
#[derive(Debug, Serialize)]
pub(super) struct SecretShape {
    pub(super) n: u32,
    pub(super) hint: String,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) last_used_at: Option<Timestamp>,
}

impl KeypairShape {
    pub(super) fn at(now: Timestamp, keypair: &domain::Keypair) -> Self {
        Self {
            id: keypair.id.to_string(),
            owner: keypair.owner,
            comment: keypair.comment.to_string(),
            scopes: keypair.scopes,
            enabled: keypair.enabled,
            status: keypair.status(now).name(),
            expires_at: keypair.expires_at,
            created_at: keypair.created_at,
            created_by: crate::keypairs::maker(&keypair.created_by),
            last_used_at: keypair.last_used_at,
            secrets: keypair
                .secrets
                .iter()
                .map(|secret| SecretShape {
                    n: secret.n,
                    hint: secret.hint.clone(),
                    created_at: secret.created_at,
                    expires_at: secret.expires_at,
                    last_used_at: secret.last_used_at,
                })
                .collect(),
        }
    }

    pub(super) fn with_secret(self, secret: &KeySecret) -> KeypairWithSecret {
        KeypairWithSecret { keypair: self, secret: secret.reveal().to_owned() }
    }
}
