//! What a token costs with 10², 10⁴ and 10⁶ keypairs, of which any may come next.

use std::cell::Cell;
use std::rc::Rc;

use crate::Result;
use crate::document::{Part, Target, table};
use crate::driver::Requests;
use crate::feedback::{Algorithm, Feedback};
use crate::plot::{Line, lines};
use crate::responses::mixed;
use crate::rounds::{Subject, interleaved};
use crate::workplace::Workplace;

const SIZES: [usize; 3] = [100, 10_000, 1_000_000];
const ROUNDS: usize = 5;

/// Any of them, without an order, and in the next round others than in this one.
fn in_no_order(requests: Requests) -> Requests {
    let next = Cell::new(0);
    Rc::new(move |_, into| {
        next.set(next.get() + 1);
        requests(mixed(next.get()), into);
    })
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
    let all = interleaved(&subjects, ROUNDS).await?;
    let first = all.first().ok_or("nothing was measured")?;
    let last = all.last().ok_or("nothing was measured")?;
    let rows = all.iter().map(|rounds| {
        vec![
            rounds.name.clone(),
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
        text: table(&["", "server CPU, µs", "a second, on one core", "× that with 100"], rows),
        targets: vec![Target::at_most(
            "CPU of a token with 10⁶ keypairs, in multiples of that with 10²",
            1.2,
            " ×",
            last.times(first),
        )],
        pictures: vec![("growth.svg", lines(title, &ticks, &[line], false))],
    })
}
