use jiff::Timestamp;

use crate::{AccountId, Entropy, EnvironmentId, Name, State, new_id};

/// The customer. It owns environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `acc_…`
    pub id: AccountId,
    /// What its people call it.
    pub name: Name,
    /// Open or closed.
    pub state: State,
    /// Counts the edits; the ETag.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where feedback is collected. Belongs to exactly one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `env_…`
    pub id: EnvironmentId,
    /// The account that owns it.
    pub account: AccountId,
    /// What its people call it.
    pub name: Name,
    /// Open or closed; the environments of a closed account are closed.
    pub state: State,
    /// Counts the edits; the ETag.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Account {
    /// A new account.
    pub fn new(name: Name, now: Timestamp, entropy: &dyn Entropy) -> Self {
        Self { id: new_id(now, entropy), name, state: State::Open, version: 1, created_at: now }
    }
}

impl Environment {
    /// A new environment of `account`.
    pub fn new(account: AccountId, name: Name, now: Timestamp, entropy: &dyn Entropy) -> Self {
        Self { id: new_id(now, entropy), account, name, state: State::Open, version: 1, created_at: now }
    }
}
