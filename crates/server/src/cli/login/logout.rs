//! `feedback logout`

use serde_json::json;

use super::saved::{LoginFile, not_logged_in};
use crate::cli::failure::{Failure, Result};
use crate::cli::output;

/// Ends what `login` allowed, at the server and on this machine
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Logout {
    /// Print one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

impl Logout {
    pub(in crate::cli) async fn run(self) -> Result<()> {
        let file = LoginFile::locked().await?;
        let login = file.read()?.ok_or_else(not_logged_in)?;
        login.revoke().await.map_err(|failure| {
            Failure::new(format!(
                "nothing was ended: {failure}. To forget the login on this machine alone, delete {}",
                file.path().display()
            ))
        })?;
        file.remove()?;
        if self.json {
            return output::json(&json!({"server": login.server, "logged_out": true}));
        }
        output::line(format!("Logged out of {}.", login.server))
    }
}
