//! What every handler is handed: the store, what is live, the time, and the settings. The only file that names a
//! backend.

use std::net::IpAddr;
use std::sync::Arc;

use domain::{Actor, Clock, Entropy, PersonHash, Stamp, Timestamp, new_id};
use storage::Storage;

use crate::config::Config;
use crate::crypto::PersonKey;
use crate::live::Live;
use crate::passwords::Passwords;
use crate::signing::SigningKeys;

/// The running program.
pub(crate) struct App {
    /// What is kept.
    pub(crate) store: Arc<dyn Storage>,
    /// What is true right now.
    pub(crate) live: Live,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The settings.
    pub(crate) config: Config,
    /// The Authorization Server's keys.
    pub(crate) signing_keys: SigningKeys,
    /// Turns identifiers of people and machines into what is stored of them.
    pub(crate) person_key: PersonKey,
    /// People's passwords.
    pub(crate) passwords: Passwords,
}

/// Who makes a change, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    /// Who.
    pub(crate) actor: Actor,
    /// From where, if over the network.
    pub(crate) address: Option<IpAddr>,
}

impl App {
    /// What a change by `author` carries into the log.
    pub(crate) fn stamp(&self, author: &Author, at: Timestamp) -> Stamp {
        Stamp {
            event: new_id(at, &*self.entropy),
            at,
            actor: author.actor.clone(),
            address: author.address.map(|address| address.to_string()),
        }
    }

    /// What is stored of a respondent's or machine's identifier (`kind` says which) in an environment.
    pub(crate) fn person_hash(&self, environment: domain::EnvironmentId, kind: &str, value: &str) -> PersonHash {
        self.person_key.hash(environment, kind, value)
    }
}
