//! `feedback token`

use serde_json::json;

use super::saved::{fresh, narrowed};
use crate::cli::failure::Result;
use crate::cli::{arguments, output};

/// An access token that works for a minute at least, for other programs on this machine.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct OwnToken {
    /// Narrow it to one environment, by its URL: https://…/v1/environments/env_… (RFC 8707)
    #[arg(long, value_name = "URL")]
    resource: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

impl OwnToken {
    pub(in crate::cli) async fn run(self) -> Result<()> {
        let (access_token, expires_at, scope) = match &self.resource {
            Some(resource) => narrowed(arguments::environment_url(resource)?).await?,
            None => {
                let login = fresh().await?;
                (login.access_token, login.expires_at, login.scope)
            }
        };
        if self.json {
            return output::json(&json!({
                "access_token": access_token,
                "expires_at": expires_at,
                "scope": scope,
            }));
        }
        output::line(access_token.as_str())
    }
}
