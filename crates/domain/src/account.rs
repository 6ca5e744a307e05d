use jiff::Timestamp;

use crate::{AccountId, Entropy, EnvironmentId, Name, new_id};

/// Whether an account or environment still works. Closing is for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In use.
    Open,
    /// Stopped at that instant.
    Closed(Timestamp),
}

impl State {
    /// Whether it is still in use.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }

    /// When it was closed, if it was.
    pub fn closed_at(self) -> Option<Timestamp> {
        match self {
            Self::Open => None,
            Self::Closed(at) => Some(at),
        }
    }
}

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
