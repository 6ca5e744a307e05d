//! Key pairs of clients under test: what they sign with, and their public halves in both forms.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A key pair as its owner has it.
pub(super) enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static str, &'static dyn RsaEncoding),
}

impl Signer {
    pub(super) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn eddsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().unwrap())
    }

    pub(super) fn rs256(size: KeySize) -> Self {
        Self::Rsa(RsaKeyPair::generate(size).unwrap(), "RS256", &RSA_PKCS1_SHA256)
    }

    pub(super) fn ps256() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap(), "PS256", &RSA_PSS_SHA256)
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rsa(_, name, _) => name,
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair, _, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    pub(super) fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Es256(pair) => pair.public_key().as_der().unwrap(),
            Self::EdDsa(pair) => pair.public_key().as_der().unwrap(),
            Self::Rsa(pair, ..) => pair.public_key().as_der().unwrap(),
        };
        let base64 = BASE64_STANDARD.encode(der.as_ref());
        let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    pub(super) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Self::EdDsa(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
            Self::Rsa(pair, algorithm, _) => {
                let n = encode(pair.public_key().modulus().big_endian_without_leading_zero());
                let e = encode(pair.public_key().exponent().big_endian_without_leading_zero());
                json!({"kty": "RSA", "n": n, "e": e, "alg": algorithm})
            }
        }
    }

    pub(super) fn header(&self) -> Value {
        json!({"typ": "JWT", "alg": self.algorithm()})
    }

    pub(super) fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signed_text(&header.to_string(), &claims.to_string())
    }

    pub(super) fn signed_text(&self, header: &str, claims: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(header), encode(claims));
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes())))
    }
}
