//! Rounds: everything that is compared is measured in turns, several times over, so that what changes on the machine
//! meanwhile changes for all of it. Figures are medians with the least and the most; ratios are made within each round.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use crate::Result;
use crate::driver::{Answers, Load, Pace, Requests, drive};
use crate::machine::Busy;
use crate::process::Process;

/// How many connections the closed load has.
pub(crate) const CONNECTIONS: usize = 64;

/// How long a load counts in one round, and how long it runs before that.
const COUNTED: Duration = Duration::from_millis(1_500);
const WARM_UP: Duration = Duration::from_millis(400);

/// A round is taken again, so many times at most, if others had more than this part of all cores.
const TRIES: usize = 3;
const DISTURBED: f64 = 0.03;

/// Requests that may have to be made for each round anew, and how many there are.
pub(crate) type Prepare<'a> =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(Requests, u64)>> + 'a>> + 'a>;

/// One thing to measure.
pub(crate) struct Subject<'a> {
    /// What it is called in a table.
    pub(crate) name: String,
    /// Who serves it.
    pub(crate) process: &'a Process,
    /// The requests of a round.
    pub(crate) prepare: Prepare<'a>,
}

impl<'a> Subject<'a> {
    /// One that sends the same requests in every round, without an end.
    pub(crate) fn repeating(name: &str, process: &'a Process, requests: Requests) -> Self {
        let prepare: Prepare<'a> = Box::new(move || {
            let requests = requests.clone();
            Box::pin(async move { Ok((requests, u64::MAX)) })
        });
        Self { name: name.to_owned(), process, prepare }
    }
}

/// What one subject did in one round.
pub(crate) struct Round {
    /// What was answered.
    pub(crate) answers: Answers,
    /// Processor time that the server took.
    pub(crate) cpu: Duration,
    /// Something else used the cores each time.
    pub(crate) disturbed: bool,
}

impl Round {
    /// Microseconds of the server's processor time for each answer.
    pub(crate) fn micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.answers.all() as f64
    }
}

/// What one subject did in every round.
pub(crate) struct Rounds {
    /// What it is called in a table.
    pub(crate) name: String,
    pub(crate) rounds: Vec<Round>,
}

impl Rounds {
    /// A figure over all rounds.
    pub(crate) fn figure(&self, of: impl Fn(&Round) -> f64) -> Figure {
        Figure::of(self.rounds.iter().map(|round| (of(round), round.disturbed)))
    }

    /// Microseconds of the server's processor time for each answer.
    pub(crate) fn micros(&self) -> Figure {
        self.figure(Round::micros)
    }

    /// Good answers a second at saturation.
    pub(crate) fn rate(&self) -> Figure {
        self.figure(|round| round.answers.rate())
    }

    /// Its processor time in multiples of that of `other`.
    pub(crate) fn times(&self, other: &Self) -> Figure {
        let pairs = self.rounds.iter().zip(&other.rounds);
        Figure::of(
            pairs.map(|(own, other)| (own.micros() / other.micros(), own.disturbed || other.disturbed)),
        )
    }
}

/// A median with its spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// Something else used the cores in at least one of the rounds.
    pub(crate) disturbed: bool,
}

impl Figure {
    /// Of values, each with whether it was disturbed.
    pub(crate) fn of(values: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let (mut values, disturbed): (Vec<f64>, Vec<bool>) = values.into_iter().unzip();
        values.sort_by(f64::total_cmp);
        let at = |n: usize| values.get(n).copied().unwrap_or(f64::NAN);
        let (middle, last) = (values.len() / 2, values.len().saturating_sub(1));
        let median =
            if values.len() % 2 == 0 { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 } else { at(middle) };
        Self { median, least: at(0), most: at(last), disturbed: disturbed.contains(&true) }
    }
}

/// Three significant digits, without exponents.
pub(crate) fn digits(value: f64) -> String {
    let before = value.abs().log10().floor() as i32 + 1;
    match usize::try_from(3i32.saturating_sub(before)) {
        Ok(after) if value != 0.0 => format!("{value:.*}", after.min(4)),
        _ => format!("{value:.0}"),
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.disturbed { " ~" } else { "" };
        write!(f, "{} ({}–{}){mark}", digits(self.median), digits(self.least), digits(self.most))
    }
}

/// Measures the subjects in turns at saturation, and all of them `rounds` times.
pub(crate) async fn interleaved(subjects: &[Subject<'_>], rounds: usize) -> Result<Vec<Rounds>> {
    let mut all: Vec<Rounds> =
        subjects.iter().map(|subject| Rounds { name: subject.name.clone(), rounds: Vec::new() }).collect();
    for n in 1..=rounds {
        eprintln!("  round {n} of {rounds}");
        for (subject, measured) in subjects.iter().zip(&mut all) {
            let round = saturated(subject).await?;
            eprintln!(
                "    {:<44} {:>8} µs {:>8}/s{}",
                subject.name,
                digits(round.micros()),
                digits(round.answers.rate()),
                if round.disturbed { "  (disturbed)" } else { "" }
            );
            measured.rounds.push(round);
        }
    }
    Ok(all)
}

/// One subject at saturation.
pub(crate) async fn saturated(subject: &Subject<'_>) -> Result<Round> {
    let shape = |load: Load| Load { warm_up: WARM_UP, counted: COUNTED, ..load };
    let round = quietly(subject, CONNECTIONS, Pace::Closed, shape).await?;
    Ok(Round { answers: round.answers.all_good(&subject.name)?, ..round })
}

/// One subject under a load; again if others used the cores, and in the end the least disturbed try.
pub(crate) async fn quietly(
    subject: &Subject<'_>,
    connections: usize,
    pace: Pace,
    shape: impl Fn(Load) -> Load,
) -> Result<Round> {
    let mut best: Option<(f64, Round)> = None;
    for _ in 0..TRIES {
        let (requests, most) = (subject.prepare)().await?;
        let load = shape(Load {
            address: subject.process.address,
            requests,
            most,
            connections,
            pace,
            warm_up: Duration::ZERO,
            counted: Duration::ZERO,
        });
        let sample = || Ok((subject.process.cpu()?, Busy::now()?));
        let (answers, before, after) = drive(load, sample).await?;
        let cpu = after.0.saturating_sub(before.0);
        let others = before.1.others_until(&after.1, cpu);
        let disturbed = others > DISTURBED;
        if best.as_ref().is_none_or(|(least, _)| others < *least) {
            best = Some((others, Round { answers, cpu, disturbed }));
        }
        if !disturbed {
            break;
        }
    }
    best.map(|(_, round)| round).ok_or_else(|| "nothing was tried".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_middle_and_the_ends() {
        let figure = |values: &[f64]| Figure::of(values.iter().map(|value| (*value, false)));
        let odd = figure(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.least, odd.most), (2.0, 1.0, 3.0));
        assert_eq!(figure(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!(Figure::of([(1.0, false), (1.0, true)]).disturbed);
    }

    #[test]
    fn figures_have_three_digits() {
        let read = [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (1.234, "1.23"),
            (9.999, "10.00"),
            (12.34, "12.3"),
            (1234.0, "1234"),
        ];
        for (value, text) in read {
            assert_eq!(digits(value), text);
        }
    }
}
