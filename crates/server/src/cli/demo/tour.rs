//! The demo's steps: each is done over HTTP or by the command line, and printed as the command that does it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use axum::http::StatusCode;
use domain::{KeySecret, Keypair, Period};
use jiff::tz::Offset;
use serde_json::Value;

use super::client::{Answer, Client};
use super::paper::{answer, command, heading, prose, quoted_path};
use crate::app::App;
use crate::cli::failure::{Failure, Result};

/// How long a change by the command line takes to reach a running server at the most.
const REACHES_WITHIN: Duration = Duration::from_secs(1);

/// Obtains a token and shows the answer.
const TOKEN_COMMAND: &str = "ANSWER=$(curl -sS -u \"$FEEDBACK_KEY_ID:$FEEDBACK_KEY_SECRET\" -d grant_type=client_credentials \
    \"$FEEDBACK_URL/oauth2/token\"); echo \"$ANSWER\"\n\
    FEEDBACK_TOKEN=$(printf %s \"$ANSWER\" | sed -E 's/.*\"access_token\" *: *\"([^\"]*)\".*/\\1/')";

/// Shows only whether the token works.
const STATUS_COMMAND: &str = "curl -sS -o /dev/null -w '%{http_code}\\n' \"$FEEDBACK_URL/v1/access\" \
    -H \"Authorization: Bearer $FEEDBACK_TOKEN\"";

/// What the tour is given.
pub(super) struct Tour<'a> {
    pub(super) app: &'a App,
    pub(super) client: Client,
    /// A keypair of the first environment, which reads reports and submits responses.
    pub(super) environment_key: (Keypair, KeySecret),
    /// A keypair of the account, which reads reports.
    pub(super) account_key: (Keypair, KeySecret),
}

impl Tour<'_> {
    pub(super) async fn walk(&self) -> Result<()> {
        let url = self.app.config.issuer();
        let (keypair, secret) = &self.environment_key;
        let environment = keypair.owner;

        heading("1. A program gets a keypair from an administrator")?;
        prose(
            "Made in the Web UI (Administration -> Access management -> API management), or here by `feedback key create`.",
        )?;
        command(&format!("FEEDBACK_URL={url}"))?;
        command(&format!("FEEDBACK_KEY_ID={}", keypair.id))?;
        command(&format!("FEEDBACK_KEY_SECRET={}", secret.reveal()))?;
        command(&format!("ENVIRONMENT={environment}"))?;

        heading("2. It exchanges the keypair for an access token")?;
        command(TOKEN_COMMAND)?;
        let (token, granted) = self.client.token(keypair.id, secret).await?;
        answer(&granted.succeeded("the token endpoint")?)?;

        heading("3. What is this token, and what does it reach?")?;
        command(&get_command("/v1/access"))?;
        answer(&self.client.get(&token, "/v1/access").await?.succeeded("/v1/access")?)?;

        heading("4. The last four weeks as one data point, each person counted once")?;
        let period = Period::ending(Offset::UTC.to_datetime(self.app.clock.now()).date(), 28);
        let report = format!("reports/overview?from={}&to={}&combine=true", period.from(), period.to());
        command(&get_command(&format!("/v1/environments/$ENVIRONMENT/{report}")))?;
        let path = format!("/v1/environments/{environment}/{report}");
        answer(&self.client.get(&token, &path).await?.succeeded("the report")?)?;

        heading("5. It submits a response; sent again, the same `id` counts as a duplicate")?;
        let body =
            r#"{"responses": [{"id": "demo-1", "score": 5, "text": "Easy!", "respondent": "customer-7"}]}"#;
        command(&format!(
            "curl -sS -X POST \"$FEEDBACK_URL/v1/environments/$ENVIRONMENT/responses\" -H \"Authorization: Bearer $FEEDBACK_TOKEN\" \\\n  \
             -H 'Content-Type: application/json' -d '{body}'; echo"
        ))?;
        let path = format!("/v1/environments/{environment}/responses");
        answer(&self.client.post(&token, &path, body).await?.succeeded("/responses")?)?;

        heading("6. An administrator disables the keypair: the token stops at once")?;
        prose(
            "In the Web UI, by the API, or as here by the command line, which reaches a running server within a second.",
        )?;
        let feedback = CommandLine::of(self.app)?;
        command(&feedback.shown("key disable \"$FEEDBACK_KEY_ID\""))?;
        command("sleep 1")?;
        feedback.run(&["key", "disable", &keypair.id.to_string()]).await?;
        command(&get_command("/v1/access").replace("curl -sS", "curl -sS -i"))?;
        answer(&self.refused(&token).await?)?;

        heading("7. Enabled again, it gets new tokens; the old one stays dead")?;
        command(&feedback.shown("key enable \"$FEEDBACK_KEY_ID\""))?;
        command("sleep 1")?;
        feedback.run(&["key", "enable", &keypair.id.to_string()]).await?;
        tokio::time::sleep(REACHES_WITHIN / 2).await;
        let status = |answer: &Answer| answer.status.as_u16();
        let old = self.client.get(&token, "/v1/access").await?.refused("/v1/access")?;
        command(STATUS_COMMAND)?;
        prose(&format!("  {}", status(&old)))?;
        let token = self.token_again().await?;
        command(&TOKEN_COMMAND.replace("; echo \"$ANSWER\"", ""))?;
        let new = self.client.get(&token, "/v1/access").await?.succeeded("/v1/access")?;
        command(STATUS_COMMAND)?;
        prose(&format!("  {}", status(&new)))?;

        heading("8. A keypair of the account reaches every environment of it, also later ones")?;
        let (keypair, secret) = &self.account_key;
        command(&format!("FEEDBACK_KEY_ID={}", keypair.id))?;
        command(&format!("FEEDBACK_KEY_SECRET={}", secret.reveal()))?;
        command(&TOKEN_COMMAND.replace("; echo \"$ANSWER\"", ""))?;
        command(&get_command("/v1/environments"))?;
        let (token, _) = self.client.token(keypair.id, secret).await?;
        answer(&self.client.get(&token, "/v1/environments").await?.succeeded("/v1/environments")?)
    }

    /// Asks until the old token is refused: the change was made by another process.
    async fn refused(&self, token: &str) -> Result<Answer> {
        let mut left = 20;
        loop {
            let answer = self.client.get(token, "/v1/access").await?;
            if answer.status == StatusCode::UNAUTHORIZED || left == 0 {
                return answer.refused("/v1/access");
            }
            left -= 1;
            tokio::time::sleep(REACHES_WITHIN / 10).await;
        }
    }

    async fn token_again(&self) -> Result<String> {
        let (keypair, secret) = &self.environment_key;
        let mut left = 20;
        loop {
            match self.client.token(keypair.id, secret).await {
                Err(_) if left > 0 => left -= 1,
                outcome => return outcome.map(|(token, _)| token),
            }
            tokio::time::sleep(REACHES_WITHIN / 10).await;
        }
    }
}

fn get_command(path: &str) -> String {
    format!("curl -sS \"$FEEDBACK_URL{path}\" -H \"Authorization: Bearer $FEEDBACK_TOKEN\"; echo")
}

/// This program's own command line on the demo's data, as another process.
struct CommandLine {
    program: PathBuf,
    data: PathBuf,
}

impl CommandLine {
    fn of(app: &App) -> Result<Self> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(format!("can't tell where this program is: {error}")))?;
        Ok(Self { program, data: app.config.data.clone() })
    }

    fn shown(&self, arguments: &str) -> String {
        format!("{} {arguments} --data {}", quoted_path(&self.program), quoted_path(&self.data))
    }

    async fn run(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = std::process::Command::new(&self.program);
        command.args(arguments).arg("--json").arg("--data").arg(&self.data);
        // Settings that lie around here are not the demo's.
        command.current_dir(&self.data).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FEEDBACK_") {
                command.env_remove(name);
            }
        }
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .map_err(std::io::Error::other)
            .and_then(|output| output)
            .map_err(|error| Failure::new(format!("can't run {}: {error}", self.program.display())))?;
        if !output.status.success() {
            return Err(Failure::new(String::from_utf8_lossy(&output.stderr).trim()));
        }
        serde_json::from_slice(&output.stdout).map_err(Failure::new)
    }
}
