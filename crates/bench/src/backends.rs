//! PostgreSQL beside SQLite: what a token and an API request cost when what they need is remembered.
//!
//! Measured if `BENCH_DATABASE_URL` names an empty database.

use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use serde_json::Value;

use crate::Result;
use crate::document::{Part, Target, table};
use crate::feedback::{Algorithm, Feedback, get_with_token, serve};
use crate::rounds::{Subject, interleaved};
use crate::workplace::Workplace;

const ROUNDS: usize = 5;
const KEYPAIRS: usize = 20;

const WITHOUT: &str = "not measured: `BENCH_DATABASE_URL` was not set";

/// What the command line prints with `--json`.
fn told(workplace: &Workplace, data: &Path, url: &str, arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(&workplace.binary);
    command.args(arguments).args(["--json", "--database-url", url, "--data"]).arg(data);
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stdout)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn field(of: &Value, name: &str) -> Result<String> {
    Ok(of.get(name).and_then(Value::as_str).ok_or_else(|| format!("no {name}"))?.to_owned())
}

async fn on_postgres(workplace: &Workplace, url: &str) -> Result<Feedback> {
    let data = workplace.fresh("postgres")?;
    let process = serve(workplace, &data, &[("database_url", url)]).await?;
    let told = |arguments: &[&str]| told(workplace, &data, url, arguments);
    let account = field(&told(&["account", "create", "--name", "Account"])?, "id")?;
    let environment = told(&["environment", "create", "--account", &account, "--name", "Environment"])?;
    let environment = field(&environment, "id")?;
    let mut credentials = Vec::new();
    for _ in 0..KEYPAIRS {
        let scope = "feedback-report:read feedback-responses:create";
        let made = ["key", "create", "--owner", &environment, "--scope", scope, "--comment", "Measuring"];
        let made = told(&made)?;
        credentials.push(format!("{}:{}", field(&made, "id")?, field(&made, "secret")?));
    }
    Ok(Feedback { process, credentials: Rc::new(credentials), environment: environment.parse()? })
}

pub(crate) async fn measure(workplace: &Workplace) -> Result<Part> {
    let whats = [("CPU of a token", "token"), ("CPU of an API request", "GET environment")]
        .map(|(what, name)| (format!("{what} on PostgreSQL, in multiples of SQLite"), name));
    let Ok(url) = std::env::var("BENCH_DATABASE_URL") else {
        return Ok(Part {
            name: "backends",
            text: WITHOUT.to_owned(),
            targets: whats.map(|(what, _)| Target::not_measured(&what, "≤ 1.1 ×", "not measured")).into(),
            pictures: Vec::new(),
        });
    };
    let servers = [
        ("SQLite", Feedback::with_keypairs(workplace, Algorithm::Es256, 100).await?),
        ("PostgreSQL", on_postgres(workplace, &url).await?),
    ];
    let mut subjects = Vec::new();
    for (backend, feedback) in &servers {
        let path = format!("/v1/environments/{}", feedback.environment);
        let seen = get_with_token(path, feedback.mint(1_000).await?);
        for (name, requests) in [("token", feedback.by_basic()), ("GET environment", seen)] {
            subjects.push(Subject::repeating(&format!("{name}, {backend}"), &feedback.process, requests));
        }
    }
    let all = interleaved(&subjects, ROUNDS).await?;
    let rows = all
        .iter()
        .map(|rounds| vec![rounds.name.clone(), rounds.micros().to_string(), rounds.rate().to_string()]);
    let find = |name: String| all.iter().find(|rounds| rounds.name == name).ok_or("a row is missing");
    let mut targets = Vec::new();
    for (what, name) in whats {
        let times = find(format!("{name}, PostgreSQL"))?.times(find(format!("{name}, SQLite"))?);
        targets.push(Target::at_most(&what, 1.1, " ×", times));
    }
    Ok(Part {
        name: "backends",
        text: table(&["", "server CPU, µs", "a second, on one core"], rows),
        targets,
        pictures: Vec::new(),
    })
}
