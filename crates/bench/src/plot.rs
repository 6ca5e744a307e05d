//! Pictures: bars and lines as SVG, on a ground of their own, so that they read the same in light and dark.

use std::fmt::Write;

use crate::rounds::{Figure, digits};

const WIDTH: f64 = 760.0;
const GROUND: &str = "#fbfaf7";
const INK: &str = "#2b2a27";
const FAINT: &str = "#d9d6cd";
const OURS: &str = "#1f6f5c";
const OTHERS: [&str; 5] = ["#8a8578", "#b0713a", "#5b6c9e", "#9b5b7a", "#6f7d3c"];

/// A bar with its spread.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) figure: Figure,
    /// Feedback's own.
    pub(crate) ours: bool,
}

/// A line through points.
pub(crate) struct Line {
    pub(crate) name: String,
    /// Feedback's own.
    pub(crate) ours: bool,
    pub(crate) points: Vec<(f64, f64)>,
}

fn picture(title: &str, height: f64, inside: &str) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"{INK}\">\n<title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"8\" fill=\"{GROUND}\"/>\n\
         <text x=\"20\" y=\"28\" font-size=\"15\" font-weight=\"600\">{title}</text>\n{inside}</svg>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn text(x: f64, y: f64, anchor: &str, words: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>\n", escaped(words))
}

fn line(from: (f64, f64), to: (f64, f64), colour: &str, width: f64) -> String {
    format!(
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\n",
        from.0, from.1, to.0, to.1
    )
}

/// Bars below each other, from zero; a thin line shows the least and the most.
pub(crate) fn bars(title: &str, all: &[Bar]) -> String {
    const LEFT: f64 = 330.0;
    const STEP: f64 = 26.0;
    let most = all.iter().map(|bar| bar.figure.most).fold(0.0, f64::max);
    let x = |value: f64| LEFT + (WIDTH - LEFT - 70.0) * value / most;
    let mut inside = String::new();
    for (n, bar) in all.iter().enumerate() {
        let y = 46.0 + STEP * n as f64;
        let colour = if bar.ours { OURS } else { "#8a8578" };
        inside += &text(LEFT - 10.0, y + 14.0, "end", &bar.name);
        let _ = writeln!(
            inside,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"18\" rx=\"2\" fill=\"{colour}\"/>",
            x(bar.figure.median) - LEFT
        );
        inside += &line((x(bar.figure.least), y + 9.0), (x(bar.figure.most), y + 9.0), INK, 1.5);
        inside += &text(x(bar.figure.most) + 8.0, y + 14.0, "start", &digits(bar.figure.median));
    }
    picture(title, 60.0 + STEP * all.len() as f64, &inside)
}

/// Lines over the named places of the horizontal axis; the vertical one begins at zero, or is logarithmic.
pub(crate) fn lines(title: &str, ticks: &[(f64, &str)], all: &[Line], logarithmic: bool) -> String {
    const HEIGHT: f64 = 380.0;
    const LEFT: f64 = 80.0;
    const RIGHT: f64 = WIDTH - 300.0;
    const TOP: f64 = 56.0;
    const BOTTOM: f64 = HEIGHT - 44.0;
    let values = || all.iter().flat_map(|line| &line.points).map(|point| point.1);
    let most = values().fold(0.0, f64::max);
    let (low, high) = if logarithmic {
        let least = values().fold(f64::INFINITY, f64::min);
        (least.log10().floor(), most.log10().ceil())
    } else {
        (0.0, round_up(most))
    };
    let (first, last) = (ticks.first().map_or(0.0, |tick| tick.0), ticks.last().map_or(1.0, |tick| tick.0));
    let x = |value: f64| LEFT + (RIGHT - LEFT) * (value - first) / (last - first);
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low);
    let scaled = |value: f64| if logarithmic { value.log10() } else { value };
    let mut inside = String::new();
    let steps = if logarithmic { (high - low).max(1.0) as usize } else { 4 };
    for n in 0..=steps {
        let value = low + (high - low) * n as f64 / steps as f64;
        let name = if logarithmic { 10f64.powf(value) } else { value }.to_string();
        inside += &line((LEFT, y(value)), (RIGHT, y(value)), FAINT, 1.0);
        inside += &text(LEFT - 10.0, y(value) + 4.0, "end", &name);
    }
    for (place, name) in ticks {
        inside += &text(x(*place), BOTTOM + 24.0, "middle", name);
    }
    let mut others = OTHERS.iter().cycle();
    // Names stand at the ends of their lines, and give way to each other.
    let mut names: Vec<(f64, String, &str)> = Vec::new();
    for drawn in all {
        let colour = if drawn.ours { OURS } else { others.next().unwrap_or(&INK) };
        let at = |point: &(f64, f64)| (x(point.0), y(scaled(point.1)));
        for pair in drawn.points.windows(2) {
            if let [from, to] = pair {
                inside += &line(at(from), at(to), colour, 2.0);
            }
        }
        for point in &drawn.points {
            let (x, y) = at(point);
            let _ = writeln!(inside, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
        if let Some(end) = drawn.points.last() {
            names.push((at(end).1, format!("{}: {}", drawn.name, digits(end.1)), colour));
        }
    }
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = TOP;
    for (y, name, colour) in names {
        let y = y.max(free);
        free = y + 17.0;
        inside += &text(RIGHT + 12.0, y + 4.0, "start", &name)
            .replace("<text", &format!("<text fill=\"{colour}\""));
    }
    picture(title, HEIGHT, &inside)
}

/// The next number of the form 1, 2, 4 or 8 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= value)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([3.0, 27.9, 81.0, 100.0].map(round_up), [4.0, 40.0, 100.0, 100.0]);
    }
}
