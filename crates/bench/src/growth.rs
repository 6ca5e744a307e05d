//! What a token costs with 10², 10⁴ and 10⁶ keypairs, of which any may come next.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::Result;
use crate::document::{Part, Target, table};
use crate::driver::{Load, Pace, Requests, drive};
use crate::feedback::{Algorithm, Feedback};
use crate::plot::{Line, lines};
use crate::responses::mixed;
use crate::rounds::{CONNECTIONS, Subject, digits, interleaved};
use crate::workplace::Workplace;

const SIZES: [usize; 3] = [100, 10_000, 1_000_000];
const ROUNDS: usize = 5;

/// How long the first use of all keypairs may take; the others are used for the first time later.
const AT_MOST: Duration = Duration::from_secs(150);

/// Any of them, without an order, and in the next round others than in this one.
pub(crate) fn in_no_order(requests: Requests) -> Requests {
    let next = Cell::new(0);
    Rc::new(move |_, into| {
        next.set(next.get() + 1);
        requests(mixed(next.get()), into);
    })
}

/// Obtains a token of each keypair in turn: how many there were, and the server's processor time for them. What comes later
/// comes to a server that may remember as many of them as it likes.
pub(crate) async fn use_each(feedback: &Feedback) -> Result<(u64, Duration)> {
    let load = Load {
        address: feedback.process.address,
        requests: feedback.by_basic(),
        most: feedback.credentials.len() as u64,
        connections: CONNECTIONS,
        pace: Pace::Closed,
        warm_up: Duration::ZERO,
        counted: AT_MOST,
    };
    let (answers, before, after) = drive(load, || feedback.process.cpu()).await?;
    Ok((answers.all_good("the first use of each keypair")?.all(), after - before))
}

/// Microseconds for each; nothing of few, for which the clock that this is read from ticks too slowly.
fn each((tokens, took): (u64, Duration)) -> String {
    if tokens < 10_000 { String::new() } else { digits(took.as_secs_f64() * 1e6 / tokens as f64) }
}

pub(crate) async fn measure(workplace: &Workplace) -> Result<Part> {
    let mut servers = Vec::new();
    for keypairs in SIZES {
        servers.push(Feedback::with_keypairs(workplace, Algorithm::Es256, keypairs).await?);
    }
    let subjects: Vec<_> = servers
        .iter()
        .zip(SIZES)
        .map(|(feedback, keypairs)| {
            let name = format!("token with {keypairs} keypairs");
            Subject::repeating(&name, &feedback.process, in_no_order(feedback.by_basic()))
        })
        .collect();
    let mut first_uses = Vec::new();
    for feedback in &servers {
        first_uses.push(each(use_each(feedback).await?));
    }
    let all = interleaved(&subjects, ROUNDS).await?;
    let first = all.first().ok_or("nothing was measured")?;
    let last = all.last().ok_or("nothing was measured")?;
    let rows = all.iter().zip(first_uses).map(|(rounds, first_use)| {
        vec![
            rounds.name.clone(),
            first_use,
            rounds.micros().to_string(),
            rounds.rate().to_string(),
            rounds.times(first).to_string(),
        ]
    });
    let points =
        all.iter().zip(SIZES).map(|(rounds, keypairs)| ((keypairs as f64).log10(), rounds.micros().median));
    let line = Line { name: "token, ES256".to_owned(), ours: true, points: points.collect() };
    let (title, ticks) =
        ("Server CPU of one token, µs, by number of keypairs", [(2.0, "10²"), (4.0, "10⁴"), (6.0, "10⁶")]);
    Ok(Part {
        name: "growth",
        text: table(
            &["", "server CPU at first use, µs", "later, µs", "a second, on one core", "× that with 100"],
            rows,
        ),
        targets: vec![Target::at_most(
            "CPU of a token with 10⁶ keypairs, in multiples of that with 10²",
            1.2,
            " ×",
            last.times(first),
        )],
        pictures: vec![("growth.svg", lines(title, &ticks, &[line], false))],
    })
}
