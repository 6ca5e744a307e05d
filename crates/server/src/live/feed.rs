//! Reading the change feed: the audit log, from where it was last read.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use storage::{Change, Storage, StorageError};
use tokio::time::Instant;

const AT_ONCE: u32 = 500;

/// How far the feed was read, and when.
pub(super) struct Feed {
    /// The last line read. Locked through a whole reading, so that whoever waits for it reads what came before.
    sequence: tokio::sync::Mutex<i64>,
    /// When the last whole reading began; nothing is trusted without one.
    read_at: Mutex<Option<Instant>>,
}

impl Feed {
    /// Read up to line `sequence`, just now.
    pub(super) fn from(sequence: i64) -> Self {
        Self { sequence: tokio::sync::Mutex::new(sequence), read_at: Mutex::new(None) }
    }

    /// Whether the last reading began less than `lease` ago.
    pub(super) fn is_fresh(&self, lease: Duration) -> bool {
        self.last_reading().is_some_and(|began| began.elapsed() < lease)
    }

    fn last_reading(&self) -> Option<Instant> {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As if it had never been read.
    pub(super) fn distrust(&self) {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Hands every line that came since the last reading to `apply`.
    pub(super) async fn read(
        &self,
        store: &dyn Storage,
        apply: impl Fn(&Change),
    ) -> Result<(), StorageError> {
        let asked = Instant::now();
        let mut sequence = self.sequence.lock().await;
        // A reading that began after this one was asked for has read all that this one would.
        if self.last_reading().is_some_and(|began| began > asked) {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            let changes = store.changes_after(*sequence, AT_ONCE).await?;
            for change in &changes {
                apply(change);
                *sequence = change.sequence;
            }
            if changes.len() < AT_ONCE as usize {
                break;
            }
        }
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        Ok(())
    }
}
