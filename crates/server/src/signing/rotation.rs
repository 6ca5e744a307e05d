//! Signing keys come and go: by the operator's command, by the schedule, and with another algorithm. Every change is
//! decided in the store's transaction, on the keys that are there then.

use domain::{
    Entropy, PUBLISHED_FIRST, SigningKeyLife, Stamp, Timestamp, signing_key_is_due, signing_key_lives,
};
use serde_json::Value;
use storage::{SigningKey, SigningKeyChange};

use super::algorithm::{PrivateKey, thumbprint};
use super::{Algorithm, SigningKeyError, SigningKeys};
use crate::crypto::Sealer;

/// When a new key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Once it was published for long enough.
    Published,
    /// At once.
    Now,
}

impl SigningKeys {
    /// Makes a key of the algorithm that signs now. One that signs at once takes the place of all others: no token from
    /// before is worth anything then.
    pub(crate) async fn rotate(
        &self,
        stamp: &Stamp,
        when: When,
        entropy: &dyn Entropy,
    ) -> Result<SigningKey, SigningKeyError> {
        let known = self.store.signing_keys().await?;
        let key = generate(newest_algorithm(&known), &self.sealer, stamp.at, when, entropy).await?;
        let add = |known: &[SigningKey]| SigningKeyChange {
            add: Some(key.clone()),
            remove: match when {
                When::Published => over(known, stamp.at),
                When::Now => known.iter().map(|key| key.kid.clone()).collect(),
            },
        };
        self.change(stamp, add).await?;
        Ok(key)
    }

    /// Makes the key that is due `days` after the newest, and removes those that no token needs any more.
    pub(crate) async fn keep_up(
        &self,
        stamp: &Stamp,
        days: u32,
        entropy: &dyn Entropy,
    ) -> Result<(), SigningKeyError> {
        let known = self.store.signing_keys().await?;
        let is_due = |known: &[SigningKey]| {
            let newest = known.iter().map(|key| key.created_at).max();
            newest.is_some_and(|newest| signing_key_is_due(newest, days, stamp.at))
        };
        let key = match is_due(&known) {
            true => {
                let algorithm = newest_algorithm(&known);
                Some(generate(algorithm, &self.sealer, stamp.at, When::Published, entropy).await?)
            }
            false if over(&known, stamp.at).is_empty() => return Ok(()),
            false => None,
        };
        let change = |known: &[SigningKey]| SigningKeyChange {
            add: key.clone().filter(|_| is_due(known)),
            remove: over(known, stamp.at),
        };
        self.change(stamp, change).await
    }

    /// Makes a key of the algorithm that is configured, unless the newest is of it already. Done once by each start of a
    /// server: nodes that are configured differently would take turns for ever.
    pub(crate) async fn adopt(
        &self,
        algorithm: Algorithm,
        stamp: &Stamp,
        entropy: &dyn Entropy,
    ) -> Result<(), SigningKeyError> {
        let is_of_another =
            |known: &[SigningKey]| known.last().is_none_or(|newest| newest.algorithm != algorithm.name());
        if !is_of_another(&self.store.signing_keys().await?) {
            return Ok(());
        }
        let key = generate(algorithm, &self.sealer, stamp.at, When::Published, entropy).await?;
        let change = |known: &[SigningKey]| SigningKeyChange {
            add: is_of_another(known).then(|| key.clone()),
            remove: over(known, stamp.at),
        };
        self.change(stamp, change).await?;
        tracing::info!(%algorithm, "tokens will be signed with another algorithm once its key was published for long enough");
        Ok(())
    }

    /// Changes the keys, unless they are sealed under another master key than this program has: what it would add could be
    /// opened by nobody who has the right one.
    async fn change(
        &self,
        stamp: &Stamp,
        decide: impl Fn(&[SigningKey]) -> SigningKeyChange + Send + Sync,
    ) -> Result<(), SigningKeyError> {
        let unless_sealed = |known: &[SigningKey]| match self.openable(known) {
            Ok(()) => decide(known),
            Err(_) => SigningKeyChange::default(),
        };
        let keys = self.store.change_signing_keys(stamp, &unless_sealed).await?;
        self.openable(&keys)
    }

    fn openable(&self, keys: &[SigningKey]) -> Result<(), SigningKeyError> {
        keys.iter().try_for_each(|key| match self.sealer.open(&key.kid, &key.sealed) {
            Ok(_) => Ok(()),
            Err(source) => Err(SigningKeyError::Sealed { kid: key.kid.clone(), source }),
        })
    }
}

/// The lives of the keys, in the order in which they sign.
pub(crate) fn lives(keys: &[SigningKey], now: Timestamp) -> Vec<SigningKeyLife> {
    let signs_from: Vec<_> = keys.iter().map(|key| key.signs_from).collect();
    signing_key_lives(&signs_from, now)
}

/// The `kid` of each key that no token needs any more.
fn over(keys: &[SigningKey], now: Timestamp) -> Vec<String> {
    let lives = lives(keys, now);
    let over = keys.iter().zip(lives).filter(|(_, life)| life.is_over(now));
    over.map(|(key, _)| key.kid.clone()).collect()
}

/// That of the newest key which this version understands.
fn newest_algorithm(keys: &[SigningKey]) -> Algorithm {
    keys.iter().rev().find_map(|key| key.algorithm.parse().ok()).unwrap_or_default()
}

/// A new key, made at `now`.
pub(super) async fn generate(
    algorithm: Algorithm,
    sealer: &Sealer,
    now: Timestamp,
    when: When,
    entropy: &dyn Entropy,
) -> Result<SigningKey, SigningKeyError> {
    let form = || SigningKeyError::Form("(new)".to_owned());
    // A key of RSA takes a part of a second to find.
    let generated = tokio::task::spawn_blocking(move || PrivateKey::generate(algorithm)).await;
    let pkcs8 = generated.map_err(|_| form())?.map_err(|_| form())?;
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
        signs_from: match when {
            When::Published => now + PUBLISHED_FIRST,
            When::Now => now,
        },
    })
}
