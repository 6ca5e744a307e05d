//! A JWT that a client signed, in the compact form (RFC 7515 §7.1): read here, believed by whoever knows which key must have
//! signed it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::api::body::Object;

/// The parts of one. Members that stand twice are not read.
#[derive(Debug)]
pub(super) struct ClientJwt<'a, H, C> {
    pub(super) header: H,
    pub(super) claims: C,
    /// What is signed.
    pub(super) message: &'a str,
    pub(super) signature: Vec<u8>,
}

impl<'a, H: DeserializeOwned, C: DeserializeOwned> ClientJwt<'a, H, C> {
    /// Reads one; none if the text is none.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            message,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

fn part<T: DeserializeOwned>(part: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<Object<T>>(&json).ok().map(|Object(value)| value)
}

/// Whether a member is there at all, whatever it is.
pub(super) fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// A number that may be missing, but is nothing else.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    f64::deserialize(deserializer).map(Some)
}
