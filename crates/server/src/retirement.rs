//! Ends old secrets that nobody uses any more. Every node looks for them; the store's transaction decides, so each ends
//! once.

use std::time::Duration;

use domain::{Action, KeyId, Keypair, Owner, SignedDuration, Timestamp};
use storage::StorageError;

use crate::app::App;

/// How often a node looks.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Who has not looked for longer was stopped, asleep or cut off from the store, and so were its clients perhaps.
const UNBROKEN: SignedDuration = SignedDuration::from_secs(60);

/// Since when a node has been looking without a break.
pub(crate) struct Watch {
    since: Timestamp,
    looked_at: Timestamp,
}

impl Watch {
    /// From `now` on.
    pub(crate) fn begin(now: Timestamp) -> Self {
        Self { since: now, looked_at: now }
    }

    /// Looks once, and ends what is idle.
    pub(crate) async fn look(&mut self, app: &App) -> Result<(), StorageError> {
        // What this node knows of counts before anything is decided.
        app.live.flush_uses().await?;
        let now = app.clock.now();
        let passed = now.duration_since(self.looked_at);
        if passed.is_negative() || passed > UNBROKEN {
            self.since = now;
        }
        for (owner, id) in app.store.keypairs_to_retire(now).await? {
            match self.retire(app, owner, id, now).await {
                // It was removed meanwhile.
                Ok(()) | Err(StorageError::NotFound) => {}
                Err(StorageError::Corrupt(why)) => tracing::error!(keypair = %id, why, "can't be read"),
                Err(error) => return Err(error),
            }
        }
        self.looked_at = now;
        Ok(())
    }

    async fn retire(&self, app: &App, owner: Owner, id: KeyId, now: Timestamp) -> Result<(), StorageError> {
        // No turn of those who write is taken for nothing.
        let seen = app.store.keypair(owner, id).await?;
        if seen.retired(self.since, now) == seen {
            return Ok(());
        }
        let decide = |before: &Keypair| Ok((before.retired(self.since, now), Action::KeypairSecretRetired));
        // The rule refuses nothing.
        app.store.change_keypair(&app.own_stamp(), owner, id, None, &decide).await.map(drop)
    }
}
