//! `feedback key usage`

use domain::{Call, Keypair, KeypairUsage, Owner, Timestamp, USAGE_RECENT, UsageDay, usage_from};

use super::failure::{About, Result};
use super::output::{self, instant, instant_or, labelled, table};
use crate::api::shapes::UsageShape;
use crate::app::App;
use crate::keypairs;

/// How many keypairs are counted at the most.
const COUNTED: u32 = 1_000;

/// Prints how the keypair is used.
pub(super) async fn show(app: &App, json: bool, keypair: &Keypair) -> Result<()> {
    let usage = keypairs::usage(app, keypair).await.about(format!("keypair {}", keypair.id))?;
    let now = app.clock.now();
    if json { output::json(&UsageShape::at(now, &usage)) } else { output::line(described(now, &usage)) }
}

/// What the keypair did in the last seven days, as a sentence: what fails if it is stopped.
pub(super) async fn recently(app: &App, keypair: &Keypair) -> String {
    match keypairs::usage(app, keypair).await {
        Ok(usage) => sentence(&usage),
        // Nobody is kept from stopping a keypair by this.
        Err(error) => format!("How it was used can't be told: {error}."),
    }
}

/// How many keypairs in use closing the account or environment would end, as a sentence.
pub(super) async fn in_use(app: &App, owner: Owner) -> String {
    let from = usage_from(app.clock.now(), USAGE_RECENT);
    match app.store.keypairs_in_use(owner, None, from, COUNTED + 1).await {
        Ok(found) => match found.len() {
            0 => "None of them was used in the last seven days.".to_owned(),
            1 => "One of them was used in the last seven days.".to_owned(),
            many if many > COUNTED as usize => {
                format!("More than {COUNTED} of them were used in the last seven days.")
            }
            many => format!("{many} of them were used in the last seven days."),
        },
        Err(error) => format!("How they were used can't be told: {error}."),
    }
}

fn sentence(usage: &KeypairUsage) -> String {
    let done: Vec<_> = usage.operations.iter().filter(|used| used.requests > 0).collect();
    let last = done.iter().map(|used| &used.last).chain(&usage.token).max_by_key(|call| call.at);
    let Some(last) = last else {
        return "In the last seven days it was not used.".to_owned();
    };
    let requests: u64 = done.iter().map(|used| used.requests).sum();
    let operations: Vec<_> =
        done.iter().map(|used| format!("{} {}", used.operation, used.requests)).collect();
    let what = match requests {
        0 => "it obtained tokens and made no request".to_owned(),
        _ => format!("it made requests: {}", operations.join(", ")),
    };
    format!("In the last seven days {what}; the last time {}.", called(last))
}

/// When, by which program and from where.
fn called(call: &Call) -> String {
    let program = call.program.as_ref().map(|program| format!(" by {program}"));
    let address = call.address.map(|address| format!(" from {address}"));
    format!("{}{}{}", instant(call.at), program.unwrap_or_default(), address.unwrap_or_default())
}

fn described(now: Timestamp, usage: &KeypairUsage) -> String {
    let total = |of: fn(&UsageDay) -> u64| usage.days.iter().map(of).sum::<u64>().to_string();
    let scopes: Vec<_> = usage
        .scopes
        .iter()
        .map(|used| format!("{}: last used {}", used.scope, instant_or(used.last_used_at, "never")))
        .collect();
    let summary = labelled(&[
        ("Of the last 30 days, until", instant(now)),
        ("Tokens", total(|day| day.tokens)),
        ("Requests", total(|day| day.requests)),
        ("Refused for their scopes", total(|day| day.refused)),
        ("Last token", usage.token.as_ref().map_or("none in the last seven days".to_owned(), called)),
        ("Scopes", scopes.join("\n")),
        ("Known since", usage.since.to_string()),
    ]);
    let days: Vec<_> = usage
        .days
        .iter()
        .filter(|day| day.tokens + day.requests + day.refused > 0)
        .map(|day| {
            [day.date.to_string(), day.tokens.to_string(), day.requests.to_string(), day.refused.to_string()]
        })
        .collect();
    let operations: Vec<_> = usage
        .operations
        .iter()
        .map(|used| {
            [
                used.operation.to_string(),
                used.requests.to_string(),
                used.refused.to_string(),
                instant(used.last.at),
                used.last.address.map_or("-".to_owned(), |address| address.to_string()),
                used.last.program.as_ref().map_or("-".to_owned(), ToString::to_string),
            ]
        })
        .collect();
    if days.is_empty() {
        return format!("{summary}\n\nIt was not used in these days.");
    }
    let days = table(["DAY", "TOKENS", "REQUESTS", "REFUSED"], &days);
    if operations.is_empty() {
        return format!("{summary}\n\n{days}\n\nIt made no request in the last seven days.");
    }
    let headings = ["OPERATION", "REQUESTS", "REFUSED", "LAST", "FROM", "BY"];
    format!("{summary}\n\n{days}\n\nIn the last seven days:\n{}", table(headings, &operations))
}
