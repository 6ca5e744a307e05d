//! What is true right now: keypairs and environments in memory, kept true by the change feed.
//!
//! The rule that everything hangs on: memory counts only while the feed was read less than [`LEASE`] ago. A node that
//! can't read it trusts nothing that it remembers; it asks the store, and where that fails too, it refuses.

mod feed;
#[cfg(test)]
mod model_tests;
mod uses;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::{Environment, EnvironmentId, KeyId, ObjectRef, Owner};
use quick_cache::sync::Cache;
use storage::{KeyUse, LiveKeypair, Storage, StorageError};

use feed::Feed;
use uses::Uses;

/// How long memory counts after the feed was read: below the second that is promised, by what an answer may take.
const LEASE: Duration = Duration::from_millis(800);

/// How often the feed is read.
pub(crate) const FEED_INTERVAL: Duration = Duration::from_millis(200);

/// How often last-used times are written.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

const KEYPAIRS: usize = 50_000;
const ENVIRONMENTS: usize = 10_000;

/// What is true right now.
pub(crate) struct Live {
    store: Arc<dyn Storage>,
    keypairs: Cache<KeyId, Arc<LiveKeypair>>,
    environments: Cache<EnvironmentId, Arc<Environment>>,
    /// Counts what was forgotten. Held for reading while something is remembered, for writing while it is forgotten.
    forgotten: RwLock<u64>,
    feed: Feed,
    uses: Uses,
}

impl Live {
    /// Knows nothing yet, but everything that changes from now on.
    pub(crate) async fn open(store: Arc<dyn Storage>) -> Result<Self, StorageError> {
        Ok(Self {
            keypairs: Cache::new(KEYPAIRS),
            environments: Cache::new(ENVIRONMENTS),
            forgotten: RwLock::default(),
            feed: Feed::from(store.last_sequence().await?),
            uses: Uses::default(),
            store,
        })
    }

    /// The keypair, if it exists.
    pub(crate) async fn keypair(&self, id: KeyId) -> Result<Option<Arc<LiveKeypair>>, StorageError> {
        let load = async { Ok(self.store.live_keypair(id).await?.map(Arc::new)) };
        self.remembered(&self.keypairs, id, load).await
    }

    /// The environment, if it exists and is open.
    pub(crate) async fn environment(
        &self,
        id: EnvironmentId,
    ) -> Result<Option<Arc<Environment>>, StorageError> {
        let load = async {
            match self.store.environment(id).await {
                Ok(environment) if environment.state.is_open() => Ok(Some(Arc::new(environment))),
                Ok(_) | Err(StorageError::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.remembered(&self.environments, id, load).await
    }

    async fn remembered<K: Copy + Eq + std::hash::Hash, V: Clone>(
        &self,
        cache: &Cache<K, V>,
        id: K,
        load: impl Future<Output = Result<Option<V>, StorageError>>,
    ) -> Result<Option<V>, StorageError> {
        if self.feed.is_fresh(LEASE)
            && let Some(known) = cache.get(&id)
        {
            return Ok(Some(known));
        }
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
        let read = self.feed.read(&*self.store, |change| self.forget(&change.object)).await;
        if read.is_err() {
            self.feed.distrust();
        }
        read
    }

    /// Forgets what the change of `object` may have made untrue.
    fn forget(&self, object: &ObjectRef) {
        let mut forgotten = self.forgotten.write().unwrap_or_else(PoisonError::into_inner);
        *forgotten += 1;
        if let Ok(id) = object.id.parse::<KeyId>() {
            self.keypairs.remove(&id);
        } else if let Ok(owner) = object.id.parse::<Owner>() {
            self.environments.retain(|_, environment| !owner.reaches(environment));
            self.keypairs.retain(|_, live| live.keypair.owner != owner && Owner::from(live.account) != owner);
        }
    }

    /// Notes that a keypair was used; written a few seconds later.
    pub(crate) fn note_use(&self, used: KeyUse) {
        self.uses.note(used);
    }

    /// Writes the last-used times that were noted.
    pub(crate) async fn flush_uses(&self) -> Result<(), StorageError> {
        self.uses.flush(&*self.store).await
    }
}
