use jiff::Timestamp;

use crate::{
    AllowedAddresses, AssertionAlgorithm, Keypair, KeypairStatus, Owner, Scopes, SecretHash, TokenBinding,
    TokenId, VerifyingKey, from_millis,
};

/// What of a keypair it takes to judge its secrets, its assertions and its tokens. Small: a server remembers a million of them.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Whom the keypair belongs to.
    pub owner: Owner,
    /// What it may request.
    pub scopes: Scopes,
    /// Counts how often it was stopped.
    pub generation: i64,
    /// What its tokens must be bound to.
    pub token_binding: TokenBinding,
    /// From where it and its tokens may be used.
    pub allowed_addresses: AllowedAddresses,
    enabled: bool,
    accepts_secrets: bool,
    expires_at: Deadline,
    secrets: Box<[Opener]>,
    public_keys: Box<[Verifier]>,
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

/// One public key of a credential.
#[derive(Clone, Debug)]
struct Verifier {
    key: VerifyingKey,
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
        let verifier = |public: &crate::PublicKey| Verifier {
            key: public.key.clone(),
            n: public.n,
            expires_at: Deadline::new(public.expires_at),
        };
        Self {
            owner: keypair.owner,
            scopes: keypair.scopes,
            generation: keypair.generation,
            token_binding: keypair.token_binding,
            allowed_addresses: keypair.allowed_addresses.clone(),
            enabled: keypair.enabled,
            accepts_secrets: keypair.accepts_secrets,
            expires_at: Deadline::new(keypair.expires_at),
            secrets: keypair.secrets.iter().map(opener).collect(),
            public_keys: keypair.public_keys.iter().map(verifier).collect(),
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

    /// The number of the live secret that `secret` is, if the keypair works at `now` and accepts secrets. Compares with
    /// every secret, whatever the outcome, so that the time taken tells nothing.
    pub fn authenticate(&self, secret: &SecretHash, now: Timestamp) -> Option<u32> {
        let matching = self.secrets.iter().fold(None, |found, candidate| {
            let opens = candidate.hash == *secret && !candidate.expires_at.has_passed(now);
            if opens { Some(candidate.n) } else { found }
        });
        matching.filter(|_| self.accepts_secrets && self.status(now) == KeypairStatus::Active)
    }

    /// The number of the live public key whose private half signed `message` by `algorithm`, if the keypair works at
    /// `now`: the key named `kid`, or with none named any of that algorithm.
    pub fn verify(
        &self,
        algorithm: AssertionAlgorithm,
        kid: Option<&str>,
        message: &[u8],
        signature: &[u8],
        now: Timestamp,
    ) -> Option<u32> {
        let candidates = self.public_keys.iter().filter(|candidate| {
            candidate.key.algorithm() == algorithm
                && !candidate.expires_at.has_passed(now)
                && kid.is_none_or(|kid| candidate.key.thumbprint().to_string() == kid)
        });
        let signed = candidates.into_iter().find(|candidate| candidate.key.verifies(message, signature))?;
        (self.status(now) == KeypairStatus::Active).then_some(signed.n)
    }

    /// Whether the keypair revoked this one of its tokens.
    pub fn has_revoked(&self, token: TokenId) -> bool {
        self.revoked.binary_search(&token).is_ok()
    }

    /// Whether secret or public key `n` still opens anything at `now`.
    pub fn still_opens(&self, n: u32, now: Timestamp) -> bool {
        let secret = self.accepts_secrets.then(|| self.secret_ends(n)).flatten();
        secret.or_else(|| self.public_key_ends(n)).is_some_and(|end| !end.has_passed(now))
    }

    /// When a token that secret or public key `n` obtains must end at the latest: with the keypair or with that, if
    /// either ends.
    pub fn ends_at(&self, n: u32) -> Option<Timestamp> {
        let own = self.secret_ends(n).or_else(|| self.public_key_ends(n)).and_then(Deadline::at);
        own.into_iter().chain(self.expires_at.at()).min()
    }

    fn secret_ends(&self, n: u32) -> Option<Deadline> {
        self.secrets.iter().find(|secret| secret.n == n).map(|secret| secret.expires_at)
    }

    fn public_key_ends(&self, n: u32) -> Option<Deadline> {
        self.public_keys.iter().find(|public| public.n == n).map(|public| public.expires_at)
    }
}
