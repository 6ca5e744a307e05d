//! What reports cost over 10⁵ and 10⁷ responses, and how many responses are taken in a second.

use std::time::Duration;

use domain::EnvironmentId;
use storage_sqlite::{FILE_NAME, SqliteStorage};

use crate::Result;
use crate::document::{Part, Target, table};
use crate::driver::{Load, Pace, Requests, drive};
use crate::feedback::{Feedback, answer, get_with_token, serve, submit};
use crate::responses::{BATCH, Batch, DAYS, LAST_WEEK, make_queries, with_responses};
use crate::rounds::{Figure, Prepare, Rounds, Subject, digits, quietly};
use crate::store::{Numbered, with_keypairs};
use crate::workplace::Workplace;

const FEW: u64 = 100_000;
const MANY: u64 = 10_000_000;

/// Clients that submit batches, each its next one when the last was answered.
const CLIENTS: usize = 4;

const ROUNDS: usize = 3;

/// How often each report is asked for in a round, and how long that may take at the most.
const ASKED: u64 = 20;
const COUNTED: Duration = Duration::from_secs(20);

fn kinds(environment: EnvironmentId) -> [(&'static str, String); 3] {
    let path = |(from, to): (&str, &str), more: &str| {
        format!("/v1/environments/{environment}/reports/overview?from={from}&to={to}{more}")
    };
    [
        ("90 days, combined", path(DAYS, "&combine=true")),
        ("90 days, daily", path(DAYS, "")),
        ("a week, combined, with 12 before it", path(LAST_WEEK, "&combine=true&history=12")),
    ]
}

/// Responses a second that a new store takes through the API; the last of the stores is left for reports.
async fn ingest(workplace: &Workplace) -> Result<(Figure, Figure, Feedback)> {
    let (mut rates, mut cpu, mut left) = (Vec::new(), Vec::new(), None);
    for _ in 0..ROUNDS {
        drop(left.take());
        let data = workplace.fresh("ingest")?;
        let filled = with_keypairs(workplace, &data, 100, &[]).await?;
        let environment = filled.environment(0)?;
        let store = SqliteStorage::open(&data.join(FILE_NAME)).await?;
        let queries = make_queries(&store, environment, &Numbered::from(1 << 40)).await?;
        storage::Upkeep::close(&store).await;
        let feedback = Feedback::on(serve(workplace, &data, &[]).await?, filled)?;
        let token = feedback.mint(1).await?.pop().ok_or("no token")?;
        let batches = (0..FEW).step_by(BATCH as usize).map(|from| Batch { from, total: FEW }.json(&queries));
        let load = Load {
            address: feedback.process.address,
            requests: submit(environment, token, batches.collect()),
            most: FEW / BATCH,
            connections: CLIENTS,
            pace: Pace::Closed,
            warm_up: Duration::ZERO,
            counted: Duration::from_secs(300),
        };
        let (answers, before, after) = drive(load, || feedback.process.cpu()).await?;
        let answers = answers.all_good("batches of responses")?;
        rates.push((answers.rate() * BATCH as f64, false));
        cpu.push(((after - before).as_secs_f64() * 1e6 / FEW as f64, false));
        eprintln!("  took in {} responses a second", digits(answers.rate() * BATCH as f64));
        left = Some(feedback);
    }
    Ok((Figure::of(rates), Figure::of(cpu), left.ok_or("nothing was measured")?))
}

fn report<'a>(name: String, feedback: &'a Feedback, requests: Requests) -> Subject<'a> {
    let prepare: Prepare<'a> = Box::new(move || {
        let requests = requests.clone();
        Box::pin(async move { Ok((requests, ASKED)) })
    });
    Subject { name, process: &feedback.process, prepare }
}

pub(crate) async fn measure(workplace: &Workplace) -> Result<Part> {
    let (rate, micros, few) = ingest(workplace).await?;
    let data = workplace.kept(&format!("{MANY}-responses"));
    let filled = with_responses(workplace, &data, MANY).await?;
    let many = Feedback::on(serve(workplace, &data, &[]).await?, filled)?;
    let mut all = Vec::new();
    for (responses, feedback) in [("10⁵", &few), ("10⁷", &many)] {
        let tokens = feedback.mint(100).await?;
        for (kind, path) in kinds(feedback.environment) {
            let name = format!("{kind}, over {responses} responses");
            let requests = get_with_token(path, tokens.clone());
            answer(&feedback.process, requests.clone()).await?;
            let subject = report(name.clone(), feedback, requests);
            let mut rounds = Rounds { name, rounds: Vec::new() };
            for _ in 0..ROUNDS {
                let shape = |load: Load| Load { counted: COUNTED, ..load };
                rounds.rounds.push(quietly(&subject, 1, Pace::Closed, shape).await?);
            }
            eprintln!("  {}: {} µs", subject.name, rounds.micros());
            all.push(rounds);
        }
    }
    let rows = all.iter().map(|rounds| {
        let median = |quantile| {
            rounds.figure(|round| round.answers.since_sent.value_at_quantile(quantile) as f64 / 1e6)
        };
        let cpu = rounds.figure(|round| round.micros() / 1e3);
        vec![rounds.name.clone(), cpu.to_string(), median(0.5).to_string(), median(1.0).to_string()]
    });
    let reports = table(&["report", "server CPU, ms", "p50, ms", "slowest, ms"], rows);
    let combined = all.iter().find(|rounds| rounds.name.starts_with("90 days, combined, over 10⁷"));
    let combined = combined.ok_or("a report is missing")?.figure(|round| round.micros() / 1e3);
    Ok(Part {
        name: "reports",
        text: format!(
            "{reports}\nBatches of 1,000 responses by {CLIENTS} clients into a new store, each answered once it is \
             durable: {rate} responses a second, {micros} µs of server CPU for each.\n"
        ),
        targets: vec![
            Target::at_most("a combined report of 90 days over 10⁷ responses, CPU", 20.0, " ms", combined),
            Target::at_least("responses taken in a second, durable", 20_000.0, "", rate),
        ],
        pictures: Vec::new(),
    })
}
