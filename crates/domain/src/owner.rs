use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{AccountId, Environment, EnvironmentId};

/// Whom a keypair or a role belongs to.
///
/// As JSON: `{"type": "account"|"environment", "id": "…"}`; as text, its identifier alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The customer.
    Account(AccountId),
    /// One of its environments.
    Environment(EnvironmentId),
}

impl Owner {
    /// `account` or `environment`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Environment(_) => "environment",
        }
    }

    /// Whether a keypair of this owner reaches `environment`: its own one, or any of its account's.
    pub fn reaches(&self, environment: &Environment) -> bool {
        match self {
            Self::Account(id) => *id == environment.account,
            Self::Environment(id) => *id == environment.id,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Environment(id) => id.fmt(f),
        }
    }
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Account(id));
        }
        text.parse()
            .map(Self::Environment)
            .map_err(|_| "expected an account (acc_…) or an environment (env_…)".to_owned())
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut owner = serializer.serialize_struct("Owner", 2)?;
        owner.serialize_field("type", self.kind())?;
        owner.serialize_field("id", &self.to_string())?;
        owner.end()
    }
}

impl From<AccountId> for Owner {
    fn from(id: AccountId) -> Self {
        Self::Account(id)
    }
}

impl From<EnvironmentId> for Owner {
    fn from(id: EnvironmentId) -> Self {
        Self::Environment(id)
    }
}
