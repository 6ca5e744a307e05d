//! When keypairs were last used: gathered in memory, written in batches, lost by a crash.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::{KeyId, Timestamp};
use storage::{KeyUse, Storage, StorageError};

/// More than these are not gathered between two writings; a last-used time may be late then.
const MOST: usize = 100_000;

#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<(KeyId, u32), Timestamp>>);

impl Uses {
    pub(super) fn note(&self, used: KeyUse) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (used.keypair, used.secret);
        if uses.len() < MOST || uses.contains_key(&key) {
            uses.entry(key).and_modify(|at| *at = used.at.max(*at)).or_insert(used.at);
        }
    }

    /// Writes what was noted. It is let go of only once it is written, so whoever gives up in between loses nothing.
    pub(super) async fn flush(&self, store: &dyn Storage) -> Result<(), StorageError> {
        let noted: Vec<KeyUse> = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|((keypair, secret), at)| KeyUse { keypair: *keypair, secret: *secret, at: *at })
            .collect();
        if noted.is_empty() {
            return Ok(());
        }
        store.note_uses(&noted).await?;
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for written in noted {
            let key = (written.keypair, written.secret);
            if uses.get(&key) == Some(&written.at) {
                uses.remove(&key);
            }
        }
        Ok(())
    }
}
