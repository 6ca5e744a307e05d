//! Serving until told to stop, and the work that goes on meanwhile.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::ServiceExt;
use axum::extract::Request;
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::live::{FEED_INTERVAL, FLUSH_INTERVAL};
use crate::metrics;
use crate::retirement::{LOOK_INTERVAL, Watch};
use crate::router::router;
use crate::tls::Tls;
use crate::whole_body::ARRIVES_WITHIN;

const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

/// How often it is asked whether a signing key is due, or over.
const SIGNING_KEYS_INTERVAL: Duration = Duration::from_secs(3600);

/// How long a handshake may take, the headers of a request to arrive, and a connection to answer.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);

/// How long what was begun may take to finish after SIGTERM.
const FINISH_WITHIN: Duration = Duration::from_secs(25);

/// Serves on `listener`, over TLS if there is one, until `stop` says so, then finishes what was begun.
pub(crate) async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Tls>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    app.live.catch_up().await.map_err(std::io::Error::other)?;
    let following = follow_feed_apart(app.clone())?;
    let mut upkeep = JoinSet::new();
    upkeep.spawn(keep_up(app.clone()));
    let _watching = app.overload.clone().watch()?;
    let service =
        ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(router(app.clone()));
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener.into_std()?)?
        .handle(handle.clone())
        // Also for whoever connects and says nothing, before it is known which HTTP is spoken.
        .first_request_timeout(HEADERS_WITHIN + ARRIVES_WITHIN);
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    server.http_builder().http2().timer(TokioTimer::new()).keep_alive_interval(HEADERS_WITHIN);
    let finishing = tokio::spawn(async move {
        let _ = stop.wait_for(|stop| *stop).await;
        handle.graceful_shutdown(Some(FINISH_WITHIN));
    });
    let served = match tls {
        Some(tls) => {
            upkeep.spawn(tls.clone().follow(signal(SignalKind::hangup())?));
            server.acceptor(tls.acceptor(HEADERS_WITHIN)).serve(service).await
        }
        None => server.serve(service).await,
    };
    finishing.abort();
    upkeep.shutdown().await;
    drop(following);
    if let Err(error) = app.live.flush_uses().await {
        tracing::warn!(%error, "what keypairs were used for could not be written");
    }
    app.store.close().await;
    served
}

/// True once the process is told to stop, by SIGTERM or ctrl-c.
pub(crate) fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    let (tell, told) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing what was begun");
        let _ = tell.send(true);
    });
    Ok(told)
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Follows the change feed until what is returned is dropped. On a thread of its own, or it would stand behind the requests:
/// with too many of them nothing in memory would count any more, and each would ask the store.
fn follow_feed_apart(app: Arc<App>) -> std::io::Result<oneshot::Sender<Infallible>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (following, dropped) = oneshot::channel();
    std::thread::Builder::new().name("change-feed".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = follow_feed(app) => {}
                _ = dropped => {}
            }
        });
    })?;
    Ok(following)
}

async fn follow_feed(app: Arc<App>) {
    let mut ticks = every(FEED_INTERVAL);
    let mut readable = true;
    loop {
        ticks.tick().await;
        let read = app.live.catch_up().await;
        if read.is_ok() {
            metrics::feed_was_read(app.clock.now());
        }
        match read {
            Ok(()) if !readable => {
                readable = true;
                tracing::info!("the change feed can be read again");
            }
            Err(error) if readable => {
                readable = false;
                tracing::error!(%error, "the change feed can't be read; nothing is trusted until it can");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Makes the signing key that is due and removes those that are over; once, takes up the configured algorithm first.
async fn tend_signing_keys(app: &App, adopted: &mut bool) {
    let stamp = app.own_stamp();
    let outcome = async {
        if !*adopted {
            app.signing_keys.adopt(app.config.signing_algorithm, &stamp, &*app.entropy).await?;
            *adopted = true;
        }
        app.signing_keys.keep_up(&app.own_stamp(), app.config.signing_key_days, &*app.entropy).await
    };
    if let Err(error) = outcome.await {
        tracing::error!(%error, "the signing keys could not be looked after; trying again in an hour");
    }
}

async fn keep_up(app: Arc<App>) {
    let (mut flush, mut sweep) = (every(FLUSH_INTERVAL), every(SWEEP_INTERVAL));
    let mut signing_keys = every(SIGNING_KEYS_INTERVAL);
    let (mut look, mut watch) = (every(LOOK_INTERVAL), Watch::begin(app.clock.now()));
    let mut adopted = false;
    loop {
        tokio::select! {
            _ = signing_keys.tick() => tend_signing_keys(&app, &mut adopted).await,
            _ = flush.tick() => {
                if let Err(error) = app.live.flush_uses().await {
                    tracing::warn!(%error, "what keypairs were used for could not be written; trying again later");
                }
            }
            _ = look.tick() => {
                if let Err(error) = watch.look(&app).await {
                    tracing::warn!(%error, "old secrets that are idle could not be looked for; trying again later");
                }
            }
            _ = sweep.tick() => {
                if let Err(error) = app.store.sweep(app.clock.now()).await {
                    tracing::warn!(%error, "what has run out could not be swept away");
                }
            }
        }
    }
}
