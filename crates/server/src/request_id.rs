//! A name for each request, which the client, the problem that it is shown and the log agree on.

use std::sync::Arc;

use domain::Entropy;

/// The request's name: 16 hexadecimal digits.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

impl RequestId {
    /// A new one.
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        Self(format!("{:016x}", u64::from_be_bytes(entropy.bytes())).into())
    }
}
