//! What Feedback asks of a store.
//!
//! [`Storage`] is a list of verbs, one trait per noun. Each verb is atomic: it happens whole, or not at all, also
//! when the process is killed in the middle, unless it says otherwise. Each administrative verb takes a [`domain::Stamp`] and writes its line
//! of the audit log, which is also the change feed, in the same transaction.
//!
//! Every backend passes the suite in `conformance`.

mod accounts;
mod application_grants;
mod applications;
mod assertions;
mod audit;
mod environments;
mod error;
mod invitations;
mod keypairs;
mod people;
mod queries;
mod record;
mod responses;
mod roles;
mod server_keys;
mod sessions;
mod standing;
mod upkeep;
mod usages;
mod users;

#[cfg(feature = "conformance")]
#[allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: each is named after its promise, and fails by panicking"
)]
pub mod conformance;

pub use accounts::Accounts;
pub use application_grants::{ApplicationGrants, NamedGrant};
pub use applications::{ApplicationInUse, Applications};
pub use assertions::{AssertionUse, Assertions};
pub use audit::{Audit, Change};
pub use environments::Environments;
pub use error::{Result, StorageError};
pub use invitations::{Invitation, Invitations, NewPerson};
pub use keypairs::{DecideKeypair, KeyUse, Keypairs, LiveKeypair, Revocation};
pub use people::{People, chunk_of};
pub use queries::{DecideQuery, Queries};
pub use record::Record;
pub use responses::{Accepted, Responses};
pub use roles::{NamedPlace, Roles};
pub use server_keys::{DecideSigningKeys, Reseal, ServerKeys, SigningKey, SigningKeyChange};
pub use sessions::{Session, Sessions};
pub use standing::{require_person, require_standing};
pub use upkeep::Upkeep;
pub use usages::{DecideByUse, Usages};
pub use users::Users;

/// Every verb of every noun.
pub trait Storage:
    Accounts
    + ApplicationGrants
    + Applications
    + Assertions
    + Audit
    + Environments
    + Invitations
    + Keypairs
    + Queries
    + Responses
    + Roles
    + ServerKeys
    + Sessions
    + Upkeep
    + Usages
    + Users
{
}

impl<T> Storage for T where
    T: Accounts
        + ApplicationGrants
        + Applications
        + Assertions
        + Audit
        + Environments
        + Invitations
        + Keypairs
        + Queries
        + Responses
        + Roles
        + ServerKeys
        + Sessions
        + Upkeep
        + Usages
        + Users
{
}

/// A part of a list in the order of identifiers: what comes after `after`, at most `limit` of it.
#[derive(Clone, Copy, Debug)]
pub struct Slice<Id> {
    /// Where the part before ended; from the start without it.
    pub after: Option<Id>,
    /// The most items.
    pub limit: u32,
}

impl<Id> Slice<Id> {
    /// The first `limit` items.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}

/// The SHA-256 of a random token that only its holder has: a session's, an invitation's, a set-up link's.
pub type TokenHash = [u8; 32];
