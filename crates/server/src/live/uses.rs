//! When keypairs were last used: gathered in memory, written in batches, lost by a crash.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use domain::{KeyId, Timestamp};
use storage::{KeyUse, Storage, StorageError};

/// More than these are not gathered between two writings; a last-used time may be late then.
const MOST: usize = 100_000;

#[derive(Default)]
pub(super) struct Uses {
    gathered: Mutex<HashMap<(KeyId, u32), Timestamp>>,
    /// Counts the writings.
    round: AtomicU32,
}

/// Before which writing a keypair's use was last noted, and with which secret.
#[derive(Debug, Default)]
pub(super) struct Noted(AtomicU64);

impl Uses {
    /// Notes a use, unless one of the same secret was noted since the last writing: a busy keypair's time is the first of
    /// that round, a few seconds early, and most of its requests take no lock.
    pub(super) fn note(&self, noted: &Noted, used: KeyUse) {
        let this = u64::from(self.round.load(Ordering::Relaxed)) << 32 | u64::from(used.secret);
        if noted.0.load(Ordering::Relaxed) == this {
            return;
        }
        noted.0.store(this, Ordering::Relaxed);
        let mut uses = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (used.keypair, used.secret);
        if uses.len() < MOST || uses.contains_key(&key) {
            uses.entry(key).and_modify(|at| *at = used.at.max(*at)).or_insert(used.at);
        }
    }

    /// Writes what was noted. It is let go of only once it is written, so whoever gives up in between loses nothing.
    pub(super) async fn flush(&self, store: &dyn Storage) -> Result<(), StorageError> {
        self.round.fetch_add(1, Ordering::Relaxed);
        let mut noted: Vec<KeyUse> = self
            .gathered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|((keypair, secret), at)| KeyUse { keypair: *keypair, secret: *secret, at: *at })
            .collect();
        if noted.is_empty() {
            return Ok(());
        }
        // Neighbours lie beside each other in the store.
        noted.sort_unstable_by_key(|used| (used.keypair, used.secret));
        store.note_uses(&noted).await?;
        let mut uses = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        for written in noted {
            let key = (written.keypair, written.secret);
            if uses.get(&key) == Some(&written.at) {
                uses.remove(&key);
            }
        }
        Ok(())
    }
}
