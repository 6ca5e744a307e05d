use async_trait::async_trait;
use domain::{Grant, Member, Name, Place, Stamp, UserId};

use crate::{Result, Slice};

/// An account or environment, as lists of them show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPlace {
    /// Which.
    pub place: Place,
    /// The name of the account that it is, or that owns it.
    pub account: Name,
    /// Its own name, of an environment.
    pub environment: Option<Name>,
}

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

    /// The open accounts and environments that the user holds a role on, explicit or inherited, each once: account by
    /// account, its environments after it.
    async fn places_of(&self, user: UserId, slice: Slice<Place>) -> Result<Vec<NamedPlace>>;

    /// Every user with a role at `place`, explicit or inherited from its account, by address; one who has both
    /// stands twice.
    async fn members(&self, place: Place) -> Result<Vec<Member>>;
}
