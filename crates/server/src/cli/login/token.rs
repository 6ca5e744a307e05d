//! `feedback token`

use serde_json::json;

use super::saved::fresh;
use crate::cli::failure::Result;
use crate::cli::output;

/// Prints an access token that works for a minute at least, for other programs on this machine
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Token {
    /// Print one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

impl Token {
    pub(in crate::cli) async fn run(self) -> Result<()> {
        let login = fresh().await?;
        if self.json {
            return output::json(&json!({
                "access_token": login.access_token,
                "expires_at": login.expires_at,
                "scope": login.scope,
            }));
        }
        output::line(login.access_token.as_str())
    }
}
