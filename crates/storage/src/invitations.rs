use async_trait::async_trait;
use domain::{Email, Grant, Owner, PasswordHash, Stamp, Timestamp, User};

use crate::{Result, TokenHash};

/// A role that waits for a person to take it up by a one-time link.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The hash of the link's token.
    pub token: TokenHash,
    /// Whom it is for.
    pub email: Email,
    /// What it brings.
    pub grant: Grant,
    /// Until when it can be taken up.
    pub expires_at: Timestamp,
}

/// Who takes an invitation up.
#[derive(Clone, Debug)]
pub enum NewPerson {
    /// Somebody who has signed in before.
    Known(domain::UserId),
    /// Somebody new, who chose a password.
    New(User, PasswordHash),
}

/// Invitations.
#[async_trait]
pub trait Invitations: Send + Sync {
    /// Stores an invitation, in place of one for the same person to the same account or environment. `NotFound` or
    /// `Closed` if what it is for is.
    async fn create_invitation(&self, stamp: &Stamp, invitation: &Invitation) -> Result<()>;

    /// The invitation with this token that has not run out at `now`; `NotFound`.
    async fn invitation(&self, token: &TokenHash, now: Timestamp) -> Result<Invitation>;

    /// The invitations to `on` that have not run out at `now`, by address.
    async fn invitations(&self, on: Owner, now: Timestamp) -> Result<Vec<Invitation>>;

    /// Uses the invitation up: stores the person if new, and the role; a mightier role that the person already
    /// holds there stays. `NotFound` if it has run out or was revoked, or if a known person's address is not the
    /// invited one; `Exists` if a new person's address is taken.
    async fn accept_invitation(
        &self,
        stamp: &Stamp,
        token: &TokenHash,
        person: &NewPerson,
    ) -> Result<Invitation>;

    /// Takes an invitation back; `NotFound`.
    async fn revoke_invitation(&self, stamp: &Stamp, on: Owner, email: &Email) -> Result<()>;
}
