use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::Owner;

/// One permission that a token can carry (RFC 6749 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `feedback-report:read`
    ReportRead,
    /// `feedback-queries:create`
    QueriesCreate,
    /// `feedback-responses:create`
    ResponsesCreate,
    /// `feedback-admin`
    Admin,
    /// `feedback-account-admin`
    AccountAdmin,
}

impl Scope {
    /// Every scope, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::ReportRead, Self::QueriesCreate, Self::ResponsesCreate, Self::Admin, Self::AccountAdmin];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReportRead => "feedback-report:read",
            Self::QueriesCreate => "feedback-queries:create",
            Self::ResponsesCreate => "feedback-responses:create",
            Self::Admin => "feedback-admin",
            Self::AccountAdmin => "feedback-account-admin",
        }
    }

    /// What it allows, as a sentence for people.
    pub const fn allows(self) -> &'static str {
        match self {
            Self::ReportRead => "Read reports, queries and their statistics.",
            Self::QueriesCreate => "Create queries, and read the queries.",
            Self::ResponsesCreate => "Submit responses.",
            Self::Admin => {
                "Administer environments: change and close queries, manage the environment's keypairs, read its audit log."
            }
            Self::AccountAdmin => {
                "Administer the account: create, rename and close environments, manage the account's own keypairs, read its audit log."
            }
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::ReportRead => 1,
            Self::QueriesCreate => 2,
            Self::ResponsesCreate => 4,
            Self::Admin => 8,
            Self::AccountAdmin => 16,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Why a list of scopes was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// No scope has this name.
    #[error("there is no scope `{0}`")]
    Unknown(String),
    /// It was named more than once.
    #[error("the scope `{0}` is named twice")]
    Twice(Scope),
    /// The list is empty.
    #[error("at least one scope is needed")]
    None,
    /// A keypair of this kind of owner can't have it.
    #[error("the scope `{0}` is for keypairs of an account, not of an environment")]
    NotForEnvironments(Scope),
    /// The keypair may not request it.
    #[error("the keypair may not request the scope `{0}`")]
    NotAllowed(Scopes),
    /// The person did not let the application have it.
    #[error("the scope `{0}` was not granted to the application")]
    NotGranted(Scopes),
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name() == name)
            .ok_or_else(|| ScopeError::Unknown(name.chars().take(64).collect()))
    }
}

/// A set of scopes. As text, their names in a fixed order with a space between; as JSON, a list of names.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// No scope at all.
    pub const NONE: Self = Self(0);

    /// Reads names; each may stand once.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        names.into_iter().try_fold(Self::NONE, |scopes, name| {
            let scope = name.parse()?;
            if scopes.contains(scope) {
                return Err(ScopeError::Twice(scope));
            }
            Ok(scopes.with(scope))
        })
    }

    /// The scopes that a keypair of `owner` may be given.
    pub fn available_to(owner: &Owner) -> Self {
        let all: Self = Scope::ALL.into_iter().collect();
        match owner {
            Owner::Account(_) => all,
            Owner::Environment(_) => all.minus(Self::from(Scope::AccountAdmin)),
        }
    }

    /// Checks that a keypair of `owner` may have exactly these.
    pub fn fit_for(self, owner: &Owner) -> Result<Self, ScopeError> {
        if self.is_empty() {
            return Err(ScopeError::None);
        }
        match self.minus(Self::available_to(owner)).iter().next() {
            Some(scope) => Err(ScopeError::NotForEnvironments(scope)),
            None => Ok(self),
        }
    }

    /// Whether `scope` is one of them.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and `scope`.
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// Those that are in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These without those of `other`.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether each of these is in `other`.
    pub fn within(self, other: Self) -> bool {
        self.minus(other).is_empty()
    }

    /// Each, in the fixed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self(scope.bit())
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Reads names parted by spaces (RFC 6749 §3.3).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_names(text.split(' ').filter(|name| !name.is_empty()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Which scopes a token request gets (RFC 6749 §3.3): all that the keypair may request if it names none, else
/// exactly those named, or a refusal that names what it may not have.
pub fn grant_scopes(requested: Option<&str>, allowed: Scopes) -> Result<Scopes, ScopeError> {
    let Some(requested) = requested.filter(|text| !text.is_empty()) else {
        return Ok(allowed);
    };
    let requested: Scopes = requested.parse()?;
    if requested.is_empty() {
        return Err(ScopeError::None);
    }
    if !requested.within(allowed) {
        return Err(ScopeError::NotAllowed(requested.minus(allowed)));
    }
    Ok(requested)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_scopes() -> impl Strategy<Value = Scopes> {
        (0u8..32).prop_map(Scopes)
    }

    proptest! {
        #[test]
        fn text_round_trips(scopes in any_scopes()) {
            prop_assert_eq!(scopes.to_string().parse::<Scopes>().unwrap(), scopes);
        }

        #[test]
        fn a_grant_never_exceeds_what_is_allowed(requested in any_scopes(), allowed in any_scopes()) {
            match grant_scopes(Some(&requested.to_string()), allowed) {
                Ok(granted) => {
                    prop_assert!(granted.within(allowed));
                    prop_assert!(requested.is_empty() || granted == requested);
                }
                Err(ScopeError::NotAllowed(refused)) => {
                    prop_assert!(!refused.is_empty());
                    prop_assert!(refused.and(allowed).is_empty());
                    prop_assert!(refused.within(requested));
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        #[test]
        fn minus_and_and_part_a_set(a in any_scopes(), b in any_scopes()) {
            prop_assert_eq!(Scopes(a.minus(b).0 | a.and(b).0), a);
            prop_assert!(a.minus(b).and(b).is_empty());
        }
    }

    #[test]
    fn unknown_repeated_and_empty_lists_are_refused() {
        assert_eq!("nope".parse::<Scopes>(), Err(ScopeError::Unknown("nope".into())));
        assert_eq!("feedback-admin feedback-admin".parse::<Scopes>(), Err(ScopeError::Twice(Scope::Admin)));
        assert_eq!(grant_scopes(Some(" "), Scope::Admin.into()), Err(ScopeError::None));
        assert_eq!(grant_scopes(None, Scope::Admin.into()), Ok(Scope::Admin.into()));
    }

    #[test]
    fn an_environment_keypair_can_not_administer_the_account() {
        let environment = Owner::Environment("env_00000000000000000000000000".parse().unwrap());
        assert_eq!(
            Scopes::from(Scope::AccountAdmin).fit_for(&environment),
            Err(ScopeError::NotForEnvironments(Scope::AccountAdmin))
        );
    }
}
