//! Log lines, on stderr: one an event, as text or JSON. `RUST_LOG` chooses which.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

use super::failure::{Failure, Result};
use crate::config::LogFormat;
use crate::request_id::RequestId;

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
    registry()
        .with(filter)
        .with(lines(format, io::stderr, io::stderr().is_terminal()))
        .try_init()
        .map_err(|error| Failure::new(format!("can't start the log: {error}")))
}

/// Writes each event as a line.
fn lines<S, W>(format: LogFormat, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => lines.map_event_format(|line| OfRequest(line.with_ansi(colours))).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).map_event_format(OfRequest).boxed(),
    }
}

/// A line as it is, with the name of the request on whose way it was written. Not by a span: that costs each request a
/// tenth of what reading one environment does, and few of them log anything.
struct OfRequest<F>(F);

impl<S, N, F> FormatEvent<S, N> for OfRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(id) = RequestId::current() else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(members) => write!(writer, "{{\"request_id\":\"{id}\",{members}"),
            None => writeln!(writer, "{} request_id={id}", line.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;
    use crate::request_id::RequestIds;
    use crate::system::SystemEntropy;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of an event outside of any request and of one on the way of a request, and that request's name.
    async fn written(format: LogFormat) -> ([String; 2], String) {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = registry().with(lines(format, move || writer.clone(), false));
        let id = RequestIds::new(&SystemEntropy).next();
        let _guard = tracing::subscriber::set_default(subscriber);
        tracing::info!("{{ before it");
        id.around(async { tracing::info!(key = "a\nb", "on its way") }).await;
        let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<String> = written.lines().map(ToOwned::to_owned).collect();
        (lines.try_into().unwrap(), id.to_string())
    }

    #[tokio::test]
    async fn a_line_of_text_ends_with_the_name_of_its_request() {
        let ([before, within], id) = written(LogFormat::Text).await;
        assert!(before.ends_with("{ before it"), "{before}");
        assert!(within.ends_with(&format!("on its way key=\"a\\nb\" request_id={id}")), "{within}");
    }

    #[tokio::test]
    async fn a_line_of_json_has_the_name_of_its_request() {
        let (lines, id) = written(LogFormat::Json).await;
        let [before, within] = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
        assert_eq!(before["message"], "{ before it");
        assert_eq!(before["request_id"], Value::Null);
        assert_eq!(within["message"], "on its way");
        assert_eq!(within["key"], "a\nb");
        assert_eq!(within["request_id"], id);
    }
}
