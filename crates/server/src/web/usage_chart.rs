//! The plot of a keypair's last days: requests as bars, tokens as a line.

use domain::UsageDay;

use super::chart::{BOTTOM, Bar, Below, Dot, INTERVALS, MOST_LABELS, Part, TOP, Tick, fixed, step_for};
use super::when::{grouped, long_day, short_day};

/// Bars of requests, with the tokens as a line on a scale of its own.
pub(super) struct UsageChart {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) left: Vec<Tick>,
    pub(super) right: Vec<Tick>,
    pub(super) bottom: Vec<Below>,
    pub(super) bars: Vec<Bar>,
    pub(super) line: Vec<Part>,
    pub(super) dots: Vec<Dot>,
    pub(super) rows: Vec<TableRow>,
}

/// A row of the same figures as a table.
pub(super) struct TableRow {
    pub(super) day: String,
    pub(super) requests: String,
    pub(super) tokens: String,
    pub(super) refused: String,
}

/// The chart of these days.
pub(super) fn of_days(days: &[UsageDay]) -> UsageChart {
    let width = 100.0 / days.len().max(1) as f64;
    let full = BOTTOM - TOP;
    let step = |of: fn(&UsageDay) -> u64| step_for(days.iter().map(of).max().unwrap_or(0));
    let (requests_step, tokens_step) = (step(|day| day.requests), step(|day| day.tokens));
    let height = |value: u64, step: u64| full * value as f64 / step.saturating_mul(INTERVALS) as f64;
    let centre = |i: usize| fixed(width * (i as f64 + 0.5));
    let bar = |(i, day): (usize, &UsageDay)| {
        let high = height(day.requests, requests_step);
        Bar {
            text: spoken(day),
            hit_x: fixed(width * i as f64),
            hit_width: fixed(width),
            x: fixed(width * (i as f64 + 0.16)),
            width: fixed(width * 0.68),
            y: fixed(BOTTOM - high),
            height: fixed(high),
        }
    };
    let token_y = |day: &UsageDay| fixed(BOTTOM - height(day.tokens, tokens_step));
    let obtained: Vec<(usize, &UsageDay)> = days.iter().enumerate().collect();
    let part = |((i, from), (j, to)): (&(usize, &UsageDay), &(usize, &UsageDay))| Part {
        x1: centre(*i),
        y1: token_y(from),
        x2: centre(*j),
        y2: token_y(to),
    };
    let any_token = days.iter().any(|day| day.tokens > 0);
    let tick = |i: u64, step: u64| {
        let y = BOTTOM - full * i as f64 / INTERVALS as f64;
        Tick { y, text_y: y + 4.0, text: grouped(step.saturating_mul(i)) }
    };
    let every = days.len().div_ceil(MOST_LABELS).max(1);
    let below = |(i, day): (usize, &UsageDay)| Below { x: centre(i), text: short_day(day.date) };
    let row = |day: &UsageDay| TableRow {
        day: long_day(day.date),
        requests: grouped(day.requests),
        tokens: grouped(day.tokens),
        refused: grouped(day.refused),
    };
    let sum = |of: fn(&UsageDay) -> u64| grouped(days.iter().map(of).sum());
    UsageChart {
        title: format!("Requests and tokens per day, the last {} days", days.len()),
        description: format!(
            "{} requests and {} tokens in all.",
            sum(|day| day.requests),
            sum(|day| day.tokens)
        ),
        left: (0..=INTERVALS).map(|i| tick(i, requests_step)).collect(),
        right: (0..=INTERVALS).map(|i| tick(i, tokens_step)).collect(),
        bottom: days.iter().enumerate().step_by(every).map(below).collect(),
        bars: days.iter().enumerate().map(bar).collect(),
        line: if any_token {
            obtained.iter().zip(obtained.iter().skip(1)).map(part).collect()
        } else {
            Vec::new()
        },
        dots: obtained
            .iter()
            .filter(|(_, day)| day.tokens > 0)
            .map(|(i, day)| Dot { x: centre(*i), y: token_y(day) })
            .collect(),
        rows: days.iter().map(row).collect(),
    }
}

fn spoken(day: &UsageDay) -> String {
    let (requests, tokens) = (grouped(day.requests), grouped(day.tokens));
    let refused = match day.refused {
        0 => String::new(),
        refused => format!(", {} refused for their scopes", grouped(refused)),
    };
    format!("{}\n{requests} requests, {tokens} tokens{refused}", long_day(day.date))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str, requests: u64, tokens: u64) -> UsageDay {
        UsageDay { date: date.parse().unwrap(), tokens, requests, refused: 0 }
    }

    #[test]
    fn each_series_has_a_scale_of_its_own() {
        let chart =
            of_days(&[day("2026-03-01", 4000, 4), day("2026-03-02", 0, 0), day("2026-03-03", 1000, 1)]);
        let heights: Vec<_> = chart.bars.iter().map(|bar| bar.height.as_str()).collect();
        assert_eq!(heights, ["192.00", "0.00", "48.00"]);
        assert_eq!((chart.line.len(), chart.dots.len()), (2, 2));
        assert_eq!((chart.dots[0].y.as_str(), chart.dots[1].y.as_str()), ("14.00", "158.00"));
        assert_eq!(chart.left[4].text, "4,000");
        assert_eq!(chart.right[4].text, "4");
        assert_eq!(chart.description, "5,000 requests and 5 tokens in all.");
    }

    #[test]
    fn days_without_anything_draw_nothing() {
        let chart = of_days(&[day("2026-03-01", 0, 0), day("2026-03-02", 0, 0)]);
        assert!(chart.line.is_empty() && chart.dots.is_empty());
        assert!(chart.bars.iter().all(|bar| bar.height == "0.00"));
        assert_eq!(of_days(&[]).bars.len(), 0);
    }
}
