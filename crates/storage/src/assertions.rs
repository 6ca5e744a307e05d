use async_trait::async_trait;
use domain::{KeyId, Timestamp};

use crate::Result;

/// Whether a client's assertion came for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionUse {
    /// Nobody presented it before.
    First,
    /// It was presented before, to this node or another.
    Replayed,
}

/// The assertions that clients authenticated with (RFC 7523).
#[async_trait]
pub trait Assertions: Send + Sync {
    /// Notes that the assertion of the keypair with this SHA-256 of its `jti` was presented, and answers whether for the
    /// first time: of any number at the same time, exactly one is. Kept until the first
    /// [`sweep`](crate::Upkeep::sweep) after `kept_until`. It changes nothing that is true of the keypair, and leaves no
    /// line in the log.
    async fn use_assertion(
        &self,
        keypair: KeyId,
        jti_hash: &[u8; 32],
        kept_until: Timestamp,
    ) -> Result<AssertionUse>;
}
