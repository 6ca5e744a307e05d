//! Feedback itself: the released program with a store, and the requests that it is sent.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::EnvironmentId;
use serde_json::Value;

use crate::Result;
use crate::driver::{Load, Pace, Requests, collect};
use crate::process::{Process, free_address};
use crate::store::{Filled, with_keypairs};
use crate::workplace::Workplace;

const FORM: &str = "application/x-www-form-urlencoded";

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Es256, Self::EdDsa];

    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // What Feedback signs with unless told otherwise.
            Self::Es256 => &[],
            Self::EdDsa => &[("signing_algorithm", "EdDSA")],
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        })
    }
}

/// Starts `feedback serve` on the data folder, with settings as in `feedback.toml`, and waits until it is ready.
pub(crate) async fn serve(workplace: &Workplace, data: &Path, settings: &[(&str, &str)]) -> Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(&workplace.binary);
    command.arg("serve").args(["--listen", &address.to_string(), "--data"]).arg(data);
    for (name, value) in settings {
        command.env(format!("FEEDBACK_{}", name.to_uppercase()), value);
    }
    let log = workplace.log(&data.file_name().unwrap_or_default().to_string_lossy());
    let mut process = Process::start(command, address, &log)?;
    process.ready("/readyz").await.map_err(|error| {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        format!("feedback does not serve: {error}: {}", said.trim())
    })?;
    Ok(process)
}

/// A running `feedback serve` and who can authenticate there.
pub(crate) struct Feedback {
    pub(crate) process: Process,
    /// `key_…:fbs_…` of each keypair.
    pub(crate) credentials: Rc<Vec<String>>,
    /// The environment that the first hundred keypairs belong to.
    pub(crate) environment: EnvironmentId,
}

impl Feedback {
    /// On a store with so many keypairs, which is kept for the next time.
    pub(crate) async fn with_keypairs(
        workplace: &Workplace,
        algorithm: Algorithm,
        keypairs: usize,
    ) -> Result<Self> {
        let data = workplace.kept(&format!("{keypairs}-keypairs-{algorithm}"));
        let settings = algorithm.settings();
        let filled = with_keypairs(workplace, &data, keypairs, settings).await?;
        Self::on(serve(workplace, &data, settings).await?, filled)
    }

    /// The same with a hundred keypairs; none if this version of the program can't sign with the algorithm.
    pub(crate) async fn if_available(workplace: &Workplace, algorithm: Algorithm) -> Result<Option<Self>> {
        match Self::with_keypairs(workplace, algorithm, 100).await {
            Err(error) if error.to_string().contains("FEEDBACK_SIGNING_ALGORITHM names none") => Ok(None),
            other => other.map(Some),
        }
    }

    /// A server with a filled store.
    pub(crate) fn on(process: Process, filled: Filled) -> Result<Self> {
        let environment = filled.environment(0)?;
        Ok(Self { process, credentials: Rc::new(filled.credentials), environment })
    }

    /// Requests for tokens by HTTP Basic, by each keypair in turn.
    pub(crate) fn by_basic(&self) -> Requests {
        token_by_basic("/oauth2/token", self.credentials.clone())
    }

    /// Requests for tokens with the credentials in the form, by each keypair in turn.
    pub(crate) fn by_form(&self) -> Requests {
        let credentials = self.credentials.clone();
        Rc::new(move |n, into| {
            let (id, secret) = nth(&credentials, n).split_once(':').unwrap_or_default();
            let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
            post(into, "/oauth2/token", "", FORM, &body);
        })
    }

    /// So many new tokens, of each keypair in turn.
    pub(crate) async fn mint(&self, tokens: u64) -> Result<Vec<String>> {
        let load = Load {
            address: self.process.address,
            requests: self.by_basic(),
            most: tokens,
            connections: 16,
            pace: Pace::Closed,
            warm_up: Duration::ZERO,
            counted: Duration::ZERO,
        };
        let answers = collect(load).await?;
        answers
            .iter()
            .map(|answer| {
                let answer: Value = serde_json::from_slice(answer)?;
                let token = answer.get("access_token").and_then(Value::as_str);
                Ok(token.ok_or("an answer without a token")?.to_owned())
            })
            .collect()
    }
}

/// The body of the answer to the first of the requests.
pub(crate) async fn answer(process: &Process, requests: Requests) -> Result<Vec<u8>> {
    let load = Load {
        address: process.address,
        requests,
        most: 1,
        connections: 1,
        pace: Pace::Closed,
        warm_up: Duration::ZERO,
        counted: Duration::ZERO,
    };
    Ok(collect(load).await?.pop().unwrap_or_default())
}

/// A request for a token by HTTP Basic, `id:secret` of each in turn.
pub(crate) fn token_by_basic(path: &str, credentials: Rc<Vec<String>>) -> Requests {
    let path = path.to_owned();
    Rc::new(move |n, into| {
        let header = STANDARD.encode(nth(&credentials, n));
        let authorization = format!("Authorization: Basic {header}\r\n");
        post(into, &path, &authorization, FORM, "grant_type=client_credentials");
    })
}

/// A GET of `path` with each of the tokens in turn.
pub(crate) fn get_with_token(path: String, tokens: Vec<String>) -> Requests {
    Rc::new(move |n, into| {
        let token = nth(&tokens, n);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        into.extend_from_slice(head.as_bytes());
    })
}

/// A batch of responses with a token.
pub(crate) fn submit(environment: EnvironmentId, token: String, batches: Vec<String>) -> Requests {
    let path = format!("/v1/environments/{environment}/responses");
    Rc::new(move |n, into| {
        let authorization = format!("Authorization: Bearer {token}\r\n");
        post(into, &path, &authorization, "application/json", nth(&batches, n));
    })
}

fn nth(of: &[String], n: u64) -> &str {
    let place = usize::try_from(n).unwrap_or(0) % of.len().max(1);
    of.get(place).map_or("", String::as_str)
}

fn post(into: &mut Vec<u8>, path: &str, authorization: &str, content_type: &str, body: &str) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n{authorization}\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    into.extend_from_slice(head.as_bytes());
    into.extend_from_slice(body.as_bytes());
}
