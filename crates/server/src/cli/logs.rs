//! Log lines, on stderr: one an event, as text or JSON. `RUST_LOG` chooses which.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

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
    let filter: Targets = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => {
            filter.parse().map_err(|error| Failure::new(format!("wrong setting: RUST_LOG: {error}")))?
        }
        _ => Targets::new().with_default(match level {
            Level::Everything => LevelFilter::INFO,
            Level::Warnings => LevelFilter::WARN,
        }),
    };
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|error| Failure::new(format!("can't start the log: {error}")))
}
