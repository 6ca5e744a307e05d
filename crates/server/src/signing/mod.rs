//! The Authorization Server's signing keys: parsed once, sealed in the store, published before they sign.

mod algorithm;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Entropy, Stamp, Timestamp};
use serde::Serialize;
use serde_json::Value;
use storage::{SigningKey, Storage, StorageError};

pub(crate) use algorithm::Algorithm;
use algorithm::{PrivateKey, thumbprint};

use crate::crypto::{DoesNotOpen, Sealer};

/// How long a key is published before it signs: longer than whoever fetched the keys may keep them, and than the clocks of
/// two nodes lie apart.
const PUBLISHED_FIRST: Duration = Duration::from_secs(600);

/// How long whoever fetched the keys may keep them.
pub(crate) const CACHED_FOR: Duration = Duration::from_secs(300);

/// The keys that sign and verify access tokens.
pub(crate) struct SigningKeys {
    sealer: Sealer,
    /// Which algorithm new tokens are signed with.
    algorithm: Algorithm,
    /// The oldest first.
    keys: RwLock<Arc<[ParsedKey]>>,
}

/// One key, ready for use.
pub(crate) struct ParsedKey {
    algorithm: Algorithm,
    created_at: Timestamp,
    /// The encoded JOSE header of the access tokens that it signs. No other header is accepted with it.
    header: String,
    /// That of the introspections that it signs, which are no access tokens.
    introspection_header: String,
    private: PrivateKey,
    verifying: ParsedPublicKey,
    /// The public half, as it is published (RFC 7517), with `kid`, `use` and `alg`.
    pub(crate) public: Value,
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
}

/// Signing failed: an internal error.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub(crate) struct NotSigned;

impl SigningKeys {
    /// Opens the keys in the store; makes the first of `algorithm` if there is none.
    pub(crate) async fn open(
        store: &dyn Storage,
        sealer: Sealer,
        algorithm: Algorithm,
        stamp: &Stamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, SigningKeyError> {
        let mut stored = store.signing_keys().await?;
        if !stored.iter().any(|key| key.algorithm == algorithm.name()) {
            let first = generate(algorithm, &sealer, stamp.at, entropy)?;
            stored = store.signing_keys_or(stamp, &first).await?;
        }
        let keys = parsed(&stored, &sealer)?;
        Ok(Self { sealer, algorithm, keys: RwLock::new(keys) })
    }

    /// Reads the keys from the store again: another node may have made one.
    pub(crate) async fn reload(&self, store: &dyn Storage) -> Result<(), SigningKeyError> {
        let keys = parsed(&store.signing_keys().await?, &self.sealer)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Every key, the oldest first.
    pub(crate) fn all(&self) -> Arc<[ParsedKey]> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Signs `claims` as an access token (RFC 9068 §2.1) with the key of this moment.
    pub(crate) fn sign(&self, claims: &impl Serialize, now: Timestamp) -> Result<String, NotSigned> {
        self.sign_under(|key| &key.header, claims, now)
    }

    /// Signs `claims` as what a token was found to be (RFC 9701 §5) with the key of this moment.
    pub(crate) fn sign_introspection(
        &self,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, NotSigned> {
        self.sign_under(|key| &key.introspection_header, claims, now)
    }

    fn sign_under(
        &self,
        header: impl Fn(&ParsedKey) -> &str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, NotSigned> {
        let keys = self.all();
        let key = current(&keys, self.algorithm, now).ok_or(NotSigned)?;
        let header = header(key);
        let claims = serde_json::to_vec(claims).map_err(|_| NotSigned)?;
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 96);
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = key.private.sign(token.as_bytes()).map_err(|_| NotSigned)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Ok(token)
    }

    /// The claims of a token that one of the keys signed, as JSON; none of any other text. Of the header nothing is
    /// believed: it must be the very one that the key signs with, so there is no `alg`, `typ`, `crit` or `jwk` to go by.
    pub(crate) fn verified_claims(&self, token: &str) -> Option<Vec<u8>> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let keys = self.all();
        let key = keys.iter().find(|key| key.header == header)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        key.verifying.verify_sig(message.as_bytes(), &signature).ok()?;
        URL_SAFE_NO_PAD.decode(claims).ok()
    }
}

/// The key that signs at `now`: the newest that was published for long enough, of the configured algorithm if there is
/// one; on a first start, a new one.
fn current(keys: &[ParsedKey], algorithm: Algorithm, now: Timestamp) -> Option<&ParsedKey> {
    let published = |key: &&ParsedKey| {
        let since = now.as_millisecond().saturating_sub(key.created_at.as_millisecond());
        u128::try_from(since).is_ok_and(|since| since >= PUBLISHED_FIRST.as_millis())
    };
    let configured = |key: &&ParsedKey| key.algorithm == algorithm;
    let newest = || keys.iter().rev();
    newest()
        .filter(published)
        .find(configured)
        .or_else(|| newest().find(published))
        .or_else(|| newest().find(configured))
}

impl ParsedKey {
    fn open(stored: &SigningKey, sealer: &Sealer) -> Result<Self, SigningKeyError> {
        let form = || SigningKeyError::Form(stored.kid.clone());
        let algorithm: Algorithm = stored.algorithm.parse().map_err(|_| form())?;
        let pkcs8 = sealer
            .open(&stored.kid, &stored.sealed)
            .map_err(|source| SigningKeyError::Sealed { kid: stored.kid.clone(), source })?;
        let private = PrivateKey::parse(algorithm, &pkcs8).map_err(|_| form())?;
        let verifying = private.verifying().map_err(|_| form())?;
        let header = |typ: &str| {
            URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"{typ}","alg":"{algorithm}","kid":"{}"}}"#, stored.kid))
        };
        Ok(Self {
            algorithm,
            created_at: stored.created_at,
            header: header("at+jwt"),
            introspection_header: header("token-introspection+jwt"),
            private,
            verifying,
            public: serde_json::from_str(&stored.public_jwk).map_err(|_| form())?,
        })
    }
}

/// Those of algorithms that a newer version of Feedback brought are left to it.
fn parsed(stored: &[SigningKey], sealer: &Sealer) -> Result<Arc<[ParsedKey]>, SigningKeyError> {
    let known = |key: &&SigningKey| {
        let known = key.algorithm.parse::<Algorithm>().is_ok();
        if !known {
            tracing::warn!(
                kid = key.kid,
                algorithm = key.algorithm,
                "a signing key is not understood, and left alone"
            );
        }
        known
    };
    stored.iter().filter(known).map(|key| ParsedKey::open(key, sealer)).collect()
}

fn generate(
    algorithm: Algorithm,
    sealer: &Sealer,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<SigningKey, SigningKeyError> {
    let form = || SigningKeyError::Form("(new)".to_owned());
    let pkcs8 = PrivateKey::generate(algorithm).map_err(|_| form())?;
    let mut public =
        PrivateKey::parse(algorithm, &pkcs8).ok().and_then(|key| key.public()).ok_or_else(form)?;
    let kid = thumbprint(&public);
    for (name, value) in [("kid", kid.as_str()), ("use", "sig"), ("alg", algorithm.name())] {
        public.insert(name.to_owned(), value.into());
    }
    Ok(SigningKey {
        sealed: sealer.seal(&kid, &pkcs8, entropy),
        kid,
        algorithm: algorithm.name().to_owned(),
        public_jwk: Value::Object(public).to_string(),
        created_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemEntropy;
    use domain::from_millis;

    fn key(algorithm: Algorithm, created_at: Timestamp) -> ParsedKey {
        let sealer = Sealer::new(&[1; 32]);
        ParsedKey::open(&generate(algorithm, &sealer, created_at, &SystemEntropy).unwrap(), &sealer).unwrap()
    }

    #[test]
    fn a_key_is_published_before_it_signs() {
        let at = |minutes: i64| from_millis(1_770_000_000_000 + minutes * 60_000);
        let keys =
            [key(Algorithm::Es256, at(0)), key(Algorithm::Es256, at(60)), key(Algorithm::EdDsa, at(120))];
        let signs = |algorithm, minute| current(&keys, algorithm, at(minute)).map(|key| &key.header);
        let (first, second, other) = (&keys[0].header, &keys[1].header, &keys[2].header);
        assert_eq!(signs(Algorithm::Es256, 69), Some(first));
        assert_eq!(signs(Algorithm::Es256, 70), Some(second));
        assert_eq!(signs(Algorithm::Es256, 999), Some(second));
        assert_eq!(signs(Algorithm::EdDsa, 129), Some(second), "of the algorithm from before, meanwhile");
        assert_eq!(signs(Algorithm::EdDsa, 130), Some(other));
        assert_eq!(current(&keys[2..], Algorithm::EdDsa, at(120)).map(|key| &key.header), Some(other));
        assert!(current(&[], Algorithm::EdDsa, at(0)).is_none());
    }
}
