use async_trait::async_trait;
use domain::{
    AccountId, Action, Credential, KeyId, Keypair, KeypairRefusal, Owner, RevokedToken, SecretHash, Stamp,
    Timestamp, TokenId,
};

use crate::{Result, Slice};

/// A keypair with what it takes to decide what its tokens reach.
#[derive(Clone, Debug)]
pub struct LiveKeypair {
    /// The keypair; its owner is open, since closing an owner ends its keypairs.
    pub keypair: Keypair,
    /// The account that is the owner, or that owns the environment that is.
    pub account: AccountId,
    /// Those of its tokens that it revoked; some may have expired.
    pub revoked: Vec<TokenId>,
}

impl LiveKeypair {
    /// What its secrets, assertions and tokens are judged by.
    pub fn into_credential(self) -> Credential {
        Credential::of(&self.keypair).without_tokens(self.revoked)
    }
}

/// What came of revoking a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The token is worth nothing.
    Done,
    /// Nothing was done: as many are kept of the keypair as can be. The first of them needs no keeping from then on.
    Full(Timestamp),
}

/// That a keypair was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Which.
    pub keypair: KeyId,
    /// By which of its secrets or public keys.
    pub secret: u32,
    /// When.
    pub at: Timestamp,
}

/// What a change makes of a keypair and what the log calls it, or why it is refused.
pub type DecideKeypair<'a> =
    &'a (dyn Fn(&Keypair) -> Result<(Keypair, Action), KeypairRefusal> + Send + Sync);

/// Keypairs.
#[async_trait]
pub trait Keypairs: Send + Sync {
    /// Stores a new keypair with its secret's hash; `NotFound` or `Closed` if its owner is.
    async fn create_keypair(&self, stamp: &Stamp, keypair: &Keypair) -> Result<()>;

    /// The owner's keypair; `NotFound`, also if it is another owner's.
    async fn keypair(&self, owner: Owner, id: KeyId) -> Result<Keypair>;

    /// The owner's keypairs, the newest first.
    async fn keypairs(&self, owner: Owner, slice: Slice<KeyId>) -> Result<Vec<Keypair>>;

    /// Loads the owner's keypair, decides what becomes of it, and stores that: no other change comes in between, so
    /// one without a version can't lose a race. With `expected_version`, `Moved` unless it still has that version. What
    /// comes out as it was is not written. `NotFound`.
    async fn change_keypair(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        expected_version: Option<i64>,
        decide: DecideKeypair<'_>,
    ) -> Result<Result<Keypair, KeypairRefusal>>;

    /// Removes the owner's keypair for good. With `expected_version`, `Moved` unless it still has that version.
    /// `NotFound`.
    async fn remove_keypair(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        expected_version: Option<i64>,
    ) -> Result<()>;

    /// Keeps that the keypair revoked a token, one of [`domain::MAX_REVOKED`] at the most, and drops what need not be kept
    /// any longer. Of one that was revoked before, nothing is written. `NotFound` if the keypair is.
    async fn revoke_token(&self, stamp: &Stamp, keypair: KeyId, token: &RevokedToken) -> Result<Revocation>;

    /// Stops the keypair whose secret has this hash, as [`Keypair::leaked`] decides; none if there is none to stop, which
    /// nobody waits for. The only change that asks nothing of its author: to know the secret is the right to it.
    async fn disable_leaked(&self, stamp: &Stamp, secret: &SecretHash) -> Result<Option<KeyId>>;

    /// The keypairs that [`Keypair::retired`] may have something to do with at `now`, and whose they are: at least those.
    /// Cheap enough to be asked every few seconds.
    async fn keypairs_to_retire(&self, now: Timestamp) -> Result<Vec<(Owner, KeyId)>>;

    /// The keypair, whoever owns it; none if it does not exist, or no longer.
    async fn live_keypair(&self, id: KeyId) -> Result<Option<LiveKeypair>>;

    /// Notes when keypairs, secrets and public keys were last used; never moves a time back. Not atomic as a whole: other changes get
    /// their turn in between, and after a failure some are noted.
    async fn note_uses(&self, uses: &[KeyUse]) -> Result<()>;
}
