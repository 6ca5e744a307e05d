//! The geometry of a plot: bars, measured at the left, and a line over them, measured at the right. Across, everything
//! is in percent, so that a plot fits any screen without its text being scaled; down, in pixels.

use super::when::grouped;

const TOP: f64 = 14.0;
const BOTTOM: f64 = 206.0;
/// Of both sides, so that they share their rules.
const INTERVALS: u64 = 4;
const MOST_LABELS: usize = 6;

/// What is drawn.
pub(super) struct Plot {
    pub(super) left: Vec<Tick>,
    pub(super) right: Vec<Tick>,
    pub(super) bottom: Vec<Below>,
    pub(super) bars: Vec<Bar>,
    pub(super) line: Vec<Part>,
    pub(super) dots: Vec<Dot>,
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

/// What is to be drawn of one day or week. Heights are shares of the whole, from 0 to 1.
pub(super) struct Column {
    /// Its name below, where there is room for one.
    pub(super) label: String,
    /// What its bar says.
    pub(super) text: String,
    pub(super) bar: f64,
    /// Where the line passes; none parts it.
    pub(super) line: Option<f64>,
    pub(super) dot: bool,
}

impl Plot {
    /// Draws the columns; `left` and `right` name the marks of each side, from the foot up.
    pub(super) fn new(
        columns: &[Column],
        left: impl Fn(u64) -> String,
        right: impl Fn(u64) -> String,
    ) -> Self {
        let width = 100.0 / columns.len().max(1) as f64;
        let x = |i: usize, share: f64| fixed(width * (i as f64 + share));
        let centre = |i: usize| x(i, 0.5);
        let high = |share: f64| (BOTTOM - TOP) * share;
        let y = |share: f64| fixed(BOTTOM - high(share));
        let tick = |i: u64, text: String| {
            let y = BOTTOM - high(i as f64 / INTERVALS as f64);
            Tick { y, text_y: y + 4.0, text }
        };
        let below = |(i, column): (usize, &Column)| Below { x: centre(i), text: column.label.clone() };
        let bar = |(i, column): (usize, &Column)| Bar {
            text: column.text.clone(),
            hit_x: x(i, 0.0),
            hit_width: fixed(width),
            x: x(i, 0.16),
            width: fixed(width * 0.68),
            y: y(column.bar),
            height: fixed(high(column.bar)),
        };
        let part = |(i, (from, to)): (usize, (&Column, &Column))| {
            Some(Part { x1: centre(i), y1: y(from.line?), x2: centre(i + 1), y2: y(to.line?) })
        };
        let dot = |(i, column): (usize, &Column)| {
            let at = column.line.filter(|_| column.dot)?;
            Some(Dot { x: centre(i), y: y(at) })
        };
        let every = columns.len().div_ceil(MOST_LABELS).max(1);
        Self {
            left: (0..=INTERVALS).map(|i| tick(i, left(i))).collect(),
            right: (0..=INTERVALS).map(|i| tick(i, right(i))).collect(),
            bottom: columns.iter().enumerate().step_by(every).map(below).collect(),
            bars: columns.iter().enumerate().map(bar).collect(),
            line: columns.iter().zip(columns.iter().skip(1)).enumerate().filter_map(part).collect(),
            dots: columns.iter().enumerate().filter_map(dot).collect(),
        }
    }
}

/// A scale for counts: round marks, of which the highest is no less than any count.
pub(super) struct Scale {
    step: u64,
}

impl Scale {
    /// The scale of these counts.
    pub(super) fn of(counts: impl Iterator<Item = u64>) -> Self {
        Self { step: step_for(counts.max().unwrap_or(0)) }
    }

    /// How high a count is, as a share of the whole.
    pub(super) fn height(&self, count: u64) -> f64 {
        count as f64 / self.step.saturating_mul(INTERVALS) as f64
    }

    /// The name of a mark.
    pub(super) fn mark(&self, i: u64) -> String {
        grouped(self.step.saturating_mul(i))
    }
}

/// The smallest round step of which four hold `most`.
fn step_for(most: u64) -> u64 {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_few_columns_have_their_names_below_and_all_stay_within() {
        let column = |i: usize| Column {
            label: i.to_string(),
            text: String::new(),
            bar: 1.0,
            line: Some(0.0),
            dot: i.is_multiple_of(2),
        };
        let columns: Vec<_> = (0..13).map(column).collect();
        let plot = Plot::new(&columns, |i| i.to_string(), |i| (i + 1).to_string());
        let labels: Vec<_> = plot.bottom.iter().map(|below| below.text.as_str()).collect();
        assert_eq!(labels, ["0", "3", "6", "9", "12"]);
        let ends = [plot.left.first().unwrap(), plot.left.last().unwrap(), plot.right.last().unwrap()];
        assert_eq!(ends.map(|tick| (tick.y, tick.text.as_str())), [(206.0, "0"), (14.0, "4"), (14.0, "5")]);
        assert_eq!((plot.bars.len(), plot.line.len(), plot.dots.len()), (13, 12, 7));
        let bar = plot.bars.last().unwrap();
        assert_eq!((bar.y.as_str(), bar.height.as_str()), ("14.00", "192.00"));
        assert_eq!((bar.hit_x.as_str(), bar.hit_width.as_str()), ("92.31", "7.69"));
        assert_eq!((plot.dots[6].x.as_str(), plot.dots[6].y.as_str()), ("96.15", "206.00"));
    }
}
