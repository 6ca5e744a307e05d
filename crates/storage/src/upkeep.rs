use std::path::Path;

use async_trait::async_trait;
use domain::{Stamp, Timestamp};

use crate::Result;

/// What keeps a store well.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Answers if the store can be read.
    async fn ping(&self) -> Result<()>;

    /// Forgets sessions, invitations, used assertions, codes and grants that had run out at `now`, tokens whose revocation
    /// need not be kept, and usage from before the days that are kept. Not atomic as a whole: other verbs get their turn
    /// between parts of it.
    async fn sweep(&self, now: Timestamp) -> Result<()>;

    /// Writes a consistent copy of the store to a new file, beside running servers; `Exists`. `NotHere` for a store that
    /// others copy, always.
    async fn backup(&self, to: &Path) -> Result<()>;

    /// Makes a copy of a store a store of its own: every keypair starts a generation beyond any that it ever had, so
    /// no token from before is worth anything, and sessions, invitations, set-up links and what people granted to
    /// applications end.
    async fn outlive_copies(&self, stamp: &Stamp) -> Result<()>;

    /// Verifies the store itself, and that what reports read agrees with the responses; every fault found, in words.
    async fn check(&self) -> Result<Vec<String>>;

    /// Lets go of the store, without holding up whoever else has it open; every later verb is `Unavailable`.
    async fn close(&self);
}
