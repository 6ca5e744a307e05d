//! The settings as they are written, in `feedback.toml` and in variables; not yet understood.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// The names of the settings, as in `feedback.toml`; in variables in capitals, behind `FEEDBACK_`.
pub(super) const SETTINGS: [&str; 17] = [
    "listen",
    "public_url",
    "data",
    "database_url",
    "metrics_listen",
    "log",
    "tls_certificate",
    "tls_key",
    "trusted_proxies",
    "client_certificate_header",
    "resource_servers",
    "token_lifetime",
    "signing_algorithm",
    "signing_key_days",
    "tokens_per_minute",
    "remembered_keypairs",
    "master_key_file",
];

/// What clients call theirs, in the documentation and in what the Web UI shows. Who has set them can run this program, too.
const OF_CLIENTS: [&str; 4] = ["url", "key_id", "key_secret", "token"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    #[serde(default = "default_listen")]
    pub(super) listen: String,
    pub(super) public_url: Option<String>,
    #[serde(default = "default_data")]
    pub(super) data: PathBuf,
    pub(super) database_url: Option<String>,
    pub(super) metrics_listen: Option<String>,
    pub(super) log: Option<String>,
    pub(super) tls_certificate: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    #[serde(default)]
    pub(super) trusted_proxies: Several,
    pub(super) client_certificate_header: Option<String>,
    #[serde(default)]
    pub(super) resource_servers: Several,
    #[serde(default = "default_token_lifetime")]
    pub(super) token_lifetime: u32,
    pub(super) signing_algorithm: Option<String>,
    #[serde(default = "default_signing_key_days")]
    pub(super) signing_key_days: u32,
    #[serde(default)]
    pub(super) tokens_per_minute: u32,
    #[serde(default = "default_remembered_keypairs")]
    pub(super) remembered_keypairs: usize,
    pub(super) master_key_file: Option<PathBuf>,
}

/// Several values as a list, or as one text with commas between: variables know no lists.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Several {
    Text(String),
    List(Vec<String>),
}

impl Several {
    /// The values; refuses one that is none by the setting's name.
    pub(super) fn parsed<T: std::str::FromStr>(self, name: &str) -> Result<Vec<T>, ConfigError> {
        let text = match self {
            Self::Text(text) => text,
            Self::List(list) => list.join(","),
        };
        text.split(',')
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(|value| parsed(name, value))
            .collect()
    }
}

impl Default for Several {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

pub(super) const DEFAULT_LISTEN: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 8080);

fn default_listen() -> String {
    SocketAddr::from(DEFAULT_LISTEN).to_string()
}

pub(super) fn default_data() -> PathBuf {
    PathBuf::from("feedback-data")
}

pub(super) fn default_token_lifetime() -> u32 {
    3600
}

pub(super) fn default_signing_key_days() -> u32 {
    90
}

pub(super) fn default_remembered_keypairs() -> usize {
    1_000_000
}

/// The settings among the variables. RUST_LOG is the log filter's; everything of ours has the prefix, and nothing else may
/// have it but what is of clients.
pub(super) fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<config::Environment, ConfigError> {
    let mut settings = config::Map::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(setting) = name.strip_prefix("FEEDBACK_").map(str::to_ascii_lowercase) else { continue };
        if OF_CLIENTS.contains(&setting.as_str()) {
            continue;
        }
        if !SETTINGS.contains(&setting.as_str()) {
            return Err(ConfigError(format!(
                "the variable {name} names none; there are {}",
                SETTINGS.join(", ")
            )));
        }
        let value = value
            .into_string()
            .map_err(|_| ConfigError(format!("the variable {name} can't be read: it is not UTF-8")))?;
        settings.insert(name.into_owned(), value);
    }
    Ok(config::Environment::with_prefix("FEEDBACK")
        .prefix_separator("_")
        .try_parsing(false)
        .source(Some(settings)))
}

pub(super) fn parsed<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, ConfigError> {
    value.parse().map_err(|_| ConfigError(format!("{name} = {value}: can't be read as {}", expected(name))))
}

fn expected(name: &str) -> &'static str {
    match name {
        "client_certificate_header" => "the name of a header",
        "trusted_proxies" => "a list of IP addresses with commas between",
        "resource_servers" => "a list of Key IDs with commas between",
        _ => "an address and port, as in 127.0.0.1:8080",
    }
}
