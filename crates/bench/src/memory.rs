//! What the program takes: memory, time to start, room on disk.

use std::fs;
use std::rc::Rc;
use std::time::Duration;

use storage_sqlite::FILE_NAME;

use crate::Result;
use crate::document::{Part, Target, table};
use crate::driver::{Load, Pace};
use crate::feedback::{Algorithm, Feedback, answer, get_with_token, serve, token_by_basic};
use crate::rounds::{CONNECTIONS, Figure, Subject, digits, quietly};
use crate::store::fill_while_served;
use crate::workplace::Workplace;

const STARTS: usize = 5;

/// How long nothing is asked before memory counts as idle, or as settled.
const IDLE: Duration = Duration::from_secs(2);
const SETTLED: Duration = Duration::from_secs(15);
const UNDER_LOAD: Duration = Duration::from_secs(5);

const MB: f64 = 1e6;
const MIB: f64 = 1_048_576.0;

fn one(value: f64) -> Figure {
    Figure::of([(value, false)])
}

fn all(values: &[f64]) -> Figure {
    Figure::of(values.iter().map(|value| (*value, false)))
}

/// Bytes resident, when idle, at the most under load, and a while after it.
struct Resident {
    idle: f64,
    peak: f64,
    settled: f64,
}

async fn resident(workplace: &Workplace, keypairs: usize) -> Result<Resident> {
    let feedback = Feedback::with_keypairs(workplace, Algorithm::Es256, keypairs).await?;
    let process = &feedback.process;
    tokio::time::sleep(IDLE).await;
    let idle = process.memory()?.resident;
    let tokens = feedback.mint(10_000).await?;
    for requests in [feedback.by_basic(), get_with_token("/v1/access".to_owned(), tokens)] {
        let subject = Subject::repeating("memory under load", process, requests);
        let shape = |load: Load| Load { counted: UNDER_LOAD, ..load };
        quietly(&subject, CONNECTIONS, Pace::Closed, shape).await?.answers.all_good(&subject.name)?;
    }
    let peak = process.memory()?.peak;
    tokio::time::sleep(SETTLED).await;
    let settled = process.memory()?.resident;
    feedback.process.stop()?;
    Ok(Resident { idle: idle as f64, peak: peak as f64, settled: settled as f64 })
}

/// Milliseconds from the start of the process until it is ready, and until it gave its first token.
struct Starts {
    ready: Vec<f64>,
    first_token: Vec<f64>,
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

async fn starts(workplace: &Workplace, keypairs: usize) -> Result<Starts> {
    let mut starts = Starts { ready: Vec::new(), first_token: Vec::new() };
    for _ in 0..STARTS {
        let feedback = Feedback::with_keypairs(workplace, Algorithm::Es256, keypairs).await?;
        starts.ready.push(millis(feedback.process.ready_after));
        answer(&feedback.process, feedback.by_basic()).await?;
        starts.first_token.push(millis(feedback.process.started.elapsed()));
        feedback.process.stop()?;
    }
    Ok(starts)
}

/// On an empty folder; the keypair for the token is made as soon as the server is ready, and that is in the time.
async fn first_starts(workplace: &Workplace) -> Result<Starts> {
    let mut starts = Starts { ready: Vec::new(), first_token: Vec::new() };
    for _ in 0..STARTS {
        let data = workplace.fresh("first-start")?;
        let process = serve(workplace, &data, &[]).await?;
        starts.ready.push(millis(process.ready_after));
        let credentials = fill_while_served(&data.join(FILE_NAME)).await?;
        answer(&process, token_by_basic("/oauth2/token", Rc::new(credentials))).await?;
        starts.first_token.push(millis(process.started.elapsed()));
        process.stop()?;
    }
    Ok(starts)
}

pub(crate) async fn measure(workplace: &Workplace) -> Result<Part> {
    let few = resident(workplace, 100).await?;
    let many = resident(workplace, 1_000_000).await?;
    let first = first_starts(workplace).await?;
    let on_few = starts(workplace, 100).await?;
    let on_many = starts(workplace, 1_000_000).await?;
    let binary = fs::metadata(&workplace.binary)?.len() as f64;

    let mb = |bytes: f64| digits(bytes / MB);
    let resident = [("10² keypairs", &few), ("10⁶ keypairs", &many)]
        .map(|(name, it)| vec![name.to_owned(), mb(it.idle), mb(it.peak), mb(it.settled)]);
    let resident = table(&["resident, MB", "idle", "most under load", "15 s after it"], resident);
    let started =
        [("on an empty folder", &first), ("with 10² keypairs", &on_few), ("with 10⁶ keypairs", &on_many)]
            .map(|(name, it)| {
                vec![name.to_owned(), all(&it.ready).to_string(), all(&it.first_token).to_string()]
            });
    let started = table(&["start, ms", "ready", "first token"], started);
    let targets = vec![
        Target::at_most("resident with 10² keypairs, idle", 25.0, " MB", one(few.idle / MB)),
        Target::at_most("resident with 10² keypairs, under load", 40.0, " MB", one(few.peak / MB)),
        Target::at_most("resident with 10⁶ keypairs, under load", 256.0, " MiB", one(many.peak / MIB)),
        Target::at_most("ready with 10⁶ keypairs", 200.0, " ms", all(&on_many.ready)),
        Target::at_most("first token on existing data", 150.0, " ms", all(&on_few.first_token)),
        Target::at_most("first token on a first start", 500.0, " ms", all(&first.first_token)),
        Target::at_most("the program", 20.0, " MB", one(binary / MB)),
    ];
    let text = format!("{resident}\n{started}\nThe program is one file of {} MB.\n", mb(binary));
    Ok(Part { name: "memory", text, targets, pictures: Vec::new() })
}
