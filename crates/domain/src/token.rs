use jiff::Timestamp;

use crate::{Credential, KeyId, KeypairStatus, Owner, Scopes};

/// What a token says of itself that its keypair must still agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// Whose token it is.
    pub keypair: KeyId,
    /// The keypair's owner when it was issued.
    pub owner: Owner,
    /// The scopes that it was issued with.
    pub scopes: Scopes,
    /// The keypair's generation when it was issued.
    pub generation: i64,
    /// The number of the secret or public key that obtained it.
    pub secret: u32,
    /// When it runs out.
    pub expires_at: Timestamp,
}

/// Why a token is no longer worth anything. For the log; clients hear one `invalid_token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outlived {
    /// Past its own expiry.
    #[error("the token has expired")]
    Expired,
    /// The keypair was disabled, or has expired.
    #[error("its keypair is {}", .0.name())]
    Keypair(KeypairStatus),
    /// The keypair was disabled after it was issued, even if it is enabled again.
    #[error("its keypair was stopped after it was issued")]
    Generation,
    /// The secret or public key that obtained it was retired, deleted or has expired, or the keypair accepts no secrets
    /// any more.
    #[error("the secret or public key that obtained it is gone")]
    Secret,
}

impl TokenClaims {
    /// The scopes that the token has at `now`, given its keypair's credential as it is at `now`: those that it was issued with
    /// and that the keypair may still request.
    pub fn scopes_at(&self, now: Timestamp, keypair: &Credential) -> Result<Scopes, Outlived> {
        if now >= self.expires_at {
            return Err(Outlived::Expired);
        }
        match keypair.status(now) {
            KeypairStatus::Active => {}
            stopped => return Err(Outlived::Keypair(stopped)),
        }
        if self.generation != keypair.generation || self.owner != keypair.owner {
            return Err(Outlived::Generation);
        }
        if !keypair.still_opens(self.secret, now) {
            return Err(Outlived::Secret);
        }
        Ok(self.scopes.and(keypair.scopes))
    }
}
