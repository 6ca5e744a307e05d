//! Log lines, on stderr: one an event, as text or JSON. `RUST_LOG` chooses which.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::failure::{Failure, Result};
use crate::config::LogFormat;

/// Which lines are written unless `RUST_LOG` says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    /// What a server tells of its life.
    Everything,
    /// What a command should not be silent about.
    Warnings,
}

/// Starts writing log lines.
pub(super) fn start(format: LogFormat, level: Level) -> Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter)
            .map_err(|error| Failure::new(format!("wrong setting: RUST_LOG: {error}")))?,
        _ => EnvFilter::new(match level {
            Level::Everything => "info",
            Level::Warnings => "warn",
        }),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(|error| Failure::new(format!("can't start the log: {error}")))
}
