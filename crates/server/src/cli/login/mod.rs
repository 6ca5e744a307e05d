//! `feedback login`, and what a person does at a terminal with the access that it gives: over HTTP and by OAuth, as any other
//! application (RFC 8252). Nothing here touches a store.

mod access_token;
mod api;
mod browser;
mod callback;
mod logout;
mod saved;
mod server;
mod token;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{ClientId, Clock, CodeChallenge, Entropy, Scopes};
use serde_json::json;

pub(super) use api::Api;
pub(super) use logout::Logout;
pub(super) use token::OwnToken;

use super::failure::Result;
use super::{arguments, output};
use crate::system::{SystemClock, SystemEntropy};
use callback::Callback;
use saved::{LoginFile, SavedLogin};
use server::{AuthorizationServer, LONGEST_REASON, Tokens, form};

/// Lets this machine act in your name, as far as you allow it in the browser
#[derive(Debug, clap::Args)]
pub(super) struct Login {
    /// The server's public URL
    #[arg(long, value_name = "URL")]
    server: String,
    /// Ask for these scopes only, parted by spaces [default: all that your role allows]
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Where to act (acc_… or env_…) [default: you choose in the browser]
    #[arg(long, value_name = "ACC|ENV")]
    on: Option<String>,
    /// Only print the address, and open no browser
    #[arg(long)]
    no_browser: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl Login {
    pub(super) async fn run(self) -> Result<()> {
        let scope = self.scope.as_deref().map(arguments::scopes).transpose()?;
        let on = self.on.as_deref().map(arguments::owner).transpose()?;
        LoginFile::locked().await?.writable()?;
        let server = AuthorizationServer::discover(&self.server).await?;
        let callback = Callback::listen().await?;
        let (verifier, state) = (random(), random());
        let address = server.authorization_address(&[
            ("response_type", "code".to_owned()),
            ("client_id", ClientId::CommandLine.to_string()),
            ("redirect_uri", callback.redirect_uri()),
            ("code_challenge", CodeChallenge::of(&verifier).to_string()),
            ("code_challenge_method", "S256".to_owned()),
            ("state", state.clone()),
            ("scope", scope.map(|scopes| scopes.to_string()).unwrap_or_default()),
            ("owner", on.map(|owner| owner.to_string()).unwrap_or_default()),
        ]);
        output::note(format_args!("Allow it in the browser, at\n\n{address}\n"));
        if !self.no_browser {
            browser::open(&address);
        }
        let redirect_uri = callback.redirect_uri();
        let (code, browser) = callback.code(&state, server.issuer()).await?;
        let exchange = form(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &verifier),
            ("client_id", &ClientId::CommandLine.to_string()),
        ]);
        let kept = kept(&server, &exchange).await;
        browser.hears(kept.is_ok()).await;
        let (login, before) = kept?;
        if let Some(before) = before {
            // It would lie about for a month otherwise. That it can't be ended is no failure of this login.
            let _ = before.revoke().await;
        }
        let scopes: Scopes = login.scope.parse().unwrap_or_default();
        if self.json {
            return output::json(&json!({"server": login.server, "scopes": scopes}));
        }
        output::line(format!(
            "Logged in to {} with {}.",
            login.server,
            output::short(&login.scope, LONGEST_REASON)
        ))
    }
}

/// What the code is worth, on this machine for good; and the login whose place it took.
async fn kept(server: &AuthorizationServer, exchange: &str) -> Result<(SavedLogin, Option<SavedLogin>)> {
    let file = LoginFile::locked().await?;
    let asked_at = SystemClock.now();
    let login = SavedLogin::new(server, server.tokens(exchange).await?, asked_at);
    let before = file.read().ok().flatten();
    file.keep(&login).await?;
    Ok((login, before))
}

/// 256 random bits: nobody guesses them.
fn random() -> String {
    let entropy: &dyn Entropy = &SystemEntropy;
    BASE64_URL_SAFE_NO_PAD.encode(entropy.bytes::<32>())
}

impl SavedLogin {
    fn new(server: &AuthorizationServer, tokens: Tokens, now: domain::Timestamp) -> Self {
        Self {
            server: server.issuer().to_owned(),
            token_endpoint: server.token_endpoint().to_owned(),
            revocation_endpoint: server.revocation_endpoint().to_owned(),
            expires_at: tokens.expires_at(now),
            lifetime: tokens.expires_in,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            scope: tokens.scope,
        }
    }
}
