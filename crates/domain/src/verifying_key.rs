use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::ed25519_point::is_weak;

/// The longest RSA key, in bits: longer ones make verifying slow and memory large, and nobody safer.
const MAX_RSA_BITS: usize = 4096;
const MIN_RSA_BITS: usize = 2048;

/// What makes a JWK a private or a shared key (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// How clients sign their assertions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl AssertionAlgorithm {
    /// Every name that is understood as `alg`: `Ed25519` is the newer one of EdDSA with that curve (RFC 9864).
    pub const NAMES: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];

    /// Its name as `alg` (RFC 7518 §3.1, RFC 8037 §3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::EdDsa => &ED25519,
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
        }
    }
}

impl FromStr for AssertionAlgorithm {
    type Err = PublicKeyError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "ES256" => Ok(Self::Es256),
            "EdDSA" | "Ed25519" => Ok(Self::EdDsa),
            "RS256" => Ok(Self::Rs256),
            "PS256" => Ok(Self::Ps256),
            _ => Err(PublicKeyError::Algorithm),
        }
    }
}

/// The SHA-256 of a key's required members (RFC 7638), in base64url its `kid`; or of a certificate in DER (RFC 8705 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thumbprint([u8; 32]);

/// The text is not of the form of a thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a thumbprint")]
pub struct MalformedThumbprint;

impl Thumbprint {
    /// From the hash, as a store kept it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of<const N: usize>(members: [(&str, &str); N]) -> Self {
        let members: BTreeMap<_, _> = members.into_iter().collect();
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, json!(members).to_string().as_bytes()).as_ref());
        Self(hash)
    }
}

impl FromStr for Thumbprint {
    type Err = MalformedThumbprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedThumbprint)?;
        bytes.try_into().map(Self).map_err(|_| MalformedThumbprint)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// A public key with the one algorithm that it is used with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    algorithm: AssertionAlgorithm,
    thumbprint: Thumbprint,
    /// DER of the SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    spki: Box<[u8]>,
}

/// Why a text is not a public key that can be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// It is more than a public key.
    #[error(
        "that is a private key, and whoever saw it on its way here has it: treat it as leaked, make another pair, and register the public half alone"
    )]
    Private,
    /// Neither PEM nor a JWK.
    #[error("expected one PEM block `BEGIN PUBLIC KEY`, which is no certificate, or one JWK")]
    Unreadable,
    /// A kind of key that is not used here, or one that is not well-formed.
    #[error("expected a key on P-256 or Ed25519, or an RSA key of 2048 to 4096 bits")]
    Kind,
    /// A point of Ed25519 that hides nothing, or is not written as RFC 8032 §5.1.2 says.
    #[error(
        "that is no key of Ed25519 that anybody made: for one of its few weak points everybody can sign; make another pair"
    )]
    Weak,
    /// Numbers with which RSA is no signature.
    #[error(
        "the modulus and the exponent of an RSA key must be odd, and the exponent at least 3; 65537 is the usual one"
    )]
    Rsa,
    /// An algorithm that is not used here, or not with this kind of key.
    #[error("the algorithm must be ES256 for P-256, EdDSA for Ed25519, RS256 or PS256 for RSA")]
    Algorithm,
    /// The JWK is meant for something else.
    #[error("the JWK is not meant for signatures: `use` must be `sig`, or left out")]
    Use,
    /// Its name is not the one that assertions will be matched by.
    #[error("the JWK's `kid` must be `{0}`, the key's thumbprint (RFC 7638), or left out")]
    Kid(Thumbprint),
}

impl VerifyingKey {
    /// From what a store kept.
    pub fn from_parts(algorithm: AssertionAlgorithm, thumbprint: Thumbprint, spki: Box<[u8]>) -> Self {
        Self { algorithm, thumbprint, spki }
    }

    /// From PEM or a JWK as text, whichever it is. `algorithm` decides for RSA, where a PEM does not say it: RS256
    /// without it.
    pub fn from_text(text: &str, algorithm: Option<AssertionAlgorithm>) -> Result<Self, PublicKeyError> {
        let text = text.trim();
        if !text.starts_with('{') {
            return Self::from_pem(text, algorithm);
        }
        match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(jwk) => Self::from_jwk(&jwk, algorithm),
            Err(_) => Err(PublicKeyError::Unreadable),
        }
    }

    /// From a JWK (RFC 7517): as [`from_text`](Self::from_text), and its `alg` must not say otherwise.
    pub fn from_jwk(
        jwk: &Map<String, Value>,
        algorithm: Option<AssertionAlgorithm>,
    ) -> Result<Self, PublicKeyError> {
        if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
            return Err(PublicKeyError::Private);
        }
        if jwk.get("use").is_some_and(|used| used != "sig") {
            return Err(PublicKeyError::Use);
        }
        let own = match jwk.get("alg") {
            Some(alg) => Some(alg.as_str().unwrap_or_default().parse()?),
            None => None,
        };
        if own.is_some() && algorithm.is_some() && own != algorithm {
            return Err(PublicKeyError::Algorithm);
        }
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)).map_err(|_| PublicKeyError::Kind);
        let spki = match (text("kty"), text("crv")) {
            ("EC", "P-256") => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if (x.len(), y.len()) != (32, 32) {
                    return Err(PublicKeyError::Kind);
                }
                // An uncompressed point (SEC 1 §2.3.3).
                spki(AssertionAlgorithm::Es256, &[&[4], x.as_slice(), y.as_slice()].concat())?
            }
            ("OKP", "Ed25519") => spki(AssertionAlgorithm::EdDsa, &bytes("x")?)?,
            ("RSA", _) => RsaPublicKeyComponents { n: bytes("n")?, e: bytes("e")? }.as_der()?,
            _ => return Err(PublicKeyError::Kind),
        };
        let key = Self::from_spki(spki.as_ref(), algorithm.or(own))?;
        match jwk.get("kid") {
            Some(kid) if *kid != key.thumbprint.to_string() => Err(PublicKeyError::Kid(key.thumbprint)),
            _ => Ok(key),
        }
    }

    /// From PEM (RFC 7468 §13): as [`from_text`](Self::from_text).
    pub fn from_pem(pem: &str, algorithm: Option<AssertionAlgorithm>) -> Result<Self, PublicKeyError> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(PublicKeyError::Private);
        }
        if pem.matches("-----BEGIN ").count() != 1 {
            return Err(PublicKeyError::Unreadable);
        }
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| PublicKeyError::Unreadable)?;
        Self::from_spki(&spki, algorithm)
    }

    fn from_spki(der: &[u8], algorithm: Option<AssertionAlgorithm>) -> Result<Self, PublicKeyError> {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let as_asked = |kind: AssertionAlgorithm| match algorithm {
            Some(other) if other != kind => Err(PublicKeyError::Algorithm),
            _ => Ok(kind),
        };
        // Both end with the key itself.
        if let Ok(spki) = spki(AssertionAlgorithm::Es256, der) {
            let (rest, y) = spki.as_ref().split_last_chunk::<32>().ok_or(PublicKeyError::Kind)?;
            let (rest, x) = rest.split_last_chunk::<32>().ok_or(PublicKeyError::Kind)?;
            if rest.last() != Some(&4) {
                return Err(PublicKeyError::Kind);
            }
            let members = [("crv", "P-256"), ("kty", "EC"), ("x", &encoded(x)), ("y", &encoded(y))];
            return Ok(Self::new(as_asked(AssertionAlgorithm::Es256)?, members, spki.as_ref()));
        }
        if let Ok(spki) = spki(AssertionAlgorithm::EdDsa, der) {
            let (_, x) = spki.as_ref().split_last_chunk::<32>().ok_or(PublicKeyError::Kind)?;
            if is_weak(x) {
                return Err(PublicKeyError::Weak);
            }
            let members = [("crv", "Ed25519"), ("kty", "OKP"), ("x", &encoded(x))];
            return Ok(Self::new(as_asked(AssertionAlgorithm::EdDsa)?, members, spki.as_ref()));
        }
        let rsa = rsa::PublicKey::from_der(der)?;
        let modulus = rsa.modulus().big_endian_without_leading_zero();
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(PublicKeyError::Kind);
        }
        let exponent = rsa.exponent().big_endian_without_leading_zero();
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] {
            return Err(PublicKeyError::Rsa);
        }
        let algorithm = match algorithm.unwrap_or(AssertionAlgorithm::Rs256) {
            rsa @ (AssertionAlgorithm::Rs256 | AssertionAlgorithm::Ps256) => rsa,
            _ => return Err(PublicKeyError::Algorithm),
        };
        let exponent = encoded(exponent);
        let members = [("e", exponent.as_str()), ("kty", "RSA"), ("n", &encoded(modulus))];
        Ok(Self::new(algorithm, members, rsa.as_der()?.as_ref()))
    }

    fn new<const N: usize>(algorithm: AssertionAlgorithm, members: [(&str, &str); N], spki: &[u8]) -> Self {
        Self { algorithm, thumbprint: Thumbprint::of(members), spki: spki.into() }
    }

    /// What it is used with, and nothing else.
    pub fn algorithm(&self) -> AssertionAlgorithm {
        self.algorithm
    }

    /// Its name.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// DER of the SubjectPublicKeyInfo, for a store to keep.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether `signature` is of `message` and made with its private half.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(self.algorithm.verification(), &self.spki);
        key.verify(message, signature).is_ok()
    }
}

/// The key as SubjectPublicKeyInfo, if `bytes` are such a key, as that or raw.
fn spki(algorithm: AssertionAlgorithm, bytes: &[u8]) -> Result<PublicKeyX509Der<'static>, PublicKeyError> {
    Ok(ParsedPublicKey::new(algorithm.verification(), bytes)?.as_der()?)
}

impl From<KeyRejected> for PublicKeyError {
    fn from(_: KeyRejected) -> Self {
        Self::Kind
    }
}

impl From<Unspecified> for PublicKeyError {
    fn from(_: Unspecified) -> Self {
        Self::Kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
    use proptest::prelude::*;

    /// RFC 7517 appendix A.1, as a JWK and as PEM.
    const P256_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig"}"#;
    const P256_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMKBCTNIcKUSDii11ySs3526iDZ8A\n\
        iTo7Tu6KPAqv7D7gS2XpJFbZiItSs3m9+9Ue6GnvHw/GW2ZZaVtszggXIw==\n\
        -----END PUBLIC KEY-----\n";
    /// RFC 7638 §3.1.
    const RSA_JWK: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}"#;
    /// RFC 8037 appendix A.2, A.4 and A.5.
    const ED25519_JWK: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const ED25519_SIGNED: [&str; 2] = [
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ];

    fn read(text: &str) -> Result<VerifyingKey, PublicKeyError> {
        VerifyingKey::from_text(text, None)
    }

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        for (jwk, thumbprint, algorithm) in [
            (ED25519_JWK, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", AssertionAlgorithm::EdDsa),
            (RSA_JWK, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", AssertionAlgorithm::Rs256),
        ] {
            let key = read(jwk).unwrap();
            assert_eq!((key.thumbprint().to_string().as_str(), key.algorithm()), (thumbprint, algorithm));
        }
    }

    #[test]
    fn a_key_is_the_same_as_jwk_and_as_pem() {
        assert_eq!(read(P256_JWK).unwrap(), read(P256_PEM).unwrap());
        assert_eq!(read(&format!("\n  {P256_PEM}  \n")).unwrap().algorithm(), AssertionAlgorithm::Es256);
        let rsa = read(RSA_JWK).unwrap();
        let again = VerifyingKey::from_spki(rsa.spki(), None).unwrap();
        assert_eq!(rsa, again);
        let stored = VerifyingKey::from_parts(rsa.algorithm(), rsa.thumbprint(), rsa.spki().into());
        assert_eq!(stored, rsa);
    }

    #[test]
    fn a_signature_is_verified_with_the_keys_own_algorithm() {
        let [message, signature] = ED25519_SIGNED;
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = read(ED25519_JWK).unwrap();
        assert!(key.verifies(message.as_bytes(), &signature));
        assert!(!key.verifies(b"other", &signature));
        assert!(!key.verifies(message.as_bytes(), &signature[1..]));
        assert!(!read(P256_JWK).unwrap().verifies(message.as_bytes(), &signature));

        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let sign = |encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), b"text", &mut signature).unwrap();
            signature
        };
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        for (algorithm, own, other) in [
            (AssertionAlgorithm::Rs256, sign(&RSA_PKCS1_SHA256), sign(&RSA_PSS_SHA256)),
            (AssertionAlgorithm::Ps256, sign(&RSA_PSS_SHA256), sign(&RSA_PKCS1_SHA256)),
        ] {
            let key = VerifyingKey::from_spki(spki.as_ref(), Some(algorithm)).unwrap();
            assert!(key.verifies(b"text", &own), "{algorithm:?}");
            assert!(!key.verifies(b"text", &other), "{algorithm:?}");
        }
    }

    #[test]
    fn rsa_keys_are_neither_too_short_nor_too_long() {
        let modulus = |bytes: usize, first: u8| {
            let mut n = vec![0xa5; bytes];
            (n[0], n[bytes - 1]) = (first, 1);
            format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, URL_SAFE_NO_PAD.encode(n))
        };
        assert!(read(&modulus(256, 0x80)).is_ok());
        assert!(read(&modulus(512, 0xff)).is_ok());
        for (bytes, first) in [(256, 0x7f), (128, 0x80), (513, 0x01), (1024, 0x80)] {
            assert_eq!(read(&modulus(bytes, first)), Err(PublicKeyError::Kind), "{bytes} {first}");
        }
    }

    #[test]
    fn points_off_the_curve_are_no_keys() {
        let off = P256_JWK.replace("4Etl6SRW", "4Etl6SRX");
        assert_eq!(read(&off), Err(PublicKeyError::Kind));
        let zero = URL_SAFE_NO_PAD.encode([0; 32]);
        let origin = format!(r#"{{"kty":"EC","crv":"P-256","x":"{zero}","y":"{zero}"}}"#);
        assert_eq!(read(&origin), Err(PublicKeyError::Kind));
    }

    #[test]
    fn rsa_keys_have_odd_numbers_and_no_exponent_that_signs_nothing() {
        let key = |e: &[u8], last: u8| {
            let mut n = vec![0xa5; 256];
            n[255] = last;
            let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
            read(&format!(r#"{{"kty":"RSA","e":"{e}","n":"{n}"}}"#))
        };
        assert!(key(&[3], 1).is_ok() && key(&[1, 0, 1], 1).is_ok());
        for (e, last) in
            [(&[1][..], 1), (&[2], 1), (&[0], 1), (&[], 1), (&[1, 0, 0], 1), (&[1, 0, 1], 2), (&[0xff; 9], 1)]
        {
            let refused = key(e, last);
            assert!(
                matches!(refused, Err(PublicKeyError::Rsa | PublicKeyError::Kind)),
                "{e:?} {last}: {refused:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", base64 in "[A-Za-z0-9+/]{0,200}") {
            let _ = read(&text);
            let _ = read(&format!("{{{text}"));
            let _ = read(&format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----"));
            let _ = read(&format!(r#"{{"kty":"RSA","n":"{base64}","e":"AQAB"}}"#));
        }
    }
}
