//! What is true right now: keypairs and environments in memory, kept true by the change feed.
//!
//! The rule that everything hangs on: memory counts only while the feed was read less than [`LEASE`] ago. A node that
//! can't read it trusts nothing that it remembers; it asks the store, and where that fails too, it refuses.

mod counting;
mod feed;
#[cfg(test)]
mod model_tests;
mod uses;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::{
    AccountId, Action, Activity, Clock, Credential, Environment, EnvironmentId, KeyId, Owner, Timestamp,
};
use quick_cache::sync::Cache;
use storage::{KeyUse, Storage, StorageError};

use counting::{Counters, Counting};
use feed::{Feed, Heard};
use uses::{Noted, Uses};

pub(crate) use counting::Caller;

/// How long memory counts after the feed was read: below the second that is promised, by what an answer may take.
const LEASE: Duration = Duration::from_millis(800);

/// How often the feed is read.
pub(crate) const FEED_INTERVAL: Duration = Duration::from_millis(200);

/// How often last-used times and counts are written.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

const ENVIRONMENTS: usize = 10_000;

/// What a keypair is right now. Its owner is open, since closing an owner ends its keypairs.
#[derive(Debug)]
pub(crate) struct LiveKeypair {
    /// What its secrets and tokens are judged by.
    pub(crate) credential: Credential,
    /// The account that is the owner, or that owns the environment that is.
    pub(crate) account: AccountId,
    noted: Noted,
    counters: Counters,
}

/// What is true right now.
pub(crate) struct Live {
    store: Arc<dyn Storage>,
    keypairs: Cache<KeyId, Arc<LiveKeypair>>,
    environments: Cache<EnvironmentId, Arc<Environment>>,
    /// Counts what was forgotten. Held for reading while something is remembered, for writing while it is forgotten.
    forgotten: RwLock<u64>,
    /// Counts the changes of signing keys that were heard of.
    signing_keys_heard: AtomicU64,
    feed: Feed,
    uses: Uses,
    counting: Counting,
}

impl Live {
    /// Knows nothing yet, but everything that changes from now on. Remembers at most `keypairs` keypairs, of some 260
    /// bytes each.
    pub(crate) async fn open(
        store: Arc<dyn Storage>,
        keypairs: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            keypairs: Cache::new(keypairs),
            environments: Cache::new(ENVIRONMENTS),
            forgotten: RwLock::default(),
            // What was read before may be from before the first line that is read now.
            signing_keys_heard: AtomicU64::new(1),
            feed: Feed::from(store.last_sequence().await?, clock),
            uses: Uses::default(),
            counting: Counting::default(),
            store,
        })
    }

    /// The keypair, if it exists.
    pub(crate) async fn keypair(&self, id: KeyId) -> Result<Option<Arc<LiveKeypair>>, StorageError> {
        let load = async {
            let stored = self.store.live_keypair(id).await?;
            Ok(stored.map(|stored| {
                Arc::new(LiveKeypair {
                    account: stored.account,
                    credential: stored.into_credential(),
                    noted: Noted::default(),
                    counters: Counters::default(),
                })
            }))
        };
        self.remembered(&self.keypairs, id, load).await
    }

    /// The keypair, if it is in memory and that counts.
    pub(crate) fn remembered_keypair(&self, id: KeyId) -> Option<Arc<LiveKeypair>> {
        self.is_trusted().then(|| self.keypairs.get(&id)).flatten()
    }

    /// The environment, if it exists and is open.
    pub(crate) async fn environment(
        &self,
        id: EnvironmentId,
    ) -> Result<Option<Arc<Environment>>, StorageError> {
        self.remembered(&self.environments, id, self.open_environment(id)).await
    }

    /// The environment, if it is open and `owner` reaches it. Somebody else's is neither looked for in memory nor kept there:
    /// it takes as long as none.
    pub(crate) async fn environment_of(
        &self,
        owner: Owner,
        id: EnvironmentId,
    ) -> Result<Option<Arc<Environment>>, StorageError> {
        if self.is_trusted()
            && let Some(known) = self.environments.get(&id)
            && owner.reaches(&known)
        {
            return Ok(Some(known));
        }
        let load = async {
            let found = self.open_environment(id).await?;
            Ok(found.filter(|environment| owner.reaches(environment)))
        };
        self.loaded(&self.environments, id, load).await
    }

    async fn open_environment(&self, id: EnvironmentId) -> Result<Option<Arc<Environment>>, StorageError> {
        match self.store.environment(id).await {
            Ok(environment) if environment.state.is_open() => Ok(Some(Arc::new(environment))),
            Ok(_) | Err(StorageError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn remembered<K: Copy + Eq + std::hash::Hash, V: Clone>(
        &self,
        cache: &Cache<K, V>,
        id: K,
        load: impl Future<Output = Result<Option<V>, StorageError>>,
    ) -> Result<Option<V>, StorageError> {
        if self.is_trusted()
            && let Some(known) = cache.get(&id)
        {
            return Ok(Some(known));
        }
        self.loaded(cache, id, load).await
    }

    /// Loads what is to be remembered from now on, if there is something.
    async fn loaded<K: Copy + Eq + std::hash::Hash, V: Clone>(
        &self,
        cache: &Cache<K, V>,
        id: K,
        load: impl Future<Output = Result<Option<V>, StorageError>>,
    ) -> Result<Option<V>, StorageError> {
        let before = *self.forgotten.read().unwrap_or_else(PoisonError::into_inner);
        let loaded = load.await?;
        if let Some(value) = &loaded {
            let forgotten = self.forgotten.read().unwrap_or_else(PoisonError::into_inner);
            // If anything was forgotten while it was loaded, it may be from before the change.
            if *forgotten == before {
                cache.insert(id, value.clone());
            }
        }
        Ok(loaded)
    }

    /// Reads the change feed to its end and forgets whatever it touches. Called a few times a second, and by the
    /// node that made a change before it answers.
    pub(crate) async fn catch_up(&self) -> Result<(), StorageError> {
        let read = self.feed.read(&*self.store, |heard| self.forget(heard)).await;
        if read.is_err() {
            self.feed.distrust();
        }
        read
    }

    /// Forgets what may have become untrue.
    fn forget(&self, heard: Heard<'_>) {
        let (touched, id) = match heard {
            Heard::Change(change) => (Touched::by(&change.action), change.object.id.as_str()),
            Heard::AnotherHistory => (Touched::Everything, ""),
        };
        if matches!(touched, Touched::SigningKeys | Touched::Everything) {
            self.signing_keys_heard.fetch_add(1, Ordering::Release);
        }
        if matches!(touched, Touched::Nothing | Touched::SigningKeys) {
            return;
        }
        let mut forgotten = self.forgotten.write().unwrap_or_else(PoisonError::into_inner);
        *forgotten += 1;
        match (touched, id.parse::<KeyId>(), id.parse::<Owner>()) {
            (Touched::Keypair, Ok(id), _) => drop(self.keypairs.remove(&id)),
            (Touched::Owner, _, Ok(owner)) => {
                self.environments.retain(|_, environment| !owner.reaches(environment));
                self.keypairs
                    .retain(|_, live| live.credential.owner != owner && Owner::from(live.account) != owner);
            }
            (Touched::Environment, _, Ok(Owner::Environment(id))) => drop(self.environments.remove(&id)),
            _ => {
                self.environments.clear();
                self.keypairs.clear();
            }
        }
    }

    /// Whether what is remembered counts at this moment.
    pub(crate) fn is_trusted(&self) -> bool {
        self.feed.is_fresh(LEASE)
    }

    /// How many changes of signing keys were heard of: whoever read the keys when it was less has old ones.
    pub(crate) fn signing_keys_heard(&self) -> u64 {
        self.signing_keys_heard.load(Ordering::Acquire)
    }

    /// Notes that a keypair was used; written a few seconds later.
    pub(crate) fn note_use(&self, keypair: &LiveKeypair, used: KeyUse) {
        self.uses.note(&keypair.noted, used);
    }

    /// Counts that a keypair was used for something; written a few seconds later.
    pub(crate) fn count_use(
        &self,
        id: KeyId,
        keypair: &Arc<LiveKeypair>,
        activity: Activity,
        now: Timestamp,
        caller: impl FnOnce() -> Caller,
    ) {
        self.counting.count(id, keypair, activity, now, caller);
    }

    /// Writes the last-used times that were noted, and what was counted.
    pub(crate) async fn flush_uses(&self) -> Result<(), StorageError> {
        self.uses.flush(&*self.store).await?;
        self.counting.flush(&*self.store).await
    }
}

/// What of all that is remembered a change makes untrue.
enum Touched {
    Nothing,
    SigningKeys,
    /// The keypair alone.
    Keypair,
    /// What is said of the environment itself.
    Environment,
    /// The owner and whatever it owned.
    Owner,
    Everything,
}

impl Touched {
    /// By the action in the log. What a newer version of Feedback may do, and this one does not know, touches everything.
    fn by(action: &str) -> Self {
        let Some(action) = Action::from_name(action) else {
            return Self::Everything;
        };
        match action {
            Action::KeypairCreated
            | Action::KeypairChanged
            | Action::KeypairEnabled
            | Action::KeypairDisabled
            | Action::KeypairSecretAdded
            | Action::KeypairSecretDeleted
            | Action::KeypairSecretRetired
            | Action::KeypairSecretLeaked
            | Action::KeypairTokenRevoked
            | Action::KeypairPublicKeyAdded
            | Action::KeypairPublicKeyDeleted
            | Action::KeypairRemoved => Self::Keypair,
            Action::EnvironmentRenamed => Self::Environment,
            Action::AccountClosed | Action::EnvironmentClosed => Self::Owner,
            Action::SigningKeyCreated | Action::SigningKeyRemoved => Self::SigningKeys,
            Action::StoreRestored => Self::Everything,
            Action::AccountCreated
            | Action::AccountRenamed
            | Action::EnvironmentCreated
            | Action::UserCreated
            | Action::UserPasswordChanged
            | Action::UserRemoved
            | Action::RoleGranted
            | Action::RoleRevoked
            | Action::InvitationCreated
            | Action::InvitationAccepted
            | Action::InvitationRevoked
            | Action::ApplicationCreated
            | Action::ApplicationRemoved
            | Action::GrantCreated
            | Action::GrantRevoked
            | Action::GrantReused
            | Action::QueryCreated
            | Action::QueryChanged
            | Action::QueryClosed
            | Action::MasterKeyRotated => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::api::test_harness::TestApp;

    #[tokio::test]
    async fn somebody_elses_environment_is_not_looked_for_in_memory() {
        let server = TestApp::start().await;
        let (own, others) = (server.account("Acme").await, server.account("Other").await);
        let id = server.environment(others, "Elsewhere").await;
        let live = &server.app.live;
        assert!(live.environment_of(own.into(), id).await.unwrap().is_none());
        assert!(live.environments.get(&id).is_none(), "nor kept there");
        assert!(live.environment_of(others.into(), id).await.unwrap().is_some());
        assert!(live.environments.get(&id).is_some());
        assert!(live.environment_of(own.into(), id).await.unwrap().is_none());
    }
}
