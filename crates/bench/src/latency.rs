//! How long answers take at half of what one core can serve, and what happens at twice that.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::Result;
use crate::document::{Part, Target, table};
use crate::driver::{Load, Pace};
use crate::feedback::{Algorithm, Feedback, get_with_token, token_by_basic};
use crate::floor;
use crate::http::sizes;
use crate::plot::{Line, lines};
use crate::rounds::{CONNECTIONS, Figure, Round, Subject, digits, quietly, saturated};
use crate::workplace::Workplace;

const ROUNDS: usize = 3;

/// How many connections bring twice the load: enough that requests wait for longer than a server should let them.
const CROWD: usize = 8_000;

const WARM_UP: Duration = Duration::from_millis(500);

/// How long a server has to notice that there is too much.
const NOTICED: Duration = Duration::from_secs(6);
const COUNTED: Duration = Duration::from_secs(4);

/// How long it has afterwards to serve all again, before it is measured anew.
const RECOVERED: Duration = Duration::from_secs(2);

/// What the last percent may take at twice the load to count as bounded, in milliseconds.
const BOUND: f64 = 250.0;

/// What is drawn: parts of all answers, placed by how many nines they have.
const PARTS: [(f64, &str); 6] =
    [(0.5, "50 %"), (0.75, "75 %"), (0.9, "90 %"), (0.95, "95 %"), (0.99, "99 %"), (0.999, "99.9 %")];

/// A subject at half of its saturation, in every round measured anew.
pub(crate) struct AtHalf {
    pub(crate) name: String,
    rounds: Vec<Round>,
}

impl AtHalf {
    /// Microseconds within which such a part of the answers came, 0 to 1.
    pub(crate) fn quantile(&self, part: f64) -> Figure {
        Figure::of(self.rounds.iter().map(|round| (micros(&round.answers.since_due, part), round.disturbed)))
    }

    /// How many times the median the last percent takes.
    fn tail(&self) -> Figure {
        let of =
            |round: &Round| micros(&round.answers.since_due, 0.99) / micros(&round.answers.since_due, 0.5);
        Figure::of(self.rounds.iter().map(|round| (of(round), round.disturbed)))
    }

    fn row(&self) -> Vec<String> {
        let figures = [self.quantile(0.5), self.quantile(0.99), self.tail()];
        [self.name.clone()].into_iter().chain(figures.map(|figure| figure.to_string())).collect()
    }

    /// For the picture.
    pub(crate) fn line(&self, ours: bool) -> Line {
        let points = PARTS.map(|(part, _)| (nines(part), self.quantile(part).median));
        Line { name: self.name.clone(), ours, points: points.to_vec() }
    }
}

/// Microseconds within which such a part of the answers came.
fn micros(histogram: &Histogram<u64>, part: f64) -> f64 {
    histogram.value_at_quantile(part) as f64 / 1_000.0
}

fn nines(part: f64) -> f64 {
    -(1.0 - part).log10()
}

/// The picture of such lines.
pub(crate) fn picture(all: &[Line]) -> String {
    let ticks = PARTS.map(|(part, name)| (nines(part), name));
    lines("Within how many µs such a part of the answers came, at half of saturation", &ticks, all, true)
}

/// Measures the subject at half of what it can serve.
pub(crate) async fn at_half(subject: &Subject<'_>) -> Result<AtHalf> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let pace = Pace::Open(saturated(subject).await?.answers.rate() / 2.0);
        let shape = |load: Load| Load { warm_up: WARM_UP, counted: COUNTED, ..load };
        let round = quietly(subject, CONNECTIONS, pace, shape).await?;
        rounds.push(Round { answers: round.answers.all_good(&subject.name)?, ..round });
    }
    Ok(AtHalf { name: subject.name.clone(), rounds })
}

/// A subject at twice its saturation.
struct AtTwice {
    offered: Figure,
    served: Figure,
    shed: Figure,
    bad: u64,
    last_percent: Figure,
}

async fn at_twice(subject: &Subject<'_>) -> Result<AtTwice> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let pace = Pace::Open(saturated(subject).await?.answers.rate() * 2.0);
        let shape = |load: Load| Load { warm_up: NOTICED, counted: COUNTED, ..load };
        rounds.push(quietly(subject, CROWD, pace, shape).await?);
        tokio::time::sleep(RECOVERED).await;
    }
    let figure =
        |of: &dyn Fn(&Round) -> f64| Figure::of(rounds.iter().map(|round| (of(round), round.disturbed)));
    Ok(AtTwice {
        offered: figure(&|round| round.answers.all() as f64 / round.answers.elapsed.as_secs_f64()),
        served: figure(&|round| round.answers.rate()),
        shed: figure(&|round| 100.0 * round.answers.shed as f64 / round.answers.all() as f64),
        bad: rounds.iter().map(|round| round.answers.bad).sum(),
        last_percent: figure(&|round| micros(&round.answers.since_sent, 0.99) / 1_000.0),
    })
}

pub(crate) async fn measure(workplace: &Workplace) -> Result<Part> {
    let feedback = Feedback::with_keypairs(workplace, Algorithm::Es256, 100).await?;
    let environment = format!("/v1/environments/{}", feedback.environment);
    let tokens = feedback.mint(1_000).await?;
    let seen = get_with_token(environment, tokens.clone());
    let floor = floor::start(workplace, sizes(&feedback).await?).await?;
    let below = token_by_basic(&floor::signing(Algorithm::Es256), feedback.credentials.clone());
    let below = [
        Subject::repeating("floor, the API's size", &floor, get_with_token(floor::API.to_owned(), tokens)),
        Subject::repeating("floor + signature, ES256", &floor, below),
    ];
    let subjects = [
        Subject::repeating("token, ES256", &feedback.process, feedback.by_basic()),
        Subject::repeating("GET environment, token seen before", &feedback.process, seen),
    ];
    let (mut halves, mut targets, mut drawn) = (Vec::new(), Vec::new(), Vec::new());
    let mut twices = Vec::new();
    // What the machine itself adds to the last percent.
    for subject in &below {
        let half = at_half(subject).await?;
        halves.push(half.row());
        drawn.push(half.line(false));
    }
    for subject in &subjects {
        eprintln!("  {}", subject.name);
        let half = at_half(subject).await?;
        halves.push(half.row());
        let what = format!("{}: p99 at half of saturation, in multiples of p50", subject.name);
        targets.push(Target::at_most(&what, 5.0, " ×", half.tail()));
        drawn.push(half.line(true));
        let twice = at_twice(subject).await?;
        twices.push(vec![
            subject.name.clone(),
            digits(twice.offered.median),
            twice.served.to_string(),
            format!("{} %", twice.shed),
            twice.bad.to_string(),
            twice.last_percent.to_string(),
        ]);
        let what = format!("{}: shed with 503 and `Retry-After` at twice the load", subject.name);
        targets.push(Target::at_least(&what, 10.0, " %", twice.shed));
        let what = format!("{}: p99 of what is served at twice the load", subject.name);
        targets.push(Target::at_most(&what, BOUND, " ms", twice.last_percent));
    }
    let at_half = table(&["at half of saturation", "p50, µs", "p99, µs", "p99 ÷ p50"], halves);
    let headings = [
        "at twice of saturation",
        "sent a second",
        "served a second",
        "shed",
        "other",
        "p99 of the served, ms",
    ];
    let at_twice = table(&headings, twices);
    Ok(Part {
        name: "latency",
        text: format!("{at_half}\n{at_twice}"),
        targets,
        pictures: vec![("latency.svg", picture(&drawn))],
    })
}
