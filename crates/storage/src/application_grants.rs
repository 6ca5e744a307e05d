use async_trait::async_trait;
use domain::{
    ApplicationGrant, AuthorizationCode, ClientId, CodeExchange, GrantId, GrantRefusal, LiveGrant, Name,
    SecretHash, Stamp, Timestamp, UserId, Wanted,
};

use crate::{NamedPlace, Result, TokenHash};

/// What a person granted, as a list of it shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedGrant {
    /// What.
    pub grant: ApplicationGrant,
    /// The registered application; none for our own command line.
    pub application: Option<Name>,
    /// Where.
    pub place: NamedPlace,
}

/// What people let applications do, and the codes and refresh tokens that stand for it.
#[async_trait]
pub trait ApplicationGrants: Send + Sync {
    /// Stores a code that its person allowed in the session of this token. Leaves no line in the log: nothing was granted
    /// yet. `Fallen` if the session was ended or has run out, so that no code outlives what ended the others.
    async fn put_code(&self, code: &AuthorizationCode, session: &TokenHash) -> Result<()>;

    /// Exchanges the code, once: makes its grant, of this identifier and with its first refresh token. One that was
    /// exchanged before ends its grant, and the line says that it was used again. A grant is made only while the application exists and the person may do some of it.
    /// The line in the log is the person's, whoever's the stamp is.
    async fn exchange_code(
        &self,
        stamp: &Stamp,
        code: &SecretHash,
        exchange: &CodeExchange<'_>,
        id: GrantId,
        refresh_token: &SecretHash,
    ) -> Result<Result<LiveGrant, GrantRefusal>>;

    /// Puts another refresh token in place of the application's, if that is the one that works. One that was used before
    /// ends its grant, and so does a person who may do nothing of it any more. Only then there is a line in the log, which
    /// says if a token was used again.
    async fn refresh_grant(
        &self,
        stamp: &Stamp,
        client: ClientId,
        refresh_token: &SecretHash,
        wanted: &Wanted<'_>,
        next: &SecretHash,
    ) -> Result<Result<LiveGrant, GrantRefusal>>;

    /// The grant, if it has not run out at `now`, its owner is open, and its person has a role there.
    async fn live_grant(&self, id: GrantId, now: Timestamp) -> Result<Option<LiveGrant>>;

    /// The grant that a refresh token is of, whether it works or was used.
    async fn grant_of(&self, refresh_token: &SecretHash) -> Result<Option<ApplicationGrant>>;

    /// What the person granted and that has not run out at `now`, the newest first, at most `limit` of it.
    async fn grants_by(&self, user: UserId, now: Timestamp, limit: u32) -> Result<Vec<NamedGrant>>;

    /// Ends what this person granted, and what the same client has not fetched yet. `NotFound`, also if it is another's; `Fallen` if a session that the stamp has was
    /// ended. Without one the caller has a token of the grant, which is all that this takes.
    async fn revoke_grant(&self, stamp: &Stamp, user: UserId, id: GrantId) -> Result<()>;
}
