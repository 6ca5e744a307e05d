use async_trait::async_trait;
use domain::{Application, ApplicationId, Owner, Stamp, Timestamp};

use crate::{Result, Slice};

/// An application with how many people let it act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationInUse {
    /// Which.
    pub application: Application,
    /// How many people have let it act, and not ended that.
    pub people: u64,
}

/// Registered applications.
#[async_trait]
pub trait Applications: Send + Sync {
    /// Stores a new application; `NotFound` or `Closed` if its owner is.
    async fn create_application(&self, stamp: &Stamp, application: &Application) -> Result<()>;

    /// The owner's application, as at `now`; `NotFound`, also if it is another owner's.
    async fn application(&self, owner: Owner, id: ApplicationId, now: Timestamp) -> Result<ApplicationInUse>;

    /// The owner's applications, as at `now`, the newest first.
    async fn applications(
        &self,
        owner: Owner,
        slice: Slice<ApplicationId>,
        now: Timestamp,
    ) -> Result<Vec<ApplicationInUse>>;

    /// The application, whoever owns it; none if it does not exist, or no longer.
    async fn live_application(&self, id: ApplicationId) -> Result<Option<Application>>;

    /// Removes the owner's application for good, with all that people granted it. `NotFound`.
    async fn remove_application(&self, stamp: &Stamp, owner: Owner, id: ApplicationId) -> Result<()>;
}
