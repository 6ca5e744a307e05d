use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use crate::{Confirmation, Credential, Entropy, KeyId, KeypairStatus, Owner, Scopes};

/// The most revoked tokens that are kept of one keypair at a time. Each node has them in memory, and each is looked
/// through for each of its tokens; whoever has more to stop disables the keypair, or deletes the secret.
pub const MAX_REVOKED: usize = 1000;

/// How much longer than it lives a revoked token is kept: the clock of another node may be behind by less.
const KEPT_LONGER: SignedDuration = SignedDuration::from_mins(10);

/// What tells a token from every other: 128 random bits, in base64url as the `jti` claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenId([u8; 16]);

/// The text is not of the form of a token's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a token")]
pub struct MalformedTokenId;

impl TokenId {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut random = [0; 16];
        entropy.fill(&mut random);
        Self(random)
    }

    /// From what a store kept.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for TokenId {
    type Err = MalformedTokenId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedTokenId)?;
        bytes.try_into().map(Self).map_err(|_| MalformedTokenId)
    }
}

/// A keypair's token that was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// Which.
    pub id: TokenId,
    /// Until when this has to be kept; some time after no node takes the token for its age.
    pub kept_until: Timestamp,
}

/// What a token says of itself that its keypair must still agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// Which token it is.
    pub id: TokenId,
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
    /// What it is bound to, if to anything.
    pub confirmation: Option<Confirmation>,
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
    /// It is not bound to what the keypair's tokens have to be bound to.
    #[error("it is not bound as its keypair's tokens must be")]
    NotBound,
    /// Its program or an administrator ended it before its time.
    #[error("it was revoked")]
    Revoked,
    /// It comes from where the keypair may not be used.
    #[error("its keypair may not be used from this address")]
    Elsewhere,
    /// There is no such keypair any more.
    #[error("its keypair was removed")]
    Removed,
    /// The environment that it was narrowed to is closed.
    #[error("the environment that it is for was closed")]
    Closed,
    /// The key that signed it is none of the server's any more.
    #[error("the key that signed it was removed")]
    SigningKey,
    /// The grant that gave it was ended or has run out, or its person has no role there any more.
    #[error("what a person granted was ended, or the person has no role there any more")]
    Grant,
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
        if !keypair.token_binding.is_met_by(self.confirmation) {
            return Err(Outlived::NotBound);
        }
        if keypair.has_revoked(self.id) {
            return Err(Outlived::Revoked);
        }
        Ok(self.scopes.and(keypair.scopes))
    }

    /// What has to be kept for this token to be worth nothing from now on.
    pub fn revoked(&self) -> RevokedToken {
        let kept_until = self.expires_at.checked_add(KEPT_LONGER).unwrap_or(self.expires_at);
        RevokedToken { id: self.id, kept_until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_as_it_is_written(bytes in any::<[u8; 16]>(), text in ".*") {
            let id = TokenId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().len(), 22);
            if let Ok(id) = text.parse::<TokenId>() {
                prop_assert_eq!(id.to_string(), text, "no other text is the same id");
            }
        }
    }

    #[test]
    fn what_is_too_long_too_short_or_no_base64url_is_no_id() {
        for text in
            ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAB"]
        {
            assert_eq!(text.parse::<TokenId>(), Err(MalformedTokenId), "{text}");
        }
    }
}
