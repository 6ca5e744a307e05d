//! Instants, days and numbers as people read them.

use domain::{Date, SignedDuration, Timestamp};
use jiff::tz::TimeZone;

/// An instant: how long ago it is, and exactly.
#[derive(Clone, Debug)]
pub(super) struct When {
    pub(super) iso: String,
    pub(super) exact: String,
    pub(super) relative: String,
}

impl When {
    /// `at`, as seen from `now`.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let utc = TimeZone::UTC.to_datetime(at);
        Self {
            iso: at.to_string(),
            exact: utc.strftime("%-d %B %Y, %H:%M:%S UTC").to_string(),
            relative: relative(at.as_second() - now.as_second()),
        }
    }
}

/// The same words as the script's, so that nothing jumps when it refreshes them.
fn relative(seconds: i64) -> String {
    let away = seconds.abs();
    let (size, unit) = match away {
        0..45 => return "just now".to_owned(),
        45..60 => (1, "second"),
        60..3600 => (60, "minute"),
        3600..86_400 => (3600, "hour"),
        86_400..2_592_000 => (86_400, "day"),
        2_592_000..63_072_000 => (2_592_000, "month"),
        _ => (31_536_000, "year"),
    };
    match ((away + size / 2) / size, unit, seconds < 0) {
        (1, "day", true) => "yesterday".to_owned(),
        (1, "day", false) => "tomorrow".to_owned(),
        (1, "month", true) => "last month".to_owned(),
        (1, "month", false) => "next month".to_owned(),
        (1, _, true) => format!("1 {unit} ago"),
        (1, _, false) => format!("in 1 {unit}"),
        (n, _, true) => format!("{} {unit}s ago", grouped(n.unsigned_abs())),
        (n, _, false) => format!("in {} {unit}s", grouped(n.unsigned_abs())),
    }
}

/// A length of time in one unit, as in `3 days`; what is below that is left out.
pub(super) fn length(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let fits = |size: i64| seconds >= 2 * size || seconds == size;
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute")];
    let (size, unit) = units.into_iter().find(|(size, _)| fits(*size)).unwrap_or((1, "second"));
    match seconds / size {
        1 => format!("1 {unit}"),
        n => format!("{n} {unit}s"),
    }
}

/// The instant at which a day begins, in UTC.
pub(super) fn beginning_of(day: Date) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
}

/// A day in a sentence: `24 November 2026`.
pub(super) fn long_day(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}

/// A day in a chart: `24 Nov`.
pub(super) fn short_day(day: Date) -> String {
    day.strftime("%-d %b").to_string()
}

/// A number with its thousands parted: `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_read_as_the_browsers_own() {
        for (seconds, words) in [
            (-3, "just now"),
            (-59, "59 seconds ago"),
            (-61, "1 minute ago"),
            (-5400, "2 hours ago"),
            (-7200, "2 hours ago"),
            (86_395, "in 24 hours"),
            (7 * 86_400 - 5, "in 7 days"),
            (-90_000, "yesterday"),
            (90_000, "tomorrow"),
            (-5 * 86_400, "5 days ago"),
            (86_400 * 40, "next month"),
            (86_400 * 521, "in 17 months"),
            (86_400 * 730 - 1, "in 24 months"),
            (86_400 * 730, "in 2 years"),
            (-86_400 * 800, "2 years ago"),
            (86_400 * 365 * 7_973, "in 7,973 years"),
            (7200, "in 2 hours"),
        ] {
            assert_eq!(relative(seconds), words, "{seconds}");
        }
    }

    #[test]
    fn lengths_are_told_in_one_unit() {
        for (seconds, words) in [
            (-1, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (90, "90 seconds"),
            (5400, "90 minutes"),
            (3600, "1 hour"),
            (86_400, "1 day"),
            (100_000, "27 hours"),
            (7 * 86_400, "7 days"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), words, "{seconds}");
        }
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }
}
