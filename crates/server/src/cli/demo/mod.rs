//! `feedback demo`: a server with weeks of made-up feedback, walked through step by step.

mod answers;
mod client;
mod company;
mod entropy;
mod history;
mod paper;
mod tour;
mod usage;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use domain::{AllowedAddresses, Comment, KeySecret, Keypair, NewKeypair, Owner, Scope, Scopes, TokenBinding};

use self::client::Client;
use self::history::History;
use self::tour::Tour;
use super::failure::{Failure, Result};
use super::{key, logs, output, serve};
use crate::app::{App, Missing};
use crate::config::{Config, LogFormat};

#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Where to serve: a loopback address
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))]
    listen: SocketAddr,
}

impl Demo {
    pub(super) async fn run(self) -> Result<()> {
        if !self.listen.ip().is_loopback() {
            return Err(Failure::new(format!(
                "{} is no loopback address; the demo is for this machine only, choose another with --listen",
                self.listen
            )));
        }
        logs::start(LogFormat::Text, logs::Level::Warnings)?;
        let listener = serve::bind("--listen", self.listen).await?;
        let listen = listener.local_addr().map_err(Failure::new)?;
        let folder = tempfile::Builder::new()
            .prefix("feedback-demo-")
            .tempdir()
            .map_err(|error| Failure::new(format!("can't make a throwaway data folder: {error}")))?;
        let stop = crate::serve::stop_signal().map_err(Failure::new)?;
        let app =
            App::open(settings(folder.path()).bound(listen), Missing::Create).await.map_err(Failure::new)?;
        let app = Arc::new(app);
        let history = history::write(&app).await?;
        let mut serving = tokio::spawn(crate::serve::serve(app.clone(), listener, None, stop));
        tokio::select! {
            served = &mut serving => return ended(served),
            shown = show(&app, &history) => shown?,
        }
        ended(serving.await)
    }
}

fn ended(served: std::result::Result<std::io::Result<()>, tokio::task::JoinError>) -> Result<()> {
    served
        .map_err(std::io::Error::other)
        .and_then(|served| served)
        .map_err(|error| Failure::new(format!("can't serve: {error}")))
}

/// The demo's own settings: those that lie around are for other servers.
fn settings(data: &Path) -> Config {
    Config { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), data: data.to_owned(), ..Config::default() }
}

async fn show(app: &App, history: &History) -> Result<()> {
    let Some(environment) = history.environments.first() else {
        return Err(Failure::new("the demo has no environment"));
    };
    paper::prose(&format!(
        "Feedback demo: {}, {} environments, {} responses of {} weeks, in a throwaway data folder.\n\
         Paste any of this into another bash terminal, from step 1 on; answers are comments, long ones cut.",
        history.account.name,
        history.environments.len(),
        history.responses,
        answers::DAYS / 7,
    ))?;
    let reads = Scopes::from(Scope::ReportRead);
    let tour = Tour {
        app,
        client: Client::new(app.config.issuer()),
        environment_key: keypair(
            app,
            environment.id.into(),
            reads.with(Scope::ResponsesCreate),
            "Weekly report and feedback form of the customer portal",
        )
        .await?,
        account_key: keypair(app, history.account.id.into(), reads, "Dashboard of all environments").await?,
    };
    tour.walk().await?;
    let url = app.config.issuer();
    paper::heading("The Web UI")?;
    let people: Vec<_> = history
        .people
        .iter()
        .map(|person| {
            [person.email.to_string(), person.password.clone(), format!("{} on {}", person.role, person.on)]
        })
        .collect();
    paper::prose(&format!(
        "{url}/sign-in\n\n{}\n\nAPI management, for the administrator:\n\
         {url}/environments/{}/administration/access-management/api-management\n\
         {url}/accounts/{}/administration/access-management/api-management\n\n\
         Serving until ctrl-c; then {} is removed.",
        output::table(["E-MAIL", "PASSWORD", "ROLE"], &people),
        environment.id,
        history.account.id,
        app.config.data.display(),
    ))
}

async fn keypair(app: &App, owner: Owner, scopes: Scopes, comment: &str) -> Result<(Keypair, KeySecret)> {
    let comment = Comment::new(comment).map_err(Failure::new)?;
    key::create(
        app,
        NewKeypair {
            owner,
            comment,
            scopes,
            expires_at: None,
            token_binding: TokenBinding::None,
            allowed_addresses: AllowedAddresses::default(),
        },
    )
    .await
}
