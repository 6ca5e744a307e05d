use domain::Fallen;

/// What a verb answers.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Why a verb did nothing.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such object, or no longer.
    #[error("no such object")]
    NotFound,
    /// The object was changed by somebody else since it was read.
    #[error("the object was changed in the meantime")]
    Moved,
    /// Whoever asks may not do it, or not any more.
    #[error("whoever asks may not do it, or not any more")]
    NotAllowed,
    /// What lets the program that asks do it was taken from it.
    #[error(transparent)]
    Fallen(Fallen),
    /// Something else already has that name or address.
    #[error("it exists already")]
    Exists,
    /// The account or environment is closed.
    #[error("it is closed")]
    Closed,
    /// The account would be left without an administrator.
    #[error("an account needs at least one administrator")]
    LastAdministrator,
    /// Rows of a batch name queries that take no responses: their places in the batch.
    #[error("some responses name queries that take none")]
    NotOpen(Vec<usize>),
    /// The store was written by a newer version of Feedback.
    #[error("the store is of version {found}, newer than this program's {known}")]
    TooNew {
        /// The version of the store.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// What is stored can't be understood.
    #[error("the store holds what it should not: {0}")]
    Corrupt(String),
    /// This kind of store leaves that to tools of its own: which.
    #[error("the store does not do that itself: {0}")]
    NotHere(&'static str),
    /// The store can't be reached, or failed.
    #[error("the store failed: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
