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

    pub(super) async fn flush(&self, store: &dyn Storage) -> Result<(), StorageError> {
        let uses: Vec<KeyUse> = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
            .into_iter()
            .map(|((keypair, secret), at)| KeyUse { keypair, secret, at })
            .collect();
        if uses.is_empty() {
            return Ok(());
        }
        let written = store.note_uses(&uses).await;
        if written.is_err() {
            uses.into_iter().for_each(|used| self.note(used));
        }
        written
    }
}
