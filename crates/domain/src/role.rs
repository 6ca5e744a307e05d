use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::{AccountId, EnvironmentId, Owner, Scope, Scopes, User};

/// What a person may do on an account or an environment. Ordered: a later one may do all that an earlier one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads reports.
    Reader,
    /// Also creates queries.
    Author,
    /// Everything, keypairs included.
    Administrator,
}

impl Role {
    /// Every role, the mightiest first.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Author, Self::Reader];

    /// What an application may be allowed to do on `on` by whoever has this role there.
    pub fn scopes(self, on: &Owner) -> Scopes {
        match self {
            Self::Reader => Scope::ReportRead.into(),
            Self::Author => Self::Reader.scopes(on).with(Scope::QueriesCreate),
            Self::Administrator => Scopes::available_to(on),
        }
    }

    /// `administrator`, `author` or `reader`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Author => "author",
            Self::Reader => "reader",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| "expected administrator, author or reader".to_owned())
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A role that a person holds somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// On what.
    pub on: Owner,
    /// Which.
    pub role: Role,
}

/// A person with a role on an account or environment, for the list of its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// Where the role is held: the environment itself, or the account that it is inherited from.
    pub grant: Grant,
}

/// An account or an environment together with what its roles are inherited from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An account; nothing is above it.
    Account(AccountId),
    /// An environment, and the account that owns it.
    Environment(EnvironmentId, AccountId),
}

impl Place {
    /// The account or environment itself.
    pub fn owner(self) -> Owner {
        match self {
            Self::Account(id) => Owner::Account(id),
            Self::Environment(id, _) => Owner::Environment(id),
        }
    }

    /// The account that it is, or that owns it.
    pub fn account(self) -> AccountId {
        match self {
            Self::Account(id) | Self::Environment(_, id) => id,
        }
    }
}

/// The mightiest role that `grants` give at `place`, explicitly or inherited from its account; none by default.
pub fn effective_role(grants: &[Grant], place: Place) -> Option<Role> {
    let above = Owner::Account(place.account());
    grants.iter().filter(|grant| grant.on == place.owner() || grant.on == above).map(|grant| grant.role).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_follow_roles() {
        let account = Owner::Account("acc_00000000000000000000000000".parse().unwrap());
        let environment = Owner::Environment("env_00000000000000000000000000".parse().unwrap());
        let scopes = |role: Role, on| role.scopes(&on).to_string();
        for on in [account, environment] {
            assert_eq!(scopes(Role::Reader, on), "feedback-report:read");
            assert_eq!(scopes(Role::Author, on), "feedback-report:read feedback-queries:create");
            // A mightier role allows all that a lesser one does.
            assert!(Role::Author.scopes(&on).within(Role::Administrator.scopes(&on)));
        }
        let all = "feedback-report:read feedback-queries:create feedback-responses:create feedback-admin";
        assert_eq!(scopes(Role::Administrator, environment), all);
        assert_eq!(scopes(Role::Administrator, account), format!("{all} feedback-account-admin"));
    }

    #[test]
    fn roles_are_inherited_downwards_only() {
        let account: AccountId = "acc_00000000000000000000000000".parse().unwrap();
        let other: AccountId = "acc_00000000000000000000000001".parse().unwrap();
        let environment: EnvironmentId = "env_00000000000000000000000000".parse().unwrap();
        let below = Place::Environment(environment, account);
        let on = |on: Owner, role| [Grant { on, role }];

        let inherited = on(account.into(), Role::Administrator);
        assert_eq!(effective_role(&inherited, below), Some(Role::Administrator));
        let explicit = on(environment.into(), Role::Administrator);
        assert_eq!(effective_role(&explicit, below), Some(Role::Administrator));
        assert_eq!(effective_role(&explicit, Place::Account(account)), None);
        assert_eq!(effective_role(&inherited, Place::Account(other)), None);
        assert_eq!(effective_role(&[], below), None);
        let both = [
            Grant { on: account.into(), role: Role::Author },
            Grant { on: environment.into(), role: Role::Reader },
        ];
        assert_eq!(effective_role(&both, below), Some(Role::Author), "the mightier counts");
    }
}
