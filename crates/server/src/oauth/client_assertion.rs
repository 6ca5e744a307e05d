//! What a client signs to say who it is: a JWT (RFC 7523 §3, as draft-ietf-oauth-rfc7523bis narrows it: `aud` is the
//! issuer alone). Read here, believed only if one of the keypair's public keys verifies it.

use domain::{AssertionAlgorithm, Credential, KeyId, Timestamp, from_millis};
use serde::Deserialize;

use super::client_jwt::{ClientJwt, is_there, number};
use crate::crypto::sha256;

/// The one value of `client_assertion_type` (RFC 7523 §2.2).
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far ahead an assertion may expire, in seconds. It bounds how long each has to be kept, and so how many a keypair
/// can have us keep at a time.
const LONGEST: f64 = 300.0;

/// By how much the client's clock, or that of another node, may be wrong, in seconds.
const LEEWAY: f64 = 30.0;

const LONGEST_JTI: usize = 128;

/// An assertion that can be read; it may say what is not true.
#[derive(Debug)]
pub(super) struct ClientAssertion {
    /// Whose it says it is.
    pub(super) key: KeyId,
    algorithm: AssertionAlgorithm,
    kid: Option<String>,
    claims: Claims,
    /// What is signed.
    message: String,
    signature: Vec<u8>,
}

/// What is left to ask of an assertion that holds: whether it is presented for the first time.
#[derive(Debug)]
pub(super) struct Holds {
    /// The number of the public key that verified it.
    pub(super) n: u32,
    pub(super) jti_hash: [u8; 32],
    /// Until when it could be presented again, on any node.
    pub(super) kept_until: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    // Keys come from the store alone, and an extension that must be understood is not (RFC 7515 §4.1).
    #[serde(default, deserialize_with = "is_there")]
    jwk: bool,
    #[serde(default, deserialize_with = "is_there")]
    jku: bool,
    #[serde(default, deserialize_with = "is_there")]
    x5u: bool,
    #[serde(default, deserialize_with = "is_there")]
    x5c: bool,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    #[serde(default, deserialize_with = "number")]
    iat: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    nbf: Option<f64>,
    jti: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    Plain(String),
    Listed([String; 1]),
}

impl ClientAssertion {
    /// Reads an assertion; none of what it could be if it is not well-formed, or signed in a way that is not used here,
    /// or of somebody else than `client_id` says.
    pub(super) fn read(text: &str, client_id: Option<&str>) -> Option<Self> {
        let ClientJwt::<Header, Claims> { header, claims, message, signature } = ClientJwt::read(text)?;
        if header.jwk || header.jku || header.x5u || header.x5c || header.crit {
            return None;
        }
        let typ =
            |typ: &str| ["JWT", "client-authentication+jwt"].iter().any(|ok| typ.eq_ignore_ascii_case(ok));
        if !header.typ.as_deref().is_none_or(typ) {
            return None;
        }
        if claims.iss != claims.sub || client_id.is_some_and(|id| id != claims.sub) {
            return None;
        }
        Some(Self {
            key: claims.sub.parse().ok()?,
            algorithm: header.alg.parse().ok()?,
            kid: header.kid,
            claims,
            message: message.to_owned(),
            signature,
        })
    }

    /// Judges what it says at `now`, and who signed it, with the keypair that it says it is of.
    pub(super) fn judge(&self, credential: &Credential, issuer: &str, now: Timestamp) -> Option<Holds> {
        let Claims { aud, exp, iat, nbf, jti, .. } = &self.claims;
        let (Audience::Plain(aud) | Audience::Listed([aud])) = aud;
        // Exact: an f64 holds milliseconds for thousands of years.
        let seconds = now.as_millisecond() as f64 / 1000.0;
        let begun = |at: &Option<f64>| at.is_none_or(|at| at <= seconds + LEEWAY);
        let in_time =
            seconds < exp + LEEWAY && *exp <= seconds + LONGEST + LEEWAY && begun(iat) && begun(nbf);
        if aud != issuer || !in_time || !(1..=LONGEST_JTI).contains(&jti.chars().count()) {
            return None;
        }
        let n = credential.verify(
            self.algorithm,
            self.kid.as_deref(),
            self.message.as_bytes(),
            &self.signature,
            now,
        )?;
        // A node that forgets it by a clock ahead of ours must not do so while ours would let it pass.
        let kept_until = ((exp + LEEWAY + LEEWAY) * 1000.0).ceil() as i64;
        Some(Holds { n, jti_hash: sha256(jti.as_bytes()), kept_until: from_millis(kept_until) })
    }
}
