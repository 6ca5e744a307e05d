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
    /// From when on it signs, until another does.
    pub signs_from: Timestamp,
}

/// What becomes of the signing keys; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct SigningKeyChange {
    /// The key to add.
    pub add: Option<SigningKey>,
    /// The `kid` of each key to remove.
    pub remove: Vec<String>,
}

/// What a change makes of the signing keys, in the order in which they sign.
pub type DecideSigningKeys<'a> = &'a (dyn Fn(&[SigningKey]) -> SigningKeyChange + Send + Sync);

/// What is sealed under that name, sealed anew; none if it can't be opened.
pub type Reseal<'a> = &'a (dyn Fn(&str, &[u8]) -> Option<Vec<u8>> + Send + Sync);

/// The server's own keys. What comes in here is encrypted already.
#[async_trait]
pub trait ServerKeys: Send + Sync {
    /// Decides what becomes of the signing keys, and does it, with a line in the log for each key that comes or goes; answers
    /// the keys that there are then. No other change comes in between: of nodes that find the same at the same time, each
    /// decides on what the one before left.
    async fn change_signing_keys(
        &self,
        stamp: &Stamp,
        decide: DecideSigningKeys<'_>,
    ) -> Result<Vec<SigningKey>>;

    /// The signing keys, in the order in which they sign.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>>;

    /// Stores `sealed` under `name` if there is nothing yet; answers what is there then.
    async fn sealed_or(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>>;

    /// What is sealed under `name`, if anything.
    async fn sealed(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Replaces everything that is sealed, signing keys by their `kid` among it; answers how much. All of it or nothing:
    /// `Corrupt` if anything can't be opened.
    async fn reseal(&self, stamp: &Stamp, reseal: Reseal<'_>) -> Result<usize>;
}
