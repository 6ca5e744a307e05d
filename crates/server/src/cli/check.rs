//! `feedback check`

use std::process::ExitCode;

use domain::ChainHash;
use serde::Serialize;

use super::failure::{About, Failure, Result};
use super::output;
use super::store::{Common, PART};
use crate::app::{App, Missing};
use crate::tls::Tls;

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
        let checked = self.common.on_store(Missing::Refuse, async |app| {
            app.config.tls.as_ref().map(Tls::open).transpose().map_err(Failure::new)?;
            check(app).await
        });
        let (audit_events, faults) = checked.await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Action, Actor, AuditEvent, ObjectRef, Stamp, Timestamp, new_id};
    use serde_json::Value;

    use crate::system::SystemEntropy;

    fn log(lines: i64) -> Vec<AuditEvent> {
        let mut log: Vec<AuditEvent> = Vec::new();
        for sequence in 1..=lines {
            let mut event = AuditEvent {
                sequence,
                stamp: Stamp {
                    event: new_id(Timestamp::UNIX_EPOCH, &SystemEntropy),
                    at: Timestamp::UNIX_EPOCH,
                    actor: Actor::Operator,
                    client: None,
                    address: None,
                    standing: None,
                },
                action: Action::AccountCreated.name().to_owned(),
                object: ObjectRef::new("account", sequence),
                owner: None,
                before: Value::Null,
                after: Value::Null,
                previous: log.last().map_or_else(ChainHash::default, |event| event.hash),
                hash: ChainHash::default(),
            };
            event.hash = event.expected_hash();
            log.push(event);
        }
        log
    }

    fn faults(log: &[AuditEvent]) -> Vec<String> {
        let mut chain = Chain::default();
        log.iter().filter_map(|event| chain.fault(event)).collect()
    }

    #[test]
    fn a_whole_log_has_no_fault() {
        assert!(faults(&log(5)).is_empty());
    }

    #[test]
    fn a_line_that_is_gone_changed_or_made_up_is_named() {
        let mut gone = log(5);
        gone.remove(2);
        assert!(faults(&gone).concat().contains("line 4 follows line 2"));
        let mut changed = log(5);
        changed[2].stamp.actor = Actor::Keypair(new_id(Timestamp::UNIX_EPOCH, &SystemEntropy));
        assert!(faults(&changed).concat().contains("line 3 was changed"));
        changed[2].hash = changed[2].expected_hash();
        assert!(faults(&changed).concat().contains("line 4 does not continue"));
        let beheaded = log(5).split_off(1);
        assert!(faults(&beheaded).concat().contains("line 2 follows line 0"));
    }
}
