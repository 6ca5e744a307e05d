use jiff::Timestamp;

/// Whether an account, an environment or a query is still in use. Closing is for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In use.
    Open,
    /// Stopped at that instant.
    Closed(Timestamp),
}

impl State {
    /// Whether it is still in use.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }

    /// When it was closed, if it was.
    pub fn closed_at(self) -> Option<Timestamp> {
        match self {
            Self::Open => None,
            Self::Closed(at) => Some(at),
        }
    }

    /// `open` or `closed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed(_) => "closed",
        }
    }
}
