use jiff::Timestamp;

use crate::{KeySecret, Keypair, Retirement, SecretHash};

/// One of a keypair's secrets: all but the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its number within the keypair, from 1; never given twice.
    pub n: u32,
    /// The last characters, for people to tell secrets apart.
    pub hint: String,
    /// What the secret is compared with.
    pub hash: SecretHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops, if ever.
    pub expires_at: Option<Timestamp>,
    /// Whether it ends by itself once it is not needed any more.
    pub retirement: Option<Retirement>,
    /// When it was last authenticated with; a few seconds late.
    pub last_used_at: Option<Timestamp>,
    /// When somebody who had found it reported it, if anybody did.
    pub leaked_at: Option<Timestamp>,
}

impl Secret {
    /// Whether it still opens anything at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }

    pub(crate) fn new(n: u32, secret: &KeySecret, now: Timestamp) -> Self {
        Self {
            n,
            hint: secret.hint(),
            hash: secret.hash(),
            created_at: now,
            expires_at: None,
            retirement: None,
            last_used_at: None,
            leaked_at: None,
        }
    }
}

impl Keypair {
    /// The keypair once somebody has reported the secret with this hash as leaked: switched off, with a new generation, and
    /// without that secret, so switching it on again does not let in whoever else has found it. None if it is none of the
    /// keypair's that still opens anything: what was found is worth nothing, and nobody is stopped for it.
    pub fn leaked(&self, hash: &SecretHash, now: Timestamp) -> Option<Self> {
        let mut after = self.clone();
        // Once is once, also for a report that was made before and comes after.
        let found =
            |secret: &&mut Secret| secret.hash == *hash && secret.is_live(now) && secret.leaked_at.is_none();
        let secret = after.secrets.iter_mut().find(found)?;
        secret.expires_at = Some(now);
        secret.leaked_at = Some(now);
        // Where secrets are refused, it opens nothing now, and must open nothing either once they are accepted again.
        if self.accepts_secrets {
            after.enabled = false;
            after.generation += 1;
        }
        after.version += 1;
        Some(after)
    }

    /// When the last of its secrets was reported as leaked, until that has made room for another.
    pub fn leaked_at(&self) -> Option<Timestamp> {
        self.secrets.iter().filter_map(|secret| secret.leaked_at).max()
    }
}
