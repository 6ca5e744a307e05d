//! The Authorization Server's signing keys: parsed once, sealed in the store.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Clock, Entropy, Stamp};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Serialize;
use storage::{SigningKey, Storage, StorageError};

use crate::crypto::{DoesNotOpen, Sealer};

/// The keys that sign and verify access tokens.
pub(crate) struct SigningKeys {
    keys: Vec<ParsedKey>,
}

/// One key, ready for use.
pub(crate) struct ParsedKey {
    /// Its identifier.
    pub(crate) kid: String,
    /// The encoded JOSE header of the tokens that it signs.
    header: String,
    pair: EcdsaKeyPair,
    /// What verifies them.
    pub(crate) decoding: DecodingKey,
    /// The public half, as it is published (RFC 7517), with `kid`, `use` and `alg`.
    pub(crate) public: serde_json::Value,
}

/// Why the keys can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningKeyError {
    #[error(transparent)]
    Store(#[from] StorageError),
    #[error("the signing key {kid} can't be opened: {source}")]
    Sealed {
        kid: String,
        #[source]
        source: DoesNotOpen,
    },
    #[error("the signing key {0} is not one that this version understands")]
    Form(String),
    #[error("there is no signing key")]
    None,
}

/// Signing failed: an internal error.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub(crate) struct NotSigned;

impl SigningKeys {
    /// Opens the keys in the store; makes the first if there is none.
    pub(crate) async fn open(
        store: &dyn Storage,
        sealer: &Sealer,
        stamp: &Stamp,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, SigningKeyError> {
        let mut stored = store.signing_keys().await?;
        if stored.is_empty() {
            let first = generate(sealer, clock, entropy)?;
            stored = store.signing_keys_or(stamp, &first).await?;
        }
        let keys = stored.iter().map(|key| ParsedKey::open(key, sealer)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(SigningKeyError::None) } else { Ok(Self { keys }) }
    }

    /// The key with this identifier.
    pub(crate) fn find(&self, kid: &str) -> Option<&ParsedKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Every key.
    pub(crate) fn all(&self) -> &[ParsedKey] {
        &self.keys
    }

    /// Signs `claims` as an access token (RFC 9068 §2.1) with the current key.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, NotSigned> {
        let key = self.keys.last().ok_or(NotSigned)?;
        let claims = serde_json::to_vec(claims).map_err(|_| NotSigned)?;
        let mut token = format!("{}.{}", key.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = key.pair.sign(&SystemRandom::new(), token.as_bytes()).map_err(|_| NotSigned)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Ok(token)
    }
}

impl ParsedKey {
    fn open(stored: &SigningKey, sealer: &Sealer) -> Result<Self, SigningKeyError> {
        let form = || SigningKeyError::Form(stored.kid.clone());
        if stored.algorithm != "ES256" {
            return Err(form());
        }
        let private = sealer
            .open(&stored.kid, &stored.sealed)
            .map_err(|source| SigningKeyError::Sealed { kid: stored.kid.clone(), source })?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private).map_err(|_| form())?;
        let public = serde_json::from_str(&stored.public_jwk).map_err(|_| form())?;
        let jwk: Jwk = serde_json::from_str(&stored.public_jwk).map_err(|_| form())?;
        let header = format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":"{}"}}"#, stored.kid);
        Ok(Self {
            kid: stored.kid.clone(),
            header: URL_SAFE_NO_PAD.encode(header),
            pair,
            decoding: DecodingKey::from_jwk(&jwk).map_err(|_| form())?,
            public,
        })
    }
}

fn generate(
    sealer: &Sealer,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<SigningKey, SigningKeyError> {
    let form = || SigningKeyError::Form("(new)".to_owned());
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| form())?;
    // An uncompressed point (SEC 1 §2.3.3): 4, then x and y of 32 bytes each.
    let (x, y) =
        pair.public_key().as_ref().get(1..).and_then(|point| point.split_at_checked(32)).ok_or_else(form)?;
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let jwk: Jwk = serde_json::from_value(serde_json::json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}))
        .map_err(|_| form())?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| form())?;
    let public = serde_json::json!({
        "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256",
    });
    let document = pair.to_pkcs8v1().map_err(|_| form())?;
    Ok(SigningKey {
        sealed: sealer.seal(&kid, document.as_ref(), entropy),
        kid,
        algorithm: format!("{:?}", Algorithm::ES256),
        public_jwk: public.to_string(),
        created_at: clock.now(),
    })
}
