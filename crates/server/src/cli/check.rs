//! `feedback check`

use std::process::ExitCode;

use domain::ChainHash;
use serde::Serialize;

use super::failure::{About, Result};
use super::output;
use super::store::{Common, PART};
use crate::app::{App, Missing};

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) common: Common,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Findings {
    ok: bool,
    audit_events: u64,
    faults: Vec<String>,
}

impl Check {
    pub(super) async fn run(self) -> Result<ExitCode> {
        // Opening reads the settings, and opens what is sealed under the master key.
        let app = self.common.open(Missing::Refuse).await?;
        let checked = check(&app).await;
        app.store.close().await;
        let (audit_events, faults) = checked?;
        let findings = Findings { ok: faults.is_empty(), audit_events, faults };
        if self.common.json {
            output::json(&findings)?;
        } else if findings.ok {
            output::line(format!(
                "All is well: the settings, the store, its keys, and the {audit_events} lines of its audit log."
            ))?;
        } else {
            findings.faults.iter().try_for_each(output::line)?;
        }
        Ok(if findings.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Verifies the store and its audit log: how many lines that has, and every fault found.
pub(super) async fn check(app: &App) -> Result<(u64, Vec<String>)> {
    let mut faults = app.store.check().await.about("store")?;
    let mut chain = Chain::default();
    loop {
        let part = app.store.events_after(chain.last_sequence, PART).await.about("audit event")?;
        if part.is_empty() {
            return Ok((chain.lines, faults));
        }
        faults.extend(part.iter().filter_map(|event| chain.fault(event)));
    }
}

/// Where the verification of the audit log has got to.
#[derive(Default)]
struct Chain {
    last_sequence: i64,
    last_hash: ChainHash,
    lines: u64,
}

impl Chain {
    /// What is wrong with the next line, if anything.
    fn fault(&mut self, event: &domain::AuditEvent) -> Option<String> {
        let line = event.sequence;
        let fault = if line != self.last_sequence + 1 {
            Some(format!(
                "audit log: line {line} follows line {}; lines between are gone",
                self.last_sequence
            ))
        } else if event.previous != self.last_hash {
            Some(format!("audit log: line {line} does not continue the line before it"))
        } else if event.hash != event.expected_hash() {
            Some(format!("audit log: line {line} was changed after it was written"))
        } else {
            None
        };
        (self.last_sequence, self.last_hash) = (line, event.hash);
        self.lines += 1;
        fault
    }
}
