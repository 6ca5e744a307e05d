//! What every handler is handed: the store, what is live, the time, and the settings. The only file that names a
//! backend.

use std::fs::DirBuilder;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use domain::{Actor, Clock, Entropy, PersonHash, Stamp, Standing, Timestamp, new_id};
use storage::{Storage, StorageError};
use storage_postgres::PostgresStorage;
use storage_sqlite::SqliteStorage;

use crate::config::Config;
use crate::crypto::{PersonKey, Sealer};
use crate::live::Live;
use crate::master_key::{self, MasterKeyError};
use crate::oauth::access_token::SeenTokens;
use crate::oauth::dpop::SeenProofs;
use crate::oauth::issued_tokens::IssuedTokens;
use crate::oauth::throttle::Throttle;
use crate::overload::Overload;
use crate::passwords::Passwords;
use crate::request_id::RequestIds;
use crate::signing::{SigningKeyError, SigningKeys};
use crate::system::{SystemClock, SystemEntropy};
use crate::whole_body::LongBodies;

/// What the store is called in the data folder; and whether a file is one.
pub(crate) use storage_sqlite::{FILE_NAME as STORE_FILE, is_store};

/// The running program.
pub(crate) struct App {
    /// What is kept.
    pub(crate) store: Arc<dyn Storage>,
    /// What is true right now.
    pub(crate) live: Live,
    /// Room for long bodies that are arriving.
    pub(crate) long_bodies: LongBodies,
    /// Whether there is too much to do.
    pub(crate) overload: Arc<Overload>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Names for requests.
    pub(crate) request_ids: RequestIds,
    /// The settings.
    pub(crate) config: Config,
    /// Clients that failed too often.
    pub(crate) client_throttle: Throttle,
    /// How many tokens keypairs obtained in this minute, where that is limited.
    pub(crate) issued_tokens: IssuedTokens,
    /// The Authorization Server's keys.
    pub(crate) signing_keys: SigningKeys,
    /// What verified tokens say.
    pub(crate) seen_tokens: SeenTokens,
    /// The DPoP proofs that were accepted lately.
    pub(crate) seen_proofs: SeenProofs,
    /// Turns identifiers of people and machines into what is stored of them.
    pub(crate) person_key: PersonKey,
    /// What everything secret in the store is sealed with.
    pub(crate) sealer: Sealer,
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
    /// What its right to the change stands on, if it is a program or a person who was let in before.
    pub(crate) standing: Option<Standing>,
}

/// Why the program can't start. One line that names what to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("the data folder {0} can't be made: {1}")]
    Folder(PathBuf, #[source] std::io::Error),
    #[error("the store in {0} can't be opened: {1}")]
    Store(String, #[source] StorageError),
    #[error("there is no store in {0}; the first start of the server makes one")]
    NoStore(String),
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error("the master key in {0} is not the one that this store was made with")]
    OtherMasterKey(PathBuf),
    #[error(transparent)]
    SigningKeys(#[from] SigningKeyError),
    #[error("the store failed: {0}")]
    Read(#[from] StorageError),
}

/// Whether a store is made where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make it.
    Create,
    /// Refuse to start.
    Refuse,
}

/// How many passwords are worked on together: each takes 19 MiB.
const PASSWORDS_AT_ONCE: usize = 4;

/// How many tokens are remembered as verified.
const SEEN_TOKENS: usize = 20_000;

impl App {
    /// Opens the store: the database that is configured, or the embedded one in the data folder.
    pub(crate) async fn open(config: Config, missing: Missing) -> Result<Self, StartError> {
        let embedded = config.data.join(STORE_FILE);
        if config.database_url.is_none() && missing == Missing::Refuse && !embedded.exists() {
            return Err(StartError::NoStore(config.data.display().to_string()));
        }
        // What is in there is for the server alone: the master key, hashes of passwords, and what people wrote.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.data)
            .map_err(|error| StartError::Folder(config.data.clone(), error))?;
        let store: Arc<dyn Storage> = match &config.database_url {
            Some(url) => {
                let failed = |error| StartError::Store(url.to_string(), error);
                if missing == Missing::Refuse
                    && !PostgresStorage::is_there(url.reveal()).await.map_err(failed)?
                {
                    return Err(StartError::NoStore(url.to_string()));
                }
                Arc::new(PostgresStorage::open(url.reveal()).await.map_err(failed)?)
            }
            None => {
                let opened = SqliteStorage::open(&embedded).await;
                let place = || config.data.display().to_string();
                Arc::new(opened.map_err(|error| StartError::Store(place(), error))?)
            }
        };
        Self::start(config, store, Arc::new(SystemClock), Arc::new(SystemEntropy)).await
    }

    /// Opens what is sealed in the store; makes on first start what is not there yet.
    pub(crate) async fn start(
        config: Config,
        store: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        let path = config.master_key_path();
        let other_key = || StartError::OtherMasterKey(path.clone());
        // A new key would not open what is sealed, only hide that the right one is missing.
        let (sealer, person_key) = match store.sealed(PersonKey::NAME).await? {
            Some(sealed) => {
                let opens = |sealer: &Sealer| sealer.open(PersonKey::NAME, &sealed).ok();
                master_key::that_opens(&path, opens)?.ok_or_else(other_key)?
            }
            None => {
                let sealer = Sealer::new(&*master_key::read_or_create(&path, &*entropy)?);
                let made = sealer.seal(PersonKey::NAME, &entropy.bytes::<32>(), &*entropy);
                let sealed = store.sealed_or(PersonKey::NAME, &made).await?;
                let opened = sealer.open(PersonKey::NAME, &sealed).map_err(|_| other_key())?;
                (sealer, opened)
            }
        };
        let now = clock.now();
        let stamp = Stamp {
            event: new_id(now, &*entropy),
            at: now,
            actor: Actor::Operator,
            client: None,
            address: None,
            standing: None,
        };
        let signing_keys =
            SigningKeys::open(store.clone(), sealer.clone(), config.signing_algorithm, &stamp, &*entropy)
                .await?;
        Ok(Self {
            live: Live::open(store.clone(), config.remembered_keypairs, clock.clone()).await?,
            client_throttle: Throttle::new(),
            issued_tokens: IssuedTokens::default(),
            long_bodies: LongBodies::new(),
            overload: Arc::default(),
            request_ids: RequestIds::new(&*entropy),
            passwords: Passwords::new(PASSWORDS_AT_ONCE, &*entropy),
            store,
            clock,
            entropy,
            config,
            signing_keys,
            seen_tokens: SeenTokens::new(SEEN_TOKENS),
            seen_proofs: SeenProofs::new(),
            person_key: PersonKey::new(&person_key),
            sealer,
        })
    }

    /// What a change by `author` carries into the log.
    pub(crate) fn stamp(&self, author: &Author, at: Timestamp) -> Stamp {
        Stamp {
            event: new_id(at, &*self.entropy),
            at,
            actor: author.actor.clone(),
            client: author.standing.as_ref().and_then(Standing::client),
            address: author.address.map(|address| address.to_string()),
            standing: author.standing.clone(),
        }
    }

    /// What a change of the server's own carries into the log.
    pub(crate) fn own_stamp(&self) -> Stamp {
        self.stamp(&Author { actor: Actor::Operator, address: None, standing: None }, self.clock.now())
    }

    /// What is stored of a respondent's or machine's identifier (`kind` says which) in an environment.
    pub(crate) fn person_hash(
        &self,
        environment: domain::EnvironmentId,
        kind: &str,
        value: &str,
    ) -> PersonHash {
        self.person_key.hash(environment, kind, value)
    }
}
