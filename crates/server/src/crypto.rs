//! What the server keeps secret, and how: sealing under the master key, and the keyed hashes of people.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use domain::{Entropy, EnvironmentId, PersonHash};
use zeroize::Zeroizing;

/// Encrypts what is stored (AES-256-GCM-SIV, RFC 8452). Does not print.
#[derive(Clone)]
pub(crate) struct Sealer(Arc<LessSafeKey>);

/// What was sealed does not open: the master key is another one, or the store was tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key does not open it")]
pub(crate) struct DoesNotOpen;

impl Sealer {
    /// A sealer under this key.
    #[expect(clippy::expect_used, reason = "the key has the length that the algorithm takes")]
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Arc::new(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).expect("32 bytes"))))
    }

    /// Encrypts `plain` so that it opens only under the same `name`: nonce, ciphertext, tag.
    #[expect(clippy::expect_used, reason = "fails only for gigabytes of plaintext")]
    pub(crate) fn seal(&self, name: &str, plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = entropy.bytes();
        let mut text = plain.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut text,
            )
            .expect("a short plaintext");
        [&nonce[..], &text[..]].concat()
    }

    /// The plaintext of what was sealed under `name`.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| DoesNotOpen)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

/// Turns the identifiers of respondents and machines into keyed hashes (HMAC-SHA-256, 128 bits of it). Those of one
/// environment can't be matched with those of another.
pub(crate) struct PersonKey(hmac::Key);

impl PersonKey {
    /// The name that it is sealed under.
    pub(crate) const NAME: &'static str = "person-key";

    /// From its 256 bits.
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// What is stored of `value`; `kind` is `respondent` or `machine`.
    pub(crate) fn hash(&self, environment: EnvironmentId, kind: &str, value: &str) -> PersonHash {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(environment.uuid().as_bytes());
        context.update(&[kind.len() as u8]);
        context.update(kind.as_bytes());
        context.update(value.as_bytes());
        let mut hash = [0; 16];
        for (to, from) in hash.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        PersonHash(hash)
    }
}

/// SHA-256, for the tokens of sessions and links.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemEntropy;

    #[test]
    fn what_is_sealed_opens_under_its_own_key_and_name_only() {
        let sealer = Sealer::new(&[1; 32]);
        let sealed = sealer.seal("a", b"plain", &SystemEntropy);
        assert_eq!(sealer.open("a", &sealed).unwrap().as_slice(), b"plain");
        assert!(sealer.open("b", &sealed).is_err());
        assert!(Sealer::new(&[2; 32]).open("a", &sealed).is_err());
        let mut tampered = sealed.clone();
        *tampered.last_mut().unwrap() ^= 1;
        assert!(sealer.open("a", &tampered).is_err());
        assert!(sealer.open("a", &[]).is_err());
    }

    #[test]
    fn the_same_person_differs_between_environments_and_kinds() {
        let key = PersonKey::new(&[1; 32]);
        let here: EnvironmentId = "env_00000000000000000000000000".parse().unwrap();
        let there: EnvironmentId = "env_00000000000000000000000001".parse().unwrap();
        let hash = key.hash(here, "respondent", "somebody");
        assert_eq!(hash, key.hash(here, "respondent", "somebody"));
        assert_ne!(hash, key.hash(there, "respondent", "somebody"));
        assert_ne!(hash, key.hash(here, "machine", "somebody"));
    }
}
