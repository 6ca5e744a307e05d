//! Measures Feedback under load, beside its floor and its peers, and writes docs/performance.md.
//!
//! `cargo run --release -p bench -- all` does everything; names of parts in the place of `all` measure those, and write them
//! down too with `write` before them. `profile` and the name of a request prints where the server's time goes, by `perf`.

mod backends;
mod document;
mod driver;
mod feedback;
mod floor;
mod growth;
mod http;
mod latency;
mod machine;
mod memory;
mod peers;
mod plot;
mod process;
mod profile;
mod reports;
mod responses;
mod rounds;
mod store;
mod workplace;

use std::io::Write;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::workplace::Workplace;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The parts, in the order of the document.
const PARTS: [&str; 7] = ["http", "peers", "growth", "latency", "memory", "reports", "backends"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["floor", address, sizes @ ..] => serve_floor(address, sizes),
        ["all"] => measure(&PARTS, true),
        ["profile", requests] if profile::REQUESTS.contains(requests) => {
            let workplace = Workplace::open().and_then(Workplace::with_symbols);
            workplace.and_then(|at| run(at, async |at| print(&profile::measure(at, requests).await?)))
        }
        ["write", parts @ ..] if are_parts(parts) => measure(parts, true),
        parts if are_parts(parts) => measure(parts, false),
        _ => Err(format!(
            "what to measure? all, or some of {}, with write before them to write them down; or profile with one of {}",
            PARTS.join(", "),
            profile::REQUESTS.join(", ")
        )
        .into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn are_parts(names: &[&str]) -> bool {
    !names.is_empty() && names.iter().all(|name| PARTS.contains(name))
}

fn serve_floor(address: &str, sizes: &[&str]) -> Result<()> {
    let [signed, token, api] = sizes else { return Err("the floor takes three sizes".into()) };
    let sizes = floor::Sizes { signed: signed.parse()?, token: token.parse()?, api: api.parse()? };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(floor::serve(address.parse()?, sizes))
}

/// Does something with the program, on the core that is not the servers'. It is built on all of them.
fn run(workplace: Workplace, task: impl AsyncFnOnce(Workplace) -> Result<()>) -> Result<()> {
    process::stay_on_driver_core()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            done = task(workplace) => done,
            told = stopped() => told,
        }
    })
}

/// Fails once the program is told to stop. The servers don't hear of it; they are stopped when what holds them is let go.
async fn stopped() -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Err("stopped".into())
}

/// Measures the parts and prints them; writes the document, if wanted, as they are done.
fn measure(names: &[&str], write: bool) -> Result<()> {
    let machine = machine::description()?;
    run(Workplace::open()?, async |workplace| {
        let mut parts = Vec::new();
        for name in names {
            eprintln!("{name}");
            let part = match *name {
                "http" => http::measure(&workplace).await,
                "peers" => peers::measure(&workplace).await,
                "growth" => growth::measure(&workplace).await,
                "latency" => latency::measure(&workplace).await,
                "memory" => memory::measure(&workplace).await,
                "reports" => reports::measure(&workplace).await,
                _ => backends::measure(&workplace).await,
            }?;
            print(&format!("\n{}\n", part.text))?;
            parts.push(part);
            if write {
                document::write(&workplace, &machine, &parts)?;
            }
        }
        print(&document::targets(&parts))
    })
}

fn print(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
