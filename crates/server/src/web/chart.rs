//! The charts of responses.

use domain::{Date, Period, Point, Scores, every_day};

use super::plot::{Column, Plot, Scale, fixed};
use super::when::{grouped, long_day, short_day};

/// Longer periods are drawn per week: bars of a hair's width tell nothing.
const MOST_BARS: usize = 92;
/// Of more, a line with dots is a string of beads.
const MOST_DOTS: usize = 45;
/// From a score of 1 to one of 5.
const SCORE_STEPS: f64 = 4.0;

/// Bars of responses over time, with the average score as a line.
pub(super) struct Chart {
    pub(super) heading: &'static str,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) unit: &'static str,
    pub(super) unit_title: &'static str,
    pub(super) plot: Plot,
    pub(super) rows: Vec<TableRow>,
}

/// A row of the same figures as a table.
pub(super) struct TableRow {
    pub(super) when: String,
    pub(super) responses: String,
    pub(super) average: String,
}

/// One row of the score distribution.
pub(super) struct ScoreRow {
    pub(super) score: usize,
    pub(super) percent: String,
    pub(super) rounded: u64,
    pub(super) count: String,
}

struct Slot {
    from: Date,
    to: Date,
    scores: Scores,
}

/// The chart of `points`, which are days of `period`; days without one are empty.
pub(super) fn over_time(period: Period, points: &[Point]) -> Chart {
    let days = slots(period, points);
    let weekly = days.len() > MOST_BARS;
    let slots = if weekly { days.chunks(7).filter_map(together).collect() } else { days };
    let scale = Scale::of(slots.iter().map(|slot| slot.scores.responses()));
    let column = |slot: &Slot| Column {
        label: short_day(slot.from),
        text: spoken(slot),
        bar: scale.height(slot.scores.responses()),
        line: slot.scores.average().map(|average| (average - 1.0) / SCORE_STEPS),
        dot: slots.len() <= MOST_DOTS,
    };
    let columns: Vec<_> = slots.iter().map(column).collect();
    let (unit, unit_title, heading) =
        if weekly { ("week", "Week", "Responses per week") } else { ("day", "Day", "Responses per day") };
    Chart {
        heading,
        title: format!("{heading}, {} to {}", long_day(period.from()), long_day(period.to())),
        description: described(&slots, unit),
        unit,
        unit_title,
        plot: Plot::new(&columns, |i| scale.mark(i), |i| (i + 1).to_string()),
        rows: slots.iter().map(row).collect(),
    }
}

fn slots(period: Period, points: &[Point]) -> Vec<Slot> {
    let slot = |day: Point| Slot { from: day.period.from(), to: day.period.to(), scores: day.scores };
    every_day(period, points).into_iter().map(slot).collect()
}

fn together(days: &[Slot]) -> Option<Slot> {
    let mut scores = Scores::default();
    for day in days {
        for (sum, count) in scores.0.iter_mut().zip(day.scores.0) {
            *sum += count;
        }
    }
    Some(Slot { from: days.first()?.from, to: days.last()?.to, scores })
}

fn average_text(scores: Scores) -> String {
    scores.average().map_or("–".to_owned(), |average| format!("{average:.2}"))
}

fn days_text(slot: &Slot) -> String {
    if slot.from == slot.to {
        long_day(slot.from)
    } else {
        format!("{} – {}", short_day(slot.from), long_day(slot.to))
    }
}

fn spoken(slot: &Slot) -> String {
    let responses = grouped(slot.scores.responses());
    format!("{}\n{responses} responses, average {}", days_text(slot), average_text(slot.scores))
}

fn described(slots: &[Slot], unit: &str) -> String {
    let total: u64 = slots.iter().map(|slot| slot.scores.responses()).sum();
    let most = slots.iter().max_by_key(|slot| slot.scores.responses());
    most.map_or(String::new(), |most| {
        format!(
            "{} responses in all; the most on one {unit} were {}, {}.",
            grouped(total),
            grouped(most.scores.responses()),
            days_text(most)
        )
    })
}

fn row(slot: &Slot) -> TableRow {
    TableRow {
        when: days_text(slot),
        responses: grouped(slot.scores.responses()),
        average: average_text(slot.scores),
    }
}

/// The distribution of scores, the best first.
pub(super) fn distribution(scores: Scores) -> Vec<ScoreRow> {
    let total = scores.responses().max(1) as f64;
    let row = |(score, count): (usize, u64)| {
        let percent = count as f64 * 100.0 / total;
        ScoreRow { score, percent: fixed(percent), rounded: percent.round() as u64, count: grouped(count) }
    };
    [1, 2, 3, 4, 5].into_iter().zip(scores.0).map(row).rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(from: &str, to: &str) -> Period {
        Period::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
    }

    fn point(day: &str, scores: [u64; 5]) -> Point {
        Point { scores: Scores(scores), ..Point::empty(period(day, day)) }
    }

    #[test]
    fn a_day_without_responses_parts_the_line() {
        let points = [point("2026-11-01", [0, 0, 0, 0, 4]), point("2026-11-03", [2, 0, 0, 0, 0])];
        let chart = over_time(period("2026-11-01", "2026-11-03"), &points);
        assert_eq!(chart.plot.bars.len(), 3);
        assert_eq!(chart.plot.line.len(), 0);
        assert_eq!(chart.plot.dots.len(), 2);
        assert_eq!(chart.plot.bars[0].height, "192.00");
        assert_eq!(chart.plot.bars[1].height, "0.00");
        assert_eq!(chart.rows[2].average, "1.00");
    }

    #[test]
    fn long_periods_are_drawn_per_week() {
        let points = [point("2026-01-01", [0, 0, 0, 0, 1]), point("2026-01-07", [0, 0, 0, 0, 1])];
        let chart = over_time(period("2026-01-01", "2026-12-31"), &points);
        assert_eq!(chart.plot.bars.len(), 53);
        assert_eq!(chart.unit, "week");
        assert_eq!(chart.rows[0].responses, "2");
    }

    #[test]
    fn the_distribution_adds_up() {
        let rows = distribution(Scores([1, 0, 0, 1, 2]));
        assert_eq!(rows[0].score, 5);
        assert_eq!(rows[0].percent, "50.00");
        assert_eq!(rows.iter().map(|row| row.rounded).sum::<u64>(), 100);
    }
}
