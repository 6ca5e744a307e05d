//! `feedback api`

use std::io::Read;
use std::process::ExitCode;

use axum::http::Method;

use super::saved::fresh;
use super::server::call;
use crate::cli::failure::{Failure, Result};
use crate::cli::output;

/// Asks the Feedback API as you, and prints what it answers
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Api {
    /// GET, POST, PATCH or DELETE
    method: String,
    /// The address below the server, as in /v1/access
    path: String,
    /// Send the JSON that comes on stdin
    #[arg(long)]
    body_stdin: bool,
}

impl Api {
    /// A refusal of the API is told by the exit code, too.
    pub(in crate::cli) async fn run(self) -> Result<ExitCode> {
        let method: Method = self.method.to_ascii_uppercase().parse().map_err(|_| {
            Failure::new(format!("`{}` is no method of HTTP", output::short(&self.method, 20)))
        })?;
        if !self.path.starts_with("/v1/") {
            return Err(Failure::new("the path begins with /v1/, as in /v1/access"));
        }
        let mut body = String::new();
        if self.body_stdin {
            let read = std::io::stdin().read_to_string(&mut body);
            read.map_err(|error| Failure::new(format!("the body can't be read: {error}")))?;
        }
        let login = fresh().await?;
        let address = format!("{}{}", login.server, self.path);
        let body = self.body_stdin.then_some(body);
        let (status, answer) = call(&address, method, &login.access_token, body).await?;
        output::answer(&answer)?;
        Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
