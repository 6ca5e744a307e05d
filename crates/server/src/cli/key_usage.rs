//! `feedback key usage`

use domain::{Keypair, KeypairUsage, Timestamp, UsageDay};

use super::failure::{About, Result};
use super::output::{self, instant, instant_or, labelled, table};
use crate::api::shapes::UsageShape;
use crate::app::App;
use crate::keypairs;

/// Prints how the keypair is used.
pub(super) async fn show(app: &App, json: bool, keypair: &Keypair) -> Result<()> {
    let usage = keypairs::usage(app, keypair).await.about(format!("keypair {}", keypair.id))?;
    let now = app.clock.now();
    if json { output::json(&UsageShape::at(now, &usage)) } else { output::line(described(now, &usage)) }
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
