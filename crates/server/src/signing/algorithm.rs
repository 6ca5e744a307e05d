//! How access tokens are signed (RFC 7518 §3.3 and §3.4, RFC 8037 §3.1), on keys that were parsed once: to parse one costs about
//! as much as to sign with it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// An algorithm that access tokens are signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA of 2048 bits with SHA-256 (PKCS#1 v1.5).
    Rs256,
}

impl Algorithm {
    /// Every one.
    pub(crate) const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// Its name as `alg` (RFC 7518 §3.1, RFC 8037 §5).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let names = || Self::ALL.map(Self::name).join(" or ");
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| format!("expected {}", names()))
    }
}

/// The private half of a key. Does not print.
pub(super) enum PrivateKey {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl PrivateKey {
    /// A new key, as PKCS#8 (RFC 5208). One of RSA takes long to find.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let document = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?,
            Algorithm::EdDsa => Ed25519KeyPair::generate()?.to_pkcs8v1()?,
            Algorithm::Rs256 => {
                let document: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
                return Ok(Zeroizing::new(document.as_ref().to_vec()));
            }
        };
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Parses PKCS#8.
    pub(super) fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        Ok(match algorithm {
            Algorithm::Es256 => {
                Self::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?)
            }
            Algorithm::EdDsa => Self::EdDsa(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)?),
            Algorithm::Rs256 => Self::Rs256(RsaKeyPair::from_pkcs8(pkcs8)?),
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Es256(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
        }
    }

    /// What verifies its signatures.
    pub(super) fn verifying(&self) -> Result<ParsedPublicKey, KeyRejected> {
        match self {
            Self::Es256(pair) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key()),
            Self::EdDsa(pair) => ParsedPublicKey::new(&ED25519, pair.public_key()),
            Self::Rs256(pair) => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key()),
        }
    }

    /// The public half as a JWK (RFC 7518 §6.2 and §6.3, RFC 8037 §2), with nothing but what the thumbprint is made of
    /// (RFC 7638 §3.2).
    pub(super) fn public(&self) -> Option<Map<String, Value>> {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(pair) => {
                // An uncompressed point (SEC 1 §2.3.3): 4, then x and y of 32 bytes each.
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                Some(jwk([("crv", "P-256"), ("kty", "EC"), ("x", &encoded(x)), ("y", &encoded(y))]))
            }
            Self::EdDsa(pair) => {
                let x = encoded(pair.public_key().as_ref());
                Some(jwk([("crv", "Ed25519"), ("kty", "OKP"), ("x", &x)]))
            }
            Self::Rs256(pair) => {
                let (n, e) = modulus_and_exponent(pair.public_key().as_ref())?;
                Some(jwk([("e", &encoded(e)), ("kty", "RSA"), ("n", &encoded(n))]))
            }
        }
    }
}

/// The two numbers of a public key of 2048 bits, which is encoded as they alone (RFC 8017 appendix A.1.1, DER): a sequence
/// of 266 bytes, a number of 257 bytes of which the first is 0, and the exponent that all keys are made with.
fn modulus_and_exponent(public: &[u8]) -> Option<(&[u8], &[u8])> {
    let numbers = public.strip_prefix(&[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0])?;
    let (n, exponent) = numbers.split_at_checked(256)?;
    let e = exponent.strip_prefix(&[0x02, 0x03])?;
    (e == [1, 0, 1]).then_some((n, e))
}

fn jwk<const N: usize>(members: [(&str, &str); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// The thumbprint of a key that is given as its required members alone, in the order of their names (RFC 7638 §3).
pub(super) fn thumbprint(required: &Map<String, Value>) -> String {
    let members: BTreeMap<_, _> = required.iter().collect();
    URL_SAFE_NO_PAD.encode(digest(&SHA256, json!(members).to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        // RFC 8037 appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let ed25519 = jwk([("kty", "OKP"), ("crv", "Ed25519"), ("x", x)]);
        assert_eq!(thumbprint(&ed25519), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        // RFC 7638 section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
                 oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA\
                 ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-\
                 kEgU8awapJzKnqDKgw";
        let rsa = jwk([("kty", "RSA"), ("n", n), ("e", "AQAB")]);
        assert_eq!(thumbprint(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn what_a_key_signs_only_its_own_public_half_verifies() {
        for algorithm in Algorithm::ALL {
            let key = |()| PrivateKey::parse(algorithm, &PrivateKey::generate(algorithm).unwrap()).unwrap();
            let (one, other) = (key(()), key(()));
            let signature = one.sign(b"text").unwrap();
            let verifies = |key: &PrivateKey, text: &[u8]| {
                key.verifying().unwrap().verify_sig(text, signature.as_ref()).is_ok()
            };
            assert!(verifies(&one, b"text"), "{algorithm}");
            assert!(!verifies(&one, b"texT") && !verifies(&other, b"text"), "{algorithm}");
            assert_ne!(one.public().unwrap(), other.public().unwrap());
        }
    }
}
