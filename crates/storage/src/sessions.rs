use async_trait::async_trait;
use domain::{PasswordHash, Timestamp, User, UserId};

use crate::{Result, TokenHash};

/// A person's being signed in on one browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// The hash of the cookie's token.
    pub token: TokenHash,
    /// Who is signed in.
    pub user: UserId,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the person has to sign in again.
    pub expires_at: Timestamp,
}

/// Sessions.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Stores a session for whoever's password was `verified`; `NotFound` if the user is gone or has another password
    /// by now, so that no session outlives the change that ended the others.
    async fn create_session(&self, session: &Session, verified: &PasswordHash) -> Result<()>;

    /// The session with this token that has not run out at `now`, and its user; `NotFound`.
    async fn session(&self, token: &TokenHash, now: Timestamp) -> Result<(Session, User)>;

    /// Ends the session, if there is one.
    async fn delete_session(&self, token: &TokenHash) -> Result<()>;
}
