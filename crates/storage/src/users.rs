use async_trait::async_trait;
use domain::{Email, PasswordHash, Stamp, User, UserId};

use crate::{Result, Slice};

/// Users.
#[async_trait]
pub trait Users: Send + Sync {
    /// Stores a new user; `Exists` if the address is taken.
    async fn create_user(&self, stamp: &Stamp, user: &User, password: &PasswordHash) -> Result<()>;

    /// The user; `NotFound`.
    async fn user(&self, id: UserId) -> Result<User>;

    /// The user with this address, and the hash of the password; `NotFound`.
    async fn user_by_email(&self, email: &Email) -> Result<(User, PasswordHash)>;

    /// Whether any user has this address. For deciding what a form asks, never shown to strangers.
    async fn email_is_known(&self, email: &Email) -> Result<bool>;

    /// Users, the oldest first.
    async fn users(&self, slice: Slice<UserId>) -> Result<Vec<User>>;

    /// Sets another password and ends every session of the user, which only the operator and the user may. `NotFound`;
    /// `Fallen` if the session that the user does it in was ended.
    async fn set_password(&self, stamp: &Stamp, id: UserId, password: &PasswordHash) -> Result<()>;

    /// Removes the user with every role and session, and every invitation to the address; each role and invitation
    /// leaves a line in the log of the account or environment that it was for. `NotFound`; `LastAdministrator` of an
    /// open account.
    async fn remove_user(&self, stamp: &Stamp, id: UserId) -> Result<()>;
}
