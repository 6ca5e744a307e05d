//! What the pages with charts share: the period asked for, and its figures.

use domain::{Date, EnvironmentId, Period, Point, Series, Timestamp, utc_date};
use serde::Deserialize;

use super::chart::{self, Chart, ScoreRow};
use super::failure::PageError;
use super::when::{grouped, long_day};
use crate::app::App;

const CHOICES: [u16; 3] = [7, 30, 90];
const DEFAULT: u16 = 30;

/// The period as the address names it: `days`, or `from` and `to`.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    days: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// The period that a page shows, and the ways to another.
pub(super) struct PeriodView {
    pub(super) words: String,
    pub(super) choices: Vec<PeriodChoice>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) today: String,
    pub(super) asked: bool,
    pub(super) error: Option<String>,
}

/// One of the usual periods.
pub(super) struct PeriodChoice {
    pub(super) href: String,
    pub(super) text: String,
    pub(super) current: bool,
}

/// The period asked for; the usual one, with a word of error, if there is none of that kind.
pub(super) fn period(asked: &Asked, now: Timestamp) -> (Period, PeriodView) {
    let today = utc_date(now);
    let (period, error) = match read(asked, today) {
        Ok(period) => (period, None),
        Err(error) => (Period::ending(today, DEFAULT), Some(error)),
    };
    let choice = |days: u16| PeriodChoice {
        href: format!("?days={days}"),
        text: format!("{days} days"),
        current: period.to() == today && period.days() == i32::from(days),
    };
    let view = PeriodView {
        words: format!("{} – {}", long_day(period.from()), long_day(period.to())),
        choices: CHOICES.into_iter().map(choice).collect(),
        from: period.from().to_string(),
        to: period.to().to_string(),
        today: today.to_string(),
        asked: asked.days.is_some() || asked.from.is_some() || asked.to.is_some(),
        error,
    };
    (period, view)
}

fn read(asked: &Asked, today: Date) -> Result<Period, String> {
    let date = |text: &str| text.parse::<Date>().map_err(|_| "Write days as in 2026-01-31.".to_owned());
    match (&asked.days, &asked.from, &asked.to) {
        (None, None, None) => Ok(Period::ending(today, DEFAULT)),
        (Some(days), None, None) => match days.parse::<u16>() {
            Ok(days) if CHOICES.contains(&days) => Ok(Period::ending(today, days)),
            _ => Err("Choose 7, 30 or 90 days, or the first and the last day.".to_owned()),
        },
        (None, Some(from), Some(to)) => {
            let (from, to) = (date(from)?, date(to)?);
            if from > to {
                return Err("The first day must not come after the last.".to_owned());
            }
            Period::new(from, to).map_err(|_| format!("A report spans at most {} days.", domain::MAX_DAYS))
        }
        _ => Err("Give both the first and the last day.".to_owned()),
    }
}

/// The figures of a period.
pub(super) struct ReportView {
    pub(super) tiles: Vec<Tile>,
    pub(super) chart: Chart,
    pub(super) scores: Vec<ScoreRow>,
    pub(super) split: Split,
}

/// One figure, and how it changed against the period before.
pub(super) struct Tile {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) of: &'static str,
    pub(super) change: Option<Change>,
    pub(super) against: String,
}

/// A change, in words and colour.
pub(super) struct Change {
    pub(super) class: &'static str,
    pub(super) icon: &'static str,
    pub(super) word: &'static str,
    pub(super) text: String,
}

/// How many answered a query, and how many spoke up unasked.
#[derive(Default)]
pub(super) struct Split {
    pub(super) text: String,
    pub(super) query: String,
    pub(super) query_percent: String,
    pub(super) query_rounded: u64,
    pub(super) spontaneous: String,
    pub(super) spontaneous_percent: String,
    pub(super) spontaneous_rounded: u64,
}

/// Loads the figures of a period; none if nobody answered in it.
pub(super) async fn load(
    app: &App,
    environment: EnvironmentId,
    series: Series,
    period: Period,
) -> Result<Option<ReportView>, PageError> {
    let now = app.store.combined_point(environment, series, period).await?;
    if now.scores.responses() == 0 {
        return Ok(None);
    }
    let before = app.store.combined_point(environment, series, period.preceding()).await?;
    let days = app.store.daily_points(environment, series, period).await?;
    let split = match series {
        Series::Overview => {
            let unasked = app.store.combined_point(environment, Series::Spontaneous, period).await?;
            split(now.scores.responses(), unasked.scores.responses())
        }
        Series::Spontaneous | Series::Query(_) => Split::default(),
    };
    Ok(Some(ReportView {
        tiles: tiles(&now, &before),
        chart: chart::over_time(period, &days),
        scores: chart::distribution(now.scores),
        split,
    }))
}

fn tiles(now: &Point, before: &Point) -> Vec<Tile> {
    let count = |label, now: u64, before: u64| Tile {
        label,
        value: grouped(now),
        of: "",
        change: relative_change(now, before),
        against: format!("from {}", grouped(before)),
    };
    let average = |point: &Point| point.scores.average().map(|average| format!("{average:.2}"));
    vec![
        count("Responses", now.scores.responses(), before.scores.responses()),
        count("Unique respondents", now.respondents, before.respondents),
        count("Unique machines", now.machines, before.machines),
        Tile {
            label: "Average score",
            value: average(now).unwrap_or_else(|| "–".to_owned()),
            of: "of 5",
            change: now.scores.average().zip(before.scores.average()).map(|(now, before)| {
                let difference = now - before;
                change(difference, format!("{:.2}", difference.abs()))
            }),
            against: average(before)
                .map_or_else(|| "none before".to_owned(), |before| format!("from {before}")),
        },
    ]
}

fn relative_change(now: u64, before: u64) -> Option<Change> {
    if before == 0 {
        return (now == 0).then(|| change(0.0, "0 %".to_owned()));
    }
    let percent = (now as f64 - before as f64) * 100.0 / before as f64;
    let text = match percent.abs() {
        less if less < 0.05 => return Some(change(0.0, "0 %".to_owned())),
        small if small < 9.95 => format!("{small:.1} %"),
        large => format!("{large:.0} %"),
    };
    Some(change(percent, text))
}

fn change(difference: f64, text: String) -> Change {
    let (class, icon, word) = match difference {
        d if d >= 0.005 => ("up", "up-right", "up by"),
        d if d <= -0.005 => ("down", "down-right", "down by"),
        _ => ("", "flat", "unchanged,"),
    };
    Change { class, icon, word, text }
}

fn split(all: u64, spontaneous: u64) -> Split {
    let query = all.saturating_sub(spontaneous);
    let percent = query as f64 * 100.0 / all.max(1) as f64;
    Split {
        text: format!(
            "{} answers to queries, {} spontaneous responses",
            grouped(query),
            grouped(spontaneous)
        ),
        query: grouped(query),
        query_percent: format!("{percent:.2}"),
        query_rounded: percent.round() as u64,
        spontaneous: grouped(spontaneous),
        spontaneous_percent: format!("{:.2}", 100.0 - percent),
        spontaneous_rounded: 100 - percent.round() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_at(days: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<i32, String> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let asked = Asked { days: own(days), from: own(from), to: own(to) };
        read(&asked, "2026-11-24".parse().unwrap()).map(Period::days)
    }

    #[test]
    fn periods_are_read_or_refused_in_words() {
        assert_eq!(read_at(None, None, None), Ok(30));
        assert_eq!(read_at(Some("7"), None, None), Ok(7));
        assert_eq!(read_at(None, Some("2026-11-01"), Some("2026-11-03")), Ok(3));
        for (days, from, to) in [
            (Some("8"), None, None),
            (Some("-1"), None, None),
            (None, Some("2026-11-03"), Some("2026-11-01")),
            (None, Some("2026-11-03"), None),
            (None, Some("yesterday"), Some("today")),
            (None, Some("2020-01-01"), Some("2026-01-01")),
        ] {
            assert!(read_at(days, from, to).is_err(), "{days:?} {from:?} {to:?}");
        }
    }

    #[test]
    fn changes_say_which_way() {
        let change = relative_change(110, 100).unwrap();
        assert_eq!((change.class, change.text.as_str()), ("up", "10 %"));
        let change = relative_change(99, 100).unwrap();
        assert_eq!((change.class, change.text.as_str()), ("down", "1.0 %"));
        assert!(relative_change(5, 0).is_none());
        assert_eq!(relative_change(0, 0).unwrap().class, "");
    }
}
