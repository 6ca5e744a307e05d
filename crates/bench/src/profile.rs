//! Where the server's time goes: the program built with symbols, under load, and what `perf` says of it.

use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::driver::{Load, Pace, drive};
use crate::feedback::{Algorithm, Feedback, get_with_token};
use crate::growth::{in_no_order, use_each};
use crate::rounds::CONNECTIONS;
use crate::workplace::Workplace;

/// What can be looked at.
pub(crate) const REQUESTS: [&str; 6] =
    ["token", "token-of-a-million", "access", "access-new", "environment", "environment-new"];

const WARM_UP: Duration = Duration::from_secs(1);
const SECONDS: u64 = 8;
const LINES: usize = 200;

/// The functions that took most of the time of such requests: with what they called, and without.
pub(crate) async fn measure(workplace: Workplace, requests: &str) -> Result<String> {
    let keypairs = if requests == "token-of-a-million" { 1_000_000 } else { 100 };
    let feedback = Feedback::with_keypairs(&workplace, Algorithm::Es256, keypairs).await?;
    let (what, new) = requests.strip_suffix("-new").map_or((requests, false), |what| (what, true));
    let path = match what {
        "access" => "/v1/access".to_owned(),
        _ => format!("/v1/environments/{}", feedback.environment),
    };
    let (requests, most) = match (what, new) {
        ("token", _) => (feedback.by_basic(), u64::MAX),
        ("token-of-a-million", _) => {
            use_each(&feedback).await?;
            (in_no_order(feedback.by_basic()), u64::MAX)
        }
        (_, false) => (get_with_token(path, feedback.mint(1_000).await?), u64::MAX),
        (_, true) => (get_with_token(path, feedback.mint(200_000).await?), 200_000),
    };
    let load = Load {
        address: feedback.process.address,
        requests,
        most,
        connections: CONNECTIONS,
        pace: Pace::Closed,
        warm_up: WARM_UP,
        counted: Duration::from_secs(SECONDS),
    };
    let recorded = workplace.log("perf").with_extension("data");
    let mut perf = Command::new("perf");
    perf.args(["record", "--quiet", "--freq=499", "--call-graph=dwarf,32768", "--pid"])
        .arg(feedback.process.id());
    perf.args(["--delay", &WARM_UP.as_millis().to_string(), "--output"]).arg(&recorded);
    perf.args(["sleep", &(WARM_UP.as_secs() + SECONDS - 1).to_string()]);
    let mut perf = perf.spawn().map_err(|error| format!("perf can't be run: {error}"))?;
    let (answers, before, after) = drive(load, || feedback.process.cpu()).await?;
    let answers = answers.all_good("the load")?;
    let micros = (after - before).as_secs_f64() * 1e6 / answers.all() as f64;
    perf.wait()?;
    let mut report = Command::new("perf");
    report.args([
        "report",
        "--stdio",
        "--children",
        "--no-inline",
        "--call-graph=graph,99.9",
        "--percent-limit=0.5",
        "--input",
    ]);
    let report = report.arg(&recorded).output()?;
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    // A function's line has two figures. The chains of calls beside them are longer than anybody reads.
    let function = |line: &&str| line.split_whitespace().take(2).all(|figure| figure.ends_with('%'));
    let lines = report.lines().filter(|line| !line.is_empty()).filter(function).take(LINES);
    Ok(format!("{micros:.1} µs of server CPU each\n{}", lines.collect::<Vec<_>>().join("\n")))
}
