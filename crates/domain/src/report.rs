use jiff::{Timestamp, ToSpan, civil::Date};

use crate::QueryId;

/// The most days that a report can span.
pub const MAX_DAYS: i32 = 366;

/// The most preceding periods that a combined report can bring.
pub const MAX_HISTORY: u8 = 12;

/// The days from `from` to `to`, both included, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    from: Date,
    to: Date,
}

/// Why a period was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It ends before it begins.
    #[error("`from` must not be later than `to`")]
    Reversed,
    /// It is too long.
    #[error("a report spans at most {MAX_DAYS} days; this is {0}")]
    TooLong(i32),
}

impl Period {
    /// The period from `from` to `to`: at most [`MAX_DAYS`] days.
    pub fn new(from: Date, to: Date) -> Result<Self, PeriodError> {
        if from > to {
            return Err(PeriodError::Reversed);
        }
        let period = Self { from, to };
        if period.days() > MAX_DAYS {
            return Err(PeriodError::TooLong(period.days()));
        }
        Ok(period)
    }

    /// The `days` days that end with `to`.
    pub fn ending(to: Date, days: u16) -> Self {
        let days = i32::from(days).clamp(1, MAX_DAYS);
        Self { from: to.saturating_sub((days - 1).days()), to }
    }

    /// Its first day.
    pub fn from(self) -> Date {
        self.from
    }

    /// Its last day.
    pub fn to(self) -> Date {
        self.to
    }

    /// How many days it has.
    pub fn days(self) -> i32 {
        (self.to - self.from).get_days() + 1
    }

    /// Each of its days as a period of its own.
    pub fn each_day(self) -> impl Iterator<Item = Self> {
        self.from
            .series(1.day())
            .take_while(move |day| *day <= self.to)
            .map(|day| Self { from: day, to: day })
    }

    /// The period of the same length that ends the day before this one begins.
    pub fn preceding(self) -> Self {
        let to = self.from.saturating_sub(1.day());
        Self { from: to.saturating_sub((self.days() - 1).days()), to }
    }
}

/// Which responses a report counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Every response.
    Overview,
    /// Those that answer no query.
    Spontaneous,
    /// Those to one query.
    Query(QueryId),
}

/// How many responses gave each score; the first is for 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scores(pub [u64; 5]);

impl Scores {
    /// How many responses there are.
    pub fn responses(self) -> u64 {
        self.0.iter().sum()
    }

    /// Their mean score; none without a response.
    pub fn average(self) -> Option<f64> {
        let total: u64 = (1..).zip(self.0).map(|(score, count)| score * count).sum();
        match self.responses() {
            0 => None,
            responses => Some(total as f64 / responses as f64),
        }
    }
}

/// What a report says of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Of which days.
    pub period: Period,
    /// The distribution, and with it the total and the average.
    pub scores: Scores,
    /// How many different people answered in the whole period.
    pub respondents: u64,
    /// From how many different machines.
    pub machines: u64,
}

impl Point {
    /// A period in which nobody answered.
    pub fn empty(period: Period) -> Self {
        Self { period, scores: Scores::default(), respondents: 0, machines: 0 }
    }
}

/// A point for every day of the period, given those of the days on which there is a response, the earliest first.
pub fn every_day(period: Period, found: &[Point]) -> Vec<Point> {
    let mut found = found.iter().peekable();
    period
        .each_day()
        .map(|day| found.next_if(|point| point.period == day).copied().unwrap_or_else(|| Point::empty(day)))
        .collect()
}

/// All that was ever answered to one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryStatistics {
    /// The distribution.
    pub scores: Scores,
    /// How many different people answered.
    pub respondents: u64,
    /// From how many different machines.
    pub machines: u64,
    /// The earliest response.
    pub first_response_at: Option<Timestamp>,
    /// The latest response.
    pub last_response_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn periods_are_bounded_and_ordered() {
        let (first, last) = (date(2024, 1, 1), date(2024, 12, 31));
        assert_eq!(Period::new(first, last).unwrap().days(), 366);
        assert_eq!(Period::new(date(2023, 12, 31), last), Err(PeriodError::TooLong(367)));
        assert_eq!(Period::new(last, first), Err(PeriodError::Reversed));
        assert_eq!(Period::new(first, first).unwrap().each_day().count(), 1);
    }

    #[test]
    fn the_preceding_period_touches_and_has_the_same_length() {
        let march = Period::new(date(2024, 3, 1), date(2024, 3, 31)).unwrap();
        let before = march.preceding();
        assert_eq!((before.from(), before.to()), (date(2024, 1, 30), date(2024, 2, 29)));
        assert_eq!(before.days(), march.days());
    }

    #[test]
    fn days_without_a_response_are_points_too() {
        let week = Period::new(date(2024, 2, 26), date(2024, 3, 3)).unwrap();
        let on = |day| Period::new(day, day).unwrap();
        let found: Vec<Point> = [date(2024, 2, 26), date(2024, 2, 29)]
            .map(|day| Point { scores: Scores([1, 0, 0, 0, 0]), ..Point::empty(on(day)) })
            .to_vec();
        let every = every_day(week, &found);
        assert_eq!(
            every.iter().map(|point| point.scores.responses()).collect::<Vec<_>>(),
            [1, 0, 0, 1, 0, 0, 0]
        );
        assert!(every.iter().map(|point| point.period).eq(week.each_day()));
    }

    #[test]
    fn the_average_is_weighted() {
        assert_eq!(Scores([1, 0, 0, 0, 1]).average(), Some(3.0));
        assert_eq!(Scores::default().average(), None);
    }
}
