use async_trait::async_trait;
use domain::{
    AccountId, Action, CountedUsage, Date, KeyId, Keypair, KeypairInUse, KeypairRefusal, Owner, Scopes,
    Stamp, Usage,
};

use crate::Result;

/// What a change makes of a keypair by the scopes that were used, and what the log calls it, or why it is refused.
pub type DecideByUse<'a> =
    &'a (dyn Fn(&Keypair, Scopes) -> Result<(Keypair, Action), KeypairRefusal> + Send + Sync);

/// How keypairs are used. It changes nothing that is true of them, leaves no line in the log, and goes with the keypair.
#[async_trait]
pub trait Usages: Send + Sync {
    /// Adds to what was counted; of keypairs that do not exist any more, nothing is kept.
    async fn add_usage(&self, usage: &[Usage]) -> Result<()>;

    /// What was counted of the keypair from that day on. Of one that does not exist, that is nothing.
    async fn usage(&self, keypair: KeyId, from: Date) -> Result<CountedUsage>;

    /// How many requests each of these keypairs was let in with on each day from that one on. Days without any are missing.
    async fn requests_by_day(&self, keypairs: &[KeyId], from: Date) -> Result<Vec<(KeyId, Date, u64)>>;

    /// The keypairs that were used from that day on and would end with the owner: its own, and an account's environments'.
    /// With `above`, that account's own too, which reach an environment of it. The latest first, at most `limit`.
    async fn keypairs_in_use(
        &self,
        owner: Owner,
        above: Option<AccountId>,
        from: Date,
        limit: u32,
    ) -> Result<Vec<KeypairInUse>>;

    /// Decides by which scopes the owner's keypair was used from that day on what becomes of it, as
    /// [`change_keypair`](crate::Keypairs::change_keypair) does: neither another change nor more usage comes in between.
    async fn change_keypair_by_use(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        from: Date,
        decide: DecideByUse<'_>,
    ) -> Result<Result<Keypair, KeypairRefusal>>;
}
