use jiff::Timestamp;

use crate::{Keypair, KeypairStatus, Owner, Scopes, SecretHash, TokenId, from_millis};

/// What of a keypair it takes to judge its secrets and its tokens. Small: a server remembers a million of them.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Whom the keypair belongs to.
    pub owner: Owner,
    /// What it may request.
    pub scopes: Scopes,
    /// Counts how often it was stopped.
    pub generation: i64,
    enabled: bool,
    expires_at: Deadline,
    secrets: Box<[Opener]>,
    /// In order; nearly always none.
    revoked: Box<[TokenId]>,
}

/// One secret of a credential.
#[derive(Clone, Debug)]
struct Opener {
    hash: SecretHash,
    n: u32,
    expires_at: Deadline,
}

/// An instant in milliseconds since the Unix epoch, or never: half the size of an optional timestamp.
#[derive(Clone, Copy, Debug)]
struct Deadline(i64);

impl Deadline {
    const NEVER: i64 = i64::MAX;

    fn new(at: Option<Timestamp>) -> Self {
        Self(at.map_or(Self::NEVER, Timestamp::as_millisecond))
    }

    fn at(self) -> Option<Timestamp> {
        (self.0 != Self::NEVER).then(|| from_millis(self.0))
    }

    fn has_passed(self, now: Timestamp) -> bool {
        self.0 <= now.as_millisecond()
    }
}

impl Credential {
    /// That of a keypair.
    pub fn of(keypair: &Keypair) -> Self {
        let opener = |secret: &crate::Secret| Opener {
            hash: secret.hash,
            n: secret.n,
            expires_at: Deadline::new(secret.expires_at),
        };
        Self {
            owner: keypair.owner,
            scopes: keypair.scopes,
            generation: keypair.generation,
            enabled: keypair.enabled,
            expires_at: Deadline::new(keypair.expires_at),
            secrets: keypair.secrets.iter().map(opener).collect(),
            revoked: Box::default(),
        }
    }

    /// The same without these tokens, which the keypair revoked.
    pub fn without_tokens(mut self, mut revoked: Vec<TokenId>) -> Self {
        revoked.sort_unstable();
        self.revoked = revoked.into();
        self
    }

    /// What the keypair is at `now`.
    pub fn status(&self, now: Timestamp) -> KeypairStatus {
        KeypairStatus::of(self.enabled, self.expires_at.has_passed(now))
    }

    /// The number of the live secret that `secret` is, if the keypair works at `now`. Compares with every secret,
    /// whatever the outcome, so that the time taken tells nothing.
    pub fn authenticate(&self, secret: &SecretHash, now: Timestamp) -> Option<u32> {
        let matching = self.secrets.iter().fold(None, |found, candidate| {
            let opens = candidate.hash == *secret && !candidate.expires_at.has_passed(now);
            if opens { Some(candidate.n) } else { found }
        });
        matching.filter(|_| self.status(now) == KeypairStatus::Active)
    }

    /// Whether secret `n` still opens anything at `now`.
    pub fn has_secret(&self, n: u32, now: Timestamp) -> bool {
        self.secrets.iter().any(|secret| secret.n == n && !secret.expires_at.has_passed(now))
    }

    /// Whether the keypair revoked this one of its tokens.
    pub fn has_revoked(&self, token: TokenId) -> bool {
        self.revoked.binary_search(&token).is_ok()
    }

    /// When a token that secret `n` obtains must end at the latest: with the keypair or with that secret, if either ends.
    pub fn ends_at(&self, n: u32) -> Option<Timestamp> {
        let secret = self.secrets.iter().find(|secret| secret.n == n);
        secret.and_then(|secret| secret.expires_at.at()).into_iter().chain(self.expires_at.at()).min()
    }
}
