//! Codes: 256 random bits in base64url, of which the store has the hash.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::SecretHash;

use crate::app::App;
use crate::crypto::sha256;

/// A new code.
pub(crate) fn generate(app: &App) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(app.entropy.bytes::<32>())
}

/// What is stored in place of a code.
pub(crate) fn hash(code: &str) -> SecretHash {
    SecretHash::from_bytes(sha256(code.as_bytes()))
}
