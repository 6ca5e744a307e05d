use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{ApplicationId, Entropy, Name, Owner, Place, RedirectUri, RedirectUris, new_id};

/// A program that people let act in their name: a public client (RFC 6749 §2.1). It has no secret; what protects it is that
/// answers go to its own addresses only, and PKCE. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// `app_…`: its client_id.
    pub id: ApplicationId,
    /// The account or environment that it was registered for. People can let it act there, and below it, and nowhere else.
    pub owner: Owner,
    /// What people see when it asks them.
    pub name: Name,
    /// Where answers to it may go.
    pub redirect_uris: RedirectUris,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Application {
    /// The version of every application; the ETag.
    pub const VERSION: i64 = 1;

    /// A new application.
    pub fn new(
        owner: Owner,
        name: Name,
        redirect_uris: RedirectUris,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Self {
        Self { id: new_id(now, entropy), owner, name, redirect_uris, created_at: now }
    }
}

/// The client_id of a program that acts in people's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientId {
    /// Our own command line, which every server knows: `feedback-cli`.
    CommandLine,
    /// A registered application.
    Application(ApplicationId),
}

const COMMAND_LINE: &str = "feedback-cli";

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str(COMMAND_LINE),
            Self::Application(id) => id.fmt(f),
        }
    }
}

/// The text is no client_id of a program that acts in people's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an application (app_…), or feedback-cli")]
pub struct MalformedClientId;

impl FromStr for ClientId {
    type Err = MalformedClientId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == COMMAND_LINE {
            return Ok(Self::CommandLine);
        }
        text.parse().map(Self::Application).map_err(|_| MalformedClientId)
    }
}

impl Serialize for ClientId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A program that asks a person to let it act in the person's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// Our own command line: on the person's own machine, anywhere that the person has a role.
    CommandLine,
    /// A registered application.
    Application(Application),
}

impl Client {
    /// What people see.
    pub fn name(&self) -> &str {
        match self {
            Self::CommandLine => "Feedback’s command line",
            Self::Application(application) => application.name.as_str(),
        }
    }

    /// Its client_id.
    pub fn id(&self) -> ClientId {
        match self {
            Self::CommandLine => ClientId::CommandLine,
            Self::Application(application) => ClientId::Application(application.id),
        }
    }

    /// Whether an answer to it may go to `uri`.
    pub fn takes_answers_at(&self, uri: &str) -> bool {
        match self {
            Self::CommandLine => RedirectUri::is_loopback(uri),
            Self::Application(application) => application.redirect_uris.permit(uri),
        }
    }

    /// Whether people can let it act at `place`: an environment's there, an account's on the account and all below it.
    pub fn may_act_at(&self, place: Place) -> bool {
        match self {
            Self::CommandLine => true,
            Self::Application(application) => match application.owner {
                Owner::Account(account) => account == place.account(),
                environment @ Owner::Environment(_) => environment == place.owner(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, EnvironmentId};

    #[test]
    fn a_client_id_reads_as_it_is_written() {
        for text in ["feedback-cli", "app_00000000000000000000000000"] {
            assert_eq!(text.parse::<ClientId>().unwrap().to_string(), text);
        }
        for text in ["", "key_00000000000000000000000000", "feedback-CLI", "app_"] {
            assert_eq!(text.parse::<ClientId>(), Err(MalformedClientId), "{text}");
        }
    }

    #[test]
    fn an_application_acts_where_it_was_registered_and_below() {
        let [account, other]: [AccountId; 2] =
            ["acc_00000000000000000000000000", "acc_00000000000000000000000001"]
                .map(|id| id.parse().unwrap());
        let [environment, next]: [EnvironmentId; 2] =
            ["env_00000000000000000000000000", "env_00000000000000000000000001"]
                .map(|id| id.parse().unwrap());
        let of = |owner: Owner| {
            Client::Application(Application {
                id: "app_00000000000000000000000000".parse().unwrap(),
                owner,
                name: Name::new("Dashboard").unwrap(),
                redirect_uris: RedirectUris::new(["https://example.com/"]).unwrap(),
                created_at: Timestamp::UNIX_EPOCH,
            })
        };
        let places = [
            Place::Account(account),
            Place::Environment(environment, account),
            Place::Environment(next, account),
            Place::Account(other),
        ];
        let where_ = |client: Client| places.map(|place| client.may_act_at(place));
        assert_eq!(where_(of(account.into())), [true, true, true, false]);
        assert_eq!(where_(of(environment.into())), [false, true, false, false]);
        assert_eq!(where_(Client::CommandLine), [true; 4]);
    }
}
