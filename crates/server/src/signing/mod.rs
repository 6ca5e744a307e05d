//! The Authorization Server's signing keys: parsed once, sealed in the store, published before they sign.

mod algorithm;
mod rotation;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Entropy, SigningKeyHash, Stamp, Timestamp};
use serde::Serialize;
use serde_json::Value;
use storage::{SigningKey, SigningKeyChange, Storage, StorageError};

pub(crate) use algorithm::Algorithm;
use algorithm::PrivateKey;
pub(crate) use rotation::{When, lives};

use crate::crypto::{DoesNotOpen, Sealer};
use crate::live::Live;

/// How long whoever fetched the keys may keep them: half as long as a key is published before it signs.
pub(crate) const CACHED_FOR: Duration = Duration::from_secs(300);

/// The keys that sign and verify access tokens.
pub(crate) struct SigningKeys {
    store: Arc<dyn Storage>,
    sealer: Sealer,
    held: RwLock<Held>,
}

/// The keys in memory.
#[derive(Clone)]
struct Held {
    /// How many changes of the keys this node had heard of before it read them.
    as_of: u64,
    keys: Arc<Keys>,
}

/// The signing keys of a moment, in the order in which they sign.
pub(crate) struct Keys {
    parsed: Vec<Arc<ParsedKey>>,
    /// From when on each signs.
    signs_from: Vec<Timestamp>,
    /// The `kid` of every key in the store, also of those that are not understood.
    stored: Vec<String>,
}

/// One key, ready for use.
struct ParsedKey {
    id: SigningKeyHash,
    kid: String,
    signs_from: Timestamp,
    /// The encoded JOSE header of the access tokens that it signs. No other header is accepted with it.
    header: String,
    /// That of the introspections that it signs, which are no access tokens.
    introspection_header: String,
    private: PrivateKey,
    verifying: ParsedPublicKey,
    /// The public half, as it is published (RFC 7517), with `kid`, `use` and `alg`.
    public: Value,
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

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSigned {
    #[error("the signing keys can't be read: {0}")]
    Keys(#[from] StorageError),
    /// An internal error.
    #[error("the token could not be signed")]
    Failed,
}

impl SigningKeys {
    /// Opens the keys in the store; makes the first, of `algorithm`, if there is none.
    pub(crate) async fn open(
        store: Arc<dyn Storage>,
        sealer: Sealer,
        algorithm: Algorithm,
        stamp: &Stamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, SigningKeyError> {
        let mut stored = store.signing_keys().await?;
        if stored.is_empty() {
            let first = rotation::generate(algorithm, &sealer, stamp.at, When::Now, entropy).await?;
            let unless_there = |known: &[SigningKey]| SigningKeyChange {
                add: known.is_empty().then(|| first.clone()),
                remove: Vec::new(),
            };
            stored = store.change_signing_keys(stamp, &unless_there).await?;
        }
        let keys = Keys::open(&stored, |key| ParsedKey::open(key, &sealer).map(Some))?;
        Ok(Self { store, sealer, held: RwLock::new(Held { as_of: 0, keys: Arc::new(keys) }) })
    }

    /// The keys as they are now. What is in memory counts as long as everything else that is remembered, and until a line of
    /// the log tells of another key; then the store is asked.
    pub(crate) async fn current(&self, live: &Live) -> Result<Arc<Keys>, StorageError> {
        // In this order: what that reading of the feed told is counted.
        let trusted = live.is_trusted();
        let heard = live.signing_keys_heard();
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        if trusted && held.as_of == heard {
            return Ok(held.keys);
        }
        let stored = self.store.signing_keys().await?;
        let keys = if held.keys.stored.iter().eq(stored.iter().map(|key| &key.kid)) {
            held.keys
        } else {
            Arc::new(self.reopened(&stored, &held.keys))
        };
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.as_of <= heard {
            *held = Held { as_of: heard, keys: keys.clone() };
        }
        Ok(keys)
    }

    /// The keys in the store. Those that are known already need not be opened again, and can't be once the master key
    /// was replaced; one that can't be opened is left to the nodes that can.
    fn reopened(&self, stored: &[SigningKey], known: &Keys) -> Keys {
        let open = |key: &SigningKey| {
            if let Some(known) = known.parsed.iter().find(|known| known.kid == key.kid) {
                return Some(known.clone());
            }
            match ParsedKey::open(key, &self.sealer) {
                Ok(key) => Some(key),
                Err(error) => {
                    tracing::error!(%error, "a new signing key can't be used; going on with those from before");
                    None
                }
            }
        };
        let Ok(keys) = Keys::open::<std::convert::Infallible>(stored, |key| Ok(open(key)));
        keys
    }

    /// Signs `claims` as an access token (RFC 9068 §2.1) with the key of this moment.
    pub(crate) async fn sign(
        &self,
        live: &Live,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, NotSigned> {
        self.current(live).await?.sign(|key| &key.header, claims, now).ok_or(NotSigned::Failed)
    }

    /// Signs `claims` as what a token was found to be (RFC 9701 §5) with the key of this moment.
    pub(crate) async fn sign_introspection(
        &self,
        live: &Live,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, NotSigned> {
        let keys = self.current(live).await?;
        keys.sign(|key| &key.introspection_header, claims, now).ok_or(NotSigned::Failed)
    }

    /// Whether there is a key to sign and verify with.
    pub(crate) async fn can_sign(&self, live: &Live) -> Result<bool, StorageError> {
        Ok(!self.current(live).await?.parsed.is_empty())
    }

    /// The keys in memory, for what may be a little old.
    pub(crate) fn held(&self) -> Arc<Keys> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }
}

impl Keys {
    /// Those that `open` answers a key for. Those of algorithms that a newer version of Feedback brought are left to it.
    fn open<E>(
        stored: &[SigningKey],
        open: impl Fn(&SigningKey) -> Result<Option<Arc<ParsedKey>>, E>,
    ) -> Result<Self, E> {
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
        let opened = stored.iter().filter(known).filter_map(|key| open(key).transpose());
        let parsed = opened.collect::<Result<Vec<_>, E>>()?;
        Ok(Self {
            signs_from: parsed.iter().map(|key| key.signs_from).collect(),
            parsed,
            stored: stored.iter().map(|key| key.kid.clone()).collect(),
        })
    }

    /// The public halves (RFC 7517 §5).
    pub(crate) fn public(&self) -> impl Iterator<Item = &Value> {
        self.parsed.iter().map(|key| &key.public)
    }

    /// Whether the key is among them.
    pub(crate) fn has(&self, id: SigningKeyHash) -> bool {
        self.parsed.iter().any(|key| key.id == id)
    }

    fn sign(
        &self,
        header: impl Fn(&ParsedKey) -> &str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Option<String> {
        let key = self.parsed.get(domain::signing_key(&self.signs_from, now))?;
        let claims = serde_json::to_vec(claims).ok()?;
        let header = header(key);
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 96);
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = key.private.sign(token.as_bytes()).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// The claims of a token that one of the keys signed, as JSON, and which key; none of any other text. Of the header
    /// nothing is believed: it must be the very one that the key signs with, so there is no `alg`, `typ`, `crit` or `jwk`
    /// to go by.
    pub(crate) fn verified_claims(&self, token: &str) -> Option<(Vec<u8>, SigningKeyHash)> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let key = self.parsed.iter().find(|key| key.header == header)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        key.verifying.verify_sig(message.as_bytes(), &signature).ok()?;
        Some((URL_SAFE_NO_PAD.decode(claims).ok()?, key.id))
    }
}

impl ParsedKey {
    fn open(stored: &SigningKey, sealer: &Sealer) -> Result<Arc<Self>, SigningKeyError> {
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
        Ok(Arc::new(Self {
            id: SigningKeyHash::of(&stored.kid),
            kid: stored.kid.clone(),
            signs_from: stored.signs_from,
            header: header("at+jwt"),
            introspection_header: header("token-introspection+jwt"),
            private,
            verifying,
            public: serde_json::from_str(&stored.public_jwk).map_err(|_| form())?,
        }))
    }
}
