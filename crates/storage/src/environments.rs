use async_trait::async_trait;
use domain::{AccountId, Environment, EnvironmentId, Name, Stamp};

use crate::{Result, Slice};

/// Environments.
#[async_trait]
pub trait Environments: Send + Sync {
    /// Stores a new environment; `NotFound` or `Closed` if its account is.
    async fn create_environment(&self, stamp: &Stamp, environment: &Environment) -> Result<()>;

    /// The environment, open or closed; `NotFound`.
    async fn environment(&self, id: EnvironmentId) -> Result<Environment>;

    /// The environments of an account, open and closed, the oldest first.
    async fn environments(&self, account: AccountId, slice: Slice<EnvironmentId>)
    -> Result<Vec<Environment>>;

    /// The open environments of an account, the oldest first.
    async fn open_environments(
        &self,
        account: AccountId,
        slice: Slice<EnvironmentId>,
    ) -> Result<Vec<Environment>>;

    /// Renames the environment. With `expected_version`, `Moved` unless it still has that version. `NotFound`,
    /// `Closed`.
    async fn rename_environment(
        &self,
        stamp: &Stamp,
        id: EnvironmentId,
        expected_version: Option<i64>,
        name: &Name,
    ) -> Result<Environment>;

    /// Closes the environment and ends every keypair, role and invitation of it, in one transaction. With
    /// `expected_version`, `Moved` unless it still has that version. `NotFound`, `Closed`.
    async fn close_environment(
        &self,
        stamp: &Stamp,
        id: EnvironmentId,
        expected_version: Option<i64>,
    ) -> Result<Environment>;
}
