use crate::{AllowedAddresses, MAX_PUBLIC_KEYS, MAX_SECRETS, ScopeError, Scopes, TokenBinding};

/// Why a change to a keypair was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeypairRefusal {
    /// Its scopes are not such as it can have.
    #[error("{0}")]
    Scopes(#[from] ScopeError),
    /// It would expire before it could be used.
    #[error("the expiry must lie in the future")]
    ExpiryInThePast,
    /// The caller would hand on what it does not hold itself.
    #[error("the caller's own token lacks `{0}`")]
    BeyondCaller(Scopes),
    /// The keypair could be used from where the caller's own may not; from where that may.
    #[error(
        "the caller's own keypair may only be used from {0}, and could make this one usable from elsewhere"
    )]
    BeyondCallersAddresses(AllowedAddresses),
    /// From where the caller's own keypair may be used was changed while this was decided.
    #[error("the networks of the caller's own keypair were changed just now; try again")]
    CallersAddressesChanged,
    /// The old secrets would live on for too long, or for less than no time.
    #[error("the overlap must be from 0 seconds to 7 days")]
    Overlap,
    /// The old secrets would have to be idle for too short or too long a time.
    #[error("the idle time must be from 60 seconds to 30 days")]
    Idle,
    /// It has as many secrets as it can have.
    #[error("a keypair has at most {MAX_SECRETS} secrets; delete one first")]
    TooManySecrets,
    /// It has no secret of that number.
    #[error("the keypair has no such secret")]
    NoSuchSecret,
    /// It would be left without a way to authenticate.
    #[error("the last secret can't be deleted; remove the keypair, or rotate or add a public key first")]
    LastSecret,
    /// It has as many public keys as it can have.
    #[error("a keypair has at most {MAX_PUBLIC_KEYS} public keys; delete one first")]
    TooManyPublicKeys,
    /// It has that public key.
    #[error("the keypair has this public key already")]
    SamePublicKey,
    /// It has no public key of that number.
    #[error("the keypair has no such public key")]
    NoSuchPublicKey,
    /// It would be left without a way to authenticate.
    #[error(
        "the last public key can't be deleted: add another one first, or rotate if the keypair accepts secrets, or remove the \
         keypair"
    )]
    LastPublicKey,
    /// It would accept no secrets, and has no public key that works.
    #[error("a keypair that accepts no secrets needs a public key that works; add one first")]
    NeedsPublicKey,
    /// It would get a secret that it does not accept.
    #[error(
        "the keypair accepts no secrets: add a new public key and remove the old one instead, or let it accept secrets first"
    )]
    SecretsNotAccepted,
    /// Its tokens would have to be bound in a way that no client can meet.
    #[error("`{0}` can't be met: this server does not see the certificates of its clients")]
    UnmetBinding(TokenBinding),
    /// It would be left without a scope.
    #[error("none of its scopes was used; disable or remove the keypair instead")]
    NoScopeUsed,
}
