use async_trait::async_trait;
use domain::{Stamp, Timestamp};

use crate::Result;

/// One of the Authorization Server's signing keys, as it is stored: the private half sealed.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// Its identifier in JWKS and tokens: the RFC 7638 thumbprint.
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// The private key (PKCS#8), encrypted under the master key.
    pub sealed: Vec<u8>,
    /// The public key as a JWK (RFC 7517), JSON.
    pub public_jwk: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The server's own keys. What comes in here is encrypted already.
#[async_trait]
pub trait ServerKeys: Send + Sync {
    /// Stores the key if there is none of its algorithm yet; answers the keys that there are then, the oldest first.
    /// However many nodes start at once, they get the same.
    async fn signing_keys_or(&self, stamp: &Stamp, first: &SigningKey) -> Result<Vec<SigningKey>>;

    /// The signing keys, the oldest first.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>>;

    /// Stores `sealed` under `name` if there is nothing yet; answers what is there then.
    async fn sealed_or(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>>;

    /// What is sealed under `name`, if anything.
    async fn sealed(&self, name: &str) -> Result<Option<Vec<u8>>>;
}
