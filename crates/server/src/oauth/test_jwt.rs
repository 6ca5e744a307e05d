//! Tokens under test, taken apart.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// Part `n` of a JWT: its header, or its claims.
pub(super) fn part(jwt: &str, n: usize) -> Value {
    let encoded = jwt.split('.').nth(n).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}
