//! What the program counts, for Prometheus, on a listener of its own.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header;
use axum::routing::get;
use hyper_util::rt::TokioTimer;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::surface::Surface;

/// Requests answered, by surface, method and status.
const REQUESTS: &str = "feedback_http_requests_total";
/// How long answers took, by surface.
const DURATION: &str = "feedback_http_request_duration_seconds";
/// When the change feed was last read to its end, in seconds since the Unix epoch.
const FEED_READ: &str = "feedback_change_feed_read_timestamp_seconds";

const BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0];
/// How long a request for the counters may take to arrive.
const SCRAPED_WITHIN: Duration = Duration::from_secs(10);
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Starts counting. Once in a process.
pub(crate) fn start() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &BUCKETS)?
        .install_recorder()?;
    metrics::describe_counter!(REQUESTS, "Requests answered");
    metrics::describe_histogram!(DURATION, metrics::Unit::Seconds, "How long answers took");
    metrics::describe_gauge!(FEED_READ, metrics::Unit::Seconds, "When the change feed was last read");
    Ok(handle)
}

/// Serves `/metrics` on `listener` until it is dropped.
pub(crate) async fn serve(listener: TcpListener, handle: PrometheusHandle) -> std::io::Result<()> {
    let upkeep = handle.clone();
    let tidy = async move {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    };
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    let routes = Router::new().route("/metrics", get(move || async move { (text, handle.render()) }));
    let mut server = axum_server::from_tcp(listener.into_std()?)?.first_request_timeout(SCRAPED_WITHIN);
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(SCRAPED_WITHIN);
    tokio::select! {
        served = server.serve(routes.into_make_service()) => served,
        () = tidy => Ok(()),
    }
}

/// What is counted of a request, once it is answered.
pub(crate) struct Measured {
    surface: Surface,
    method: &'static str,
    began: Instant,
}

impl Measured {
    /// Begins to take the time.
    pub(crate) fn from(surface: Surface, request: &Request) -> Self {
        let method = match request.method().as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PATCH" => "PATCH",
            "PUT" => "PUT",
            "DELETE" => "DELETE",
            "OPTIONS" => "OPTIONS",
            // A client may make names up, and each would be kept.
            _ => "other",
        };
        Self { surface, method, began: Instant::now() }
    }

    /// Counts the request and how long its answer took.
    pub(crate) fn answered(self, status: StatusCode) {
        let counted = Counted { surface: self.surface, method: self.method, status: status.as_u16() };
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        let known = match known.get(&counted) {
            Some(known) => known.clone(),
            None => {
                drop(known);
                let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
                known.entry(counted).or_insert_with_key(Counters::of).clone()
            }
        };
        known.requests.increment(1);
        known.duration.record(self.began.elapsed());
    }
}

/// What is told apart of requests.
#[derive(PartialEq, Eq, Hash)]
struct Counted {
    surface: Surface,
    method: &'static str,
    status: u16,
}

#[derive(Clone)]
struct Counters {
    requests: metrics::Counter,
    duration: metrics::Histogram,
}

impl Counters {
    fn of(counted: &Counted) -> Self {
        let (surface, method, status) = (counted.surface.name(), counted.method, counted.status.to_string());
        Self {
            requests: metrics::counter!(REQUESTS, "surface" => surface, "method" => method, "status" => status),
            duration: metrics::histogram!(DURATION, "surface" => surface),
        }
    }
}

/// The counters that were asked for by name before: that costs more than to count.
static KNOWN: LazyLock<RwLock<HashMap<Counted, Counters>>> = LazyLock::new(RwLock::default);

/// Notes that the change feed was read to its end.
pub(crate) fn feed_was_read(now: domain::Timestamp) {
    metrics::gauge!(FEED_READ).set(now.as_millisecond() as f64 / 1000.0);
}
