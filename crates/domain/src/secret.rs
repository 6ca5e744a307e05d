use jiff::{SignedDuration, Timestamp};

use crate::keypair::within_held;
use crate::{Entropy, KeySecret, Keypair, KeypairRefusal, Scopes, SecretHash};

/// The most secrets that one keypair can have at a time.
pub const MAX_SECRETS: usize = 5;

/// The longest that old secrets can live on beside a new one: a week.
pub const MAX_OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);

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
            last_used_at: None,
            leaked_at: None,
        }
    }
}

impl Keypair {
    /// The keypair with one more secret. The others live on for `overlap` if they would live longer, or as long as
    /// they would without it. Who can rotate can act as the keypair, so `held` must cover all of its scopes.
    pub fn rotated(
        &self,
        overlap: Option<SignedDuration>,
        held: Option<Scopes>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(Self, KeySecret), KeypairRefusal> {
        within_held(self.scopes, held)?;
        if !self.accepts_secrets {
            return Err(KeypairRefusal::SecretsNotAccepted);
        }
        let mut after = self.clone();
        if let Some(overlap) = overlap {
            if overlap.is_negative() || overlap > MAX_OVERLAP {
                return Err(KeypairRefusal::Overlap);
            }
            let at = now.checked_add(overlap).map_err(|_| KeypairRefusal::Overlap)?;
            for secret in &mut after.secrets {
                secret.expires_at = Some(secret.expires_at.map_or(at, |own| own.min(at)));
            }
        }
        // A secret that has run out is only still listed; it makes room.
        after.secrets.retain(|secret| secret.is_live(now));
        if after.secrets.len() >= MAX_SECRETS {
            return Err(KeypairRefusal::TooManySecrets);
        }
        let secret = KeySecret::generate(entropy);
        after.secrets_made += 1;
        after.secrets.push(Secret::new(after.secrets_made, &secret, now));
        after.version += 1;
        Ok((after, secret))
    }

    /// The keypair without secret `n`, which ends the tokens that it obtained and no others.
    pub fn without_secret(&self, n: u32, now: Timestamp) -> Result<Self, KeypairRefusal> {
        if !self.secrets.iter().any(|secret| secret.n == n) {
            return Err(KeypairRefusal::NoSuchSecret);
        }
        let mut after = self.clone();
        after.secrets.retain(|secret| secret.n != n);
        if !after.can_authenticate(now) {
            return Err(KeypairRefusal::LastSecret);
        }
        after.version += 1;
        Ok(after)
    }

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
