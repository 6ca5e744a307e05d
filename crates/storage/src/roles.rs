use async_trait::async_trait;
use domain::{Grant, Member, Place, Stamp, UserId};

use crate::Result;

/// Who may do what, where.
#[async_trait]
pub trait Roles: Send + Sync {
    /// Gives the user this role there, in place of any that the user held on the same account or environment.
    /// `NotFound`, `Closed`, `LastAdministrator`.
    async fn grant_role(&self, stamp: &Stamp, user: UserId, grant: Grant) -> Result<()>;

    /// Takes the user's role on exactly `grant.on` away. `NotFound` if the user holds none there;
    /// `LastAdministrator`.
    async fn revoke_role(&self, stamp: &Stamp, user: UserId, on: domain::Owner) -> Result<()>;

    /// Every role that the user holds on an open account or environment.
    async fn grants_of(&self, user: UserId) -> Result<Vec<Grant>>;

    /// Every user with a role at `place`, explicit or inherited from its account, by address; one who has both
    /// stands twice.
    async fn members(&self, place: Place) -> Result<Vec<Member>>;
}
