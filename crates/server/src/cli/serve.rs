//! `feedback serve`

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::failure::{About, Failure, Result};
use super::{logs, output};
use crate::app::{App, Missing};
use crate::config::{Config, Flags};
use crate::tls::Tls;
use crate::{metrics, serve, web};

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    pub(super) async fn run(self) -> Result<()> {
        let config = Config::load(&self.flags).map_err(Failure::new)?;
        logs::start(config.log, logs::Level::Everything)?;
        let tls = config.tls.as_ref().map(Tls::open).transpose().map_err(Failure::new)?;
        let listener = bind("--listen", config.listen).await?;
        let metrics = match config.metrics_listen {
            Some(address) => {
                Some((bind("--metrics-listen", address).await?, metrics::start().map_err(Failure::new)?))
            }
            None => None,
        };
        let config = config.bound(listener.local_addr().map_err(Failure::new)?);
        // Before anything can be in the middle of being done.
        let stop = serve::stop_signal().map_err(Failure::new)?;
        let app = Arc::new(App::open(config, Missing::Create).await.map_err(Failure::new)?);
        if let Some(link) = web::make_set_up_link(&app).await.about("set-up link")? {
            output::line(format!("Make the first administrator here; the link works once:\n  {link}"))?;
        }
        output::line(format!("Feedback is served at {}", app.config.issuer()))?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = %app.config.listen,
            public_url = app.config.issuer(),
            data = %app.config.data.display(),
            "serving"
        );
        let metrics = metrics.map(|(listener, counted)| tokio::spawn(metrics::serve(listener, counted)));
        let served = serve::serve(app, listener, tls, stop).await;
        if let Some(metrics) = metrics {
            metrics.abort();
        }
        served.map_err(|error| Failure::new(format!("can't serve: {error}")))?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Takes the address, so that it is known to be free before anything else is done.
pub(super) async fn bind(flag: &str, listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "something is served there already".to_owned(),
            _ => error.to_string(),
        };
        Failure::new(format!("can't listen on {listen}: {why}; choose another address with {flag}"))
    })
}
