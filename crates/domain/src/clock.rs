use jiff::Timestamp;

/// Where the time comes from. Passed in, so that tests can set it.
pub trait Clock: Send + Sync {
    /// The current instant, in whole milliseconds: what the stores keep.
    fn now(&self) -> Timestamp;
}

/// `at` without what is below a millisecond.
pub fn truncated_to_millis(at: Timestamp) -> Timestamp {
    from_millis(at.as_millisecond())
}

/// The instant `millis` milliseconds after the Unix epoch; the epoch's own for a number outside of time.
pub fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The day in UTC that `at` falls on.
pub fn utc_date(at: Timestamp) -> jiff::civil::Date {
    jiff::tz::Offset::UTC.to_datetime(at).date()
}
