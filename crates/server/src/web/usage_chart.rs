//! The plot of a keypair's last days: requests as bars, tokens as a line.

use domain::UsageDay;

use super::plot::{Column, Plot, Scale};
use super::when::{grouped, long_day, short_day};

/// Bars of requests, with the tokens as a line on a scale of its own.
pub(super) struct UsageChart {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) plot: Plot,
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
    let requests = Scale::of(days.iter().map(|day| day.requests));
    let tokens = Scale::of(days.iter().map(|day| day.tokens));
    let any_token = days.iter().any(|day| day.tokens > 0);
    let column = |day: &UsageDay| Column {
        label: short_day(day.date),
        text: spoken(day),
        bar: requests.height(day.requests),
        line: any_token.then(|| tokens.height(day.tokens)),
        dot: day.tokens > 0,
    };
    let columns: Vec<_> = days.iter().map(column).collect();
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
        plot: Plot::new(&columns, |i| requests.mark(i), |i| tokens.mark(i)),
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
        let heights: Vec<_> = chart.plot.bars.iter().map(|bar| bar.height.as_str()).collect();
        assert_eq!(heights, ["192.00", "0.00", "48.00"]);
        assert_eq!((chart.plot.line.len(), chart.plot.dots.len()), (2, 2));
        assert_eq!((chart.plot.dots[0].y.as_str(), chart.plot.dots[1].y.as_str()), ("14.00", "158.00"));
        assert_eq!(chart.plot.left[4].text, "4,000");
        assert_eq!(chart.plot.right[4].text, "4");
        assert_eq!(chart.description, "5,000 requests and 5 tokens in all.");
    }

    #[test]
    fn days_without_anything_draw_nothing() {
        let chart = of_days(&[day("2026-03-01", 0, 0), day("2026-03-02", 0, 0)]);
        assert!(chart.plot.line.is_empty() && chart.plot.dots.is_empty());
        assert!(chart.plot.bars.iter().all(|bar| bar.height == "0.00"));
        assert_eq!(of_days(&[]).plot.bars.len(), 0);
    }
}
