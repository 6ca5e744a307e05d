use jiff::Timestamp;

use crate::keypair::within_held;
use crate::{Keypair, KeypairRefusal, Scopes, VerifyingKey};

/// The most public keys that one keypair can have at a time.
pub const MAX_PUBLIC_KEYS: usize = 5;

/// One of a keypair's public keys: verifies what a client signs instead of sending a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its number within the keypair, from 1, counted together with the secrets; never given twice.
    pub n: u32,
    /// What verifies.
    pub key: VerifyingKey,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it stops, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it last obtained a token; a few seconds late.
    pub last_used_at: Option<Timestamp>,
}

impl PublicKey {
    /// Whether it still opens anything at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

impl Keypair {
    /// The keypair with one more public key, which works until `expires_at` if that is given. Whoever has its private
    /// half can act as the keypair, so `held` must cover all of its scopes, as when rotating.
    pub fn with_public_key(
        &self,
        key: VerifyingKey,
        expires_at: Option<Timestamp>,
        held: Option<Scopes>,
        now: Timestamp,
    ) -> Result<Self, KeypairRefusal> {
        within_held(self.scopes, held)?;
        if expires_at.is_some_and(|at| at <= now) {
            return Err(KeypairRefusal::ExpiryInThePast);
        }
        let mut after = self.clone();
        // One that has run out is only still listed; it makes room.
        after.public_keys.retain(|public| public.is_live(now));
        if after.public_keys.iter().any(|public| public.key.thumbprint() == key.thumbprint()) {
            return Err(KeypairRefusal::SamePublicKey);
        }
        if after.public_keys.len() >= MAX_PUBLIC_KEYS {
            return Err(KeypairRefusal::TooManyPublicKeys);
        }
        after.secrets_made += 1;
        let n = after.secrets_made;
        after.public_keys.push(PublicKey { n, key, created_at: now, expires_at, last_used_at: None });
        after.version += 1;
        Ok(after)
    }

    /// The keypair without public key `n`, which ends the tokens that it obtained and no others.
    pub fn without_public_key(&self, n: u32, now: Timestamp) -> Result<Self, KeypairRefusal> {
        if !self.public_keys.iter().any(|public| public.n == n) {
            return Err(KeypairRefusal::NoSuchPublicKey);
        }
        let mut after = self.clone();
        after.public_keys.retain(|public| public.n != n);
        if !after.can_authenticate(now) {
            return Err(KeypairRefusal::LastPublicKey);
        }
        after.version += 1;
        Ok(after)
    }

    pub(crate) fn has_live_public_key(&self, now: Timestamp) -> bool {
        self.public_keys.iter().any(|public| public.is_live(now))
    }
}
