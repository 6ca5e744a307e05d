//! The geometry of the charts. Across, everything is in percent, so that a chart fits any screen without its text
//! being scaled; down, in pixels.

use domain::{Date, Period, Point, Scores, every_day};

use super::when::{grouped, long_day, short_day};

pub(super) const TOP: f64 = 14.0;
pub(super) const BOTTOM: f64 = 206.0;
pub(super) const INTERVALS: u64 = 4;
/// Longer periods are drawn per week: bars of a hair's width tell nothing.
const MOST_BARS: usize = 92;
pub(super) const MOST_LABELS: usize = 6;

/// Bars of responses over time, with the average score as a line.
pub(super) struct Chart {
    pub(super) heading: &'static str,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) unit: &'static str,
    pub(super) unit_title: &'static str,
    pub(super) left: Vec<Tick>,
    pub(super) right: Vec<Tick>,
    pub(super) bottom: Vec<Below>,
    pub(super) bars: Vec<Bar>,
    pub(super) line: Vec<Part>,
    pub(super) dots: Vec<Dot>,
    pub(super) rows: Vec<TableRow>,
}

/// A mark at the side.
pub(super) struct Tick {
    pub(super) y: f64,
    /// Where the foot of its text is.
    pub(super) text_y: f64,
    pub(super) text: String,
}

/// A mark below.
pub(super) struct Below {
    pub(super) x: String,
    pub(super) text: String,
}

/// One bar, and the strip around it that shows what it says.
pub(super) struct Bar {
    pub(super) text: String,
    pub(super) hit_x: String,
    pub(super) hit_width: String,
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: String,
    pub(super) height: String,
}

/// A part of the line, from one bar to the next.
pub(super) struct Part {
    pub(super) x1: String,
    pub(super) y1: String,
    pub(super) x2: String,
    pub(super) y2: String,
}

/// A point of the line.
pub(super) struct Dot {
    pub(super) x: String,
    pub(super) y: String,
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
    let most = slots.iter().map(|slot| slot.scores.responses()).max().unwrap_or(0);
    let step = step_for(most);
    let width = 100.0 / slots.len().max(1) as f64;
    let height = |value: f64, full: f64| (BOTTOM - TOP) * value / full;
    let centre = |i: usize| width * (i as f64 + 0.5);
    let score_y = |average: f64| BOTTOM - height(average - 1.0, INTERVALS as f64);
    let bar = |(i, slot): (usize, &Slot)| {
        let high = height(slot.scores.responses() as f64, step.saturating_mul(INTERVALS) as f64);
        Bar {
            text: spoken(slot),
            hit_x: fixed(width * i as f64),
            hit_width: fixed(width),
            x: fixed(width * (i as f64 + 0.16)),
            width: fixed(width * 0.68),
            y: fixed(BOTTOM - high),
            height: fixed(high),
        }
    };
    let averages: Vec<Option<f64>> = slots.iter().map(|slot| slot.scores.average()).collect();
    let part = |(i, (from, to)): (usize, (&Option<f64>, &Option<f64>))| {
        let (from, to) = ((*from)?, (*to)?);
        Some(Part {
            x1: fixed(centre(i)),
            y1: fixed(score_y(from)),
            x2: fixed(centre(i + 1)),
            y2: fixed(score_y(to)),
        })
    };
    let dot = |(i, average): (usize, &Option<f64>)| {
        average.map(|average| Dot { x: fixed(centre(i)), y: fixed(score_y(average)) })
    };
    let grid = |i: u64| BOTTOM - height(i as f64, INTERVALS as f64);
    let tick = |i: u64, text: String| Tick { y: grid(i), text_y: grid(i) + 4.0, text };
    let every = slots.len().div_ceil(MOST_LABELS).max(1);
    let below = |(i, slot): (usize, &Slot)| Below { x: fixed(centre(i)), text: short_day(slot.from) };
    let (unit, unit_title, heading) =
        if weekly { ("week", "Week", "Responses per week") } else { ("day", "Day", "Responses per day") };
    Chart {
        heading,
        title: format!("{heading}, {} to {}", long_day(period.from()), long_day(period.to())),
        description: described(&slots, unit),
        unit,
        unit_title,
        left: (0..=INTERVALS).map(|i| tick(i, grouped(step.saturating_mul(i)))).collect(),
        right: (0..=INTERVALS).map(|i| tick(i, (i + 1).to_string())).collect(),
        bottom: slots.iter().enumerate().step_by(every).map(below).collect(),
        bars: slots.iter().enumerate().map(bar).collect(),
        line: averages.iter().zip(averages.iter().skip(1)).enumerate().filter_map(part).collect(),
        dots: match slots.len() {
            0..=45 => averages.iter().enumerate().filter_map(dot).collect(),
            _ => Vec::new(),
        },
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

/// The smallest round step of which four hold `most`.
pub(super) fn step_for(most: u64) -> u64 {
    let least = most.div_ceil(INTERVALS).max(1);
    let mut magnitude: u64 = 1;
    loop {
        for digit in [10, 15, 20, 25, 30, 40, 50, 60, 80] {
            let Some(step) = magnitude.checked_mul(digit) else { return least };
            if step.is_multiple_of(10) && step / 10 >= least {
                return step / 10;
            }
        }
        magnitude = magnitude.saturating_mul(10);
    }
}

/// A number as the drawing has it.
pub(super) fn fixed(value: f64) -> String {
    format!("{value:.2}")
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
    fn steps_are_round_and_hold_the_most() {
        for (most, step) in
            [(0, 1), (1, 1), (4, 1), (5, 2), (13, 4), (40, 10), (41, 15), (1000, 250), (1001, 300)]
        {
            assert_eq!(step_for(most), step, "{most}");
        }
        assert!(step_for(u64::MAX) > 0);
    }

    #[test]
    fn a_day_without_responses_parts_the_line() {
        let points = [point("2026-11-01", [0, 0, 0, 0, 4]), point("2026-11-03", [2, 0, 0, 0, 0])];
        let chart = over_time(period("2026-11-01", "2026-11-03"), &points);
        assert_eq!(chart.bars.len(), 3);
        assert_eq!(chart.line.len(), 0);
        assert_eq!(chart.dots.len(), 2);
        assert_eq!(chart.bars[0].height, "192.00");
        assert_eq!(chart.bars[1].height, "0.00");
        assert_eq!(chart.rows[2].average, "1.00");
    }

    #[test]
    fn long_periods_are_drawn_per_week() {
        let points = [point("2026-01-01", [0, 0, 0, 0, 1]), point("2026-01-07", [0, 0, 0, 0, 1])];
        let chart = over_time(period("2026-01-01", "2026-12-31"), &points);
        assert_eq!(chart.bars.len(), 53);
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
