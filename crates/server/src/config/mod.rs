//! The settings: defaults, then `feedback.toml`, then `FEEDBACK_…` variables, then flags. A value passed in, never a
//! global; a wrong or unknown setting stops the start with a line that names it.

mod settings;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use axum::http::HeaderName;
use domain::{KeyId, MAX_TOKEN_LIFETIME};

use crate::database_url::DatabaseUrl;
use crate::signing::Algorithm;
use crate::tls::TlsFiles;
use settings::{
    DEFAULT_LISTEN, Settings, default_data, default_remembered_keypairs, default_signing_key_days,
    default_token_lifetime, environment, parsed,
};

/// The settings that the program runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where it is served.
    pub(crate) listen: SocketAddr,
    /// Under which address clients reach it: the issuer, without a slash at the end. `None` until the listener
    /// is bound and the address is taken from it.
    pub(crate) public_url: Option<String>,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The PostgreSQL database that is the store; the embedded one in the data folder without it.
    pub(crate) database_url: Option<DatabaseUrl>,
    /// Where `/metrics` is served, if at all.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How log lines look.
    pub(crate) log: LogFormat,
    /// The certificate that TLS is served with; plain HTTP without it.
    pub(crate) tls: Option<TlsFiles>,
    /// Whose `X-Forwarded-For` is believed; IPv4 addresses as such, however they were written.
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// In which header a trusted proxy passes on its client's certificate, if it does.
    pub(crate) client_certificate_header: Option<HeaderName>,
    /// The keypairs that may ask about every token; others ask about their own.
    pub(crate) resource_servers: Vec<KeyId>,
    /// How long an access token lives, in seconds.
    pub(crate) token_lifetime: u32,
    /// What new access tokens are signed with.
    pub(crate) signing_algorithm: Algorithm,
    /// How many days after the newest signing key the next one is made; 0 for never.
    pub(crate) signing_key_days: u32,
    /// How many tokens a keypair may obtain in a minute from each node, if that is limited.
    pub(crate) tokens_per_minute: Option<NonZeroU32>,
    /// How many keypairs are kept in memory.
    pub(crate) remembered_keypairs: usize,
    /// The file with the master key; `master.key` in the data folder without it.
    pub(crate) master_key_file: Option<PathBuf>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The flags that override settings.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// The settings file; feedback.toml in the current folder if there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to serve [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// The address under which clients reach the server, the issuer [default: http://, or with a certificate https://, and where it listens]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// The data folder [default: ./feedback-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The PostgreSQL database that is the store [default: the embedded store in the data folder]
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// Where to serve /metrics; nowhere without it
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics_listen: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log: Option<LogFormat>,
}

/// A setting that can't be. Names it, and says what to mend.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("wrong setting: {0}")]
pub(crate) struct ConfigError(String);

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(DEFAULT_LISTEN),
            public_url: None,
            data: default_data(),
            database_url: None,
            metrics_listen: None,
            log: LogFormat::default(),
            tls: None,
            trusted_proxies: Vec::new(),
            client_certificate_header: None,
            resource_servers: Vec::new(),
            token_lifetime: default_token_lifetime(),
            signing_algorithm: Algorithm::default(),
            signing_key_days: default_signing_key_days(),
            tokens_per_minute: None,
            remembered_keypairs: default_remembered_keypairs(),
            master_key_file: None,
        }
    }
}

impl Config {
    /// Reads the settings file and the environment, then applies `flags`.
    pub(crate) fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::load_from(flags, environment(std::env::vars_os())?)
    }

    fn load_from(flags: &Flags, environment: config::Environment) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => config::File::from(path.as_path()).required(true),
            None => config::File::new("feedback.toml", config::FileFormat::Toml).required(false),
        };
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let settings: Settings = config::Config::builder()
            .add_source(file)
            .add_source(environment)
            .set_override_option("listen", flags.listen.clone())
            .and_then(|builder| builder.set_override_option("public_url", flags.public_url.clone()))
            .and_then(|builder| builder.set_override_option("data", flags.data.as_ref().map(text)))
            .and_then(|builder| builder.set_override_option("database_url", flags.database_url.clone()))
            .and_then(|builder| builder.set_override_option("metrics_listen", flags.metrics_listen.clone()))
            .and_then(|builder| builder.build())
            .and_then(config::Config::try_deserialize)
            .map_err(|error| ConfigError(error.to_string()))?;
        let log = match settings.log.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => return Err(ConfigError(format!("log = {other}: expected text or json"))),
        };
        let tls = match (settings.tls_certificate, settings.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError("tls_key is missing beside tls_certificate".to_owned()));
            }
            (None, Some(_)) => {
                return Err(ConfigError("tls_certificate is missing beside tls_key".to_owned()));
            }
        };
        let config = Self {
            listen: parsed("listen", &settings.listen)?,
            public_url: settings.public_url.map(|url| url.trim_end_matches('/').to_owned()),
            data: settings.data,
            // What is wrong is not repeated: it may have a password in it.
            database_url: settings
                .database_url
                .map(|url| url.parse().map_err(|why| ConfigError(format!("database_url: {why}"))))
                .transpose()?,
            metrics_listen: settings
                .metrics_listen
                .map(|address| parsed("metrics_listen", &address))
                .transpose()?,
            log: flags.log.unwrap_or(log),
            tls,
            trusted_proxies: settings
                .trusted_proxies
                .parsed::<IpAddr>("trusted_proxies")?
                .into_iter()
                .map(|address| address.to_canonical())
                .collect(),
            client_certificate_header: settings
                .client_certificate_header
                .map(|name| parsed("client_certificate_header", &name))
                .transpose()?,
            resource_servers: settings.resource_servers.parsed("resource_servers")?,
            token_lifetime: settings.token_lifetime,
            signing_algorithm: settings
                .signing_algorithm
                .map(|name| {
                    name.parse().map_err(|why| ConfigError(format!("signing_algorithm = {name}: {why}")))
                })
                .transpose()?
                .unwrap_or_default(),
            signing_key_days: settings.signing_key_days,
            tokens_per_minute: NonZeroU32::new(settings.tokens_per_minute),
            remembered_keypairs: settings.remembered_keypairs,
            master_key_file: settings.master_key_file,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let most = MAX_TOKEN_LIFETIME.as_secs();
        if !(1..=most).contains(&self.token_lifetime.into()) {
            return Err(ConfigError(format!(
                "token_lifetime = {}: expected 1 to {most} seconds",
                self.token_lifetime
            )));
        }
        if let (Some(header), []) = (&self.client_certificate_header, self.trusted_proxies.as_slice()) {
            return Err(ConfigError(format!(
                "client_certificate_header = {header}: it is believed of proxies only that are named in trusted_proxies"
            )));
        }
        match &self.public_url {
            Some(url) => self.check_public_url(url),
            None if self.listen.ip().is_loopback() => Ok(()),
            None => Err(ConfigError(format!(
                "public_url is missing: listening on {}, which is not a loopback address, the server must be told \
                 under which https address clients reach it",
                self.listen
            ))),
        }
    }

    fn check_public_url(&self, url: &str) -> Result<(), ConfigError> {
        let refused = |why: &str| Err(ConfigError(format!("public_url = {url}: {why}")));
        let Ok(uri) = url.parse::<axum::http::Uri>() else {
            return refused("not a URL");
        };
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return refused("expected a URL as in https://feedback.example.com");
        };
        if uri.path() != "/" && !uri.path().is_empty() || uri.query().is_some() {
            return refused("must have no path and no query");
        }
        let loopback = host == "localhost"
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match scheme {
            "http" if self.tls.is_some() => refused("with tls_certificate, it is https that is served"),
            "http" if loopback => Ok(()),
            "http" => refused(
                "http is for loopback addresses only; use https, with tls_certificate and tls_key or behind a proxy that is \
                 named in trusted_proxies",
            ),
            "https" if self.tls.is_none() && self.trusted_proxies.is_empty() => refused(
                "https takes tls_certificate and tls_key, or a proxy in front; name its addresses in trusted_proxies",
            ),
            "https" => Ok(()),
            _ => refused("expected https"),
        }
    }

    /// The settings once the listener is bound: the public URL is known then.
    pub(crate) fn bound(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.public_url.get_or_insert_with(|| format!("{scheme}://{listen}"));
        self
    }

    /// The issuer and base of every address, without a slash at the end.
    pub(crate) fn issuer(&self) -> &str {
        self.public_url.as_deref().unwrap_or_default()
    }

    /// The audience of access tokens and the resource of the Feedback API (RFC 8707): its base URL.
    pub(crate) fn api_resource(&self) -> String {
        format!("{}/v1", self.issuer())
    }

    /// Whether tokens can be bound to the certificates of clients (RFC 8705 §3).
    pub(crate) fn sees_client_certificates(&self) -> bool {
        self.tls.is_some() || self.client_certificate_header.is_some()
    }

    /// Where the master key is kept.
    pub(crate) fn master_key_path(&self) -> PathBuf {
        self.master_key_file.clone().unwrap_or_else(|| self.data.join("master.key"))
    }
}

#[cfg(test)]
mod tests {
    use super::settings::SETTINGS;
    use super::*;
    use std::net::Ipv4Addr;

    fn load(settings: &[(&str, &str)], flags: &Flags) -> Result<Config, String> {
        let variables = settings.iter().map(|(k, v)| (format!("FEEDBACK_{k}").into(), v.into()));
        environment(variables)
            .and_then(|environment| Config::load_from(flags, environment))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn flags_override_variables_override_defaults() {
        let config =
            load(&[("LISTEN", "127.0.0.1:9000"), ("TOKEN_LIFETIME", "60")], &Flags::default()).unwrap();
        assert_eq!((config.listen.port(), config.token_lifetime), (9000, 60));
        let flags = Flags { listen: Some("127.0.0.1:9001".into()), ..Flags::default() };
        assert_eq!(load(&[("LISTEN", "127.0.0.1:9000")], &flags).unwrap().listen.port(), 9001);
        assert_eq!(load(&[], &Flags::default()).unwrap().listen.port(), 8080);
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (name, value, named) in [
            ("LISTEN", "here", "listen"),
            ("LISTNE", "127.0.0.1:1", "FEEDBACK_LISTNE"),
            ("TOKEN_LIFETIME", "0", "token_lifetime"),
            ("PUBLIC_URL", "http://feedback.example.com", "public_url"),
            ("PUBLIC_URL", "https://feedback.example.com", "trusted_proxies"),
            ("PUBLIC_URL", "http://127.0.0.1:1/path", "public_url"),
            ("TLS_CERTIFICATE", "cert.pem", "tls_key"),
            ("TLS_KEY", "key.pem", "tls_certificate"),
            ("LISTEN", "0.0.0.0:80", "public_url"),
            ("TRUSTED_PROXIES", "proxy", "trusted_proxies"),
            ("CLIENT_CERTIFICATE_HEADER", "Client-Cert", "trusted_proxies"),
            ("CLIENT_CERTIFICATE_HEADER", "Client Cert", "client_certificate_header"),
            ("RESOURCE_SERVERS", "env_01jdaaaaaaaaaaaaaaaaaaaaaa", "resource_servers"),
            ("LOG", "yaml", "log = yaml"),
            ("SIGNING_ALGORITHM", "HS256", "signing_algorithm"),
            ("DATABASE_URL", "mysql://host/feedback", "database_url: expected"),
            ("REMEMBERED_KEYPAIRS", "-1", "remembered_keypairs"),
            ("TOKEN_LIFETIME", "86401", "token_lifetime"),
            ("SIGNING_KEY_DAYS", "-1", "signing_key_days"),
            ("TOKENS_PER_MINUTE", "-1", "tokens_per_minute"),
        ] {
            let error = load(&[(name, value)], &Flags::default()).unwrap_err();
            assert!(error.contains(named), "{name}={value}: {error}");
        }
    }

    #[test]
    fn what_clients_call_theirs_is_no_setting_and_no_fault() {
        for name in ["URL", "KEY_ID", "KEY_SECRET", "TOKEN"] {
            assert_eq!(load(&[(name, "x")], &Flags::default()), Ok(Config::default()), "{name}");
        }
        assert!(load(&[("TOKENS", "x")], &Flags::default()).is_err());
    }

    #[test]
    fn the_names_are_those_of_the_settings() {
        for name in SETTINGS {
            let number = matches!(
                name,
                "token_lifetime" | "signing_key_days" | "tokens_per_minute" | "remembered_keypairs"
            );
            let value = if number { "60" } else { "127.0.0.1:1" };
            let refused = load(&[(&name.to_uppercase(), value)], &Flags::default());
            assert!(!refused.is_err_and(|error| error.contains("unknown field")), "{name}");
        }
    }

    #[test]
    fn a_wrong_database_s_url_is_not_repeated() {
        let wrong = load(&[("DATABASE_URL", "user:secret@host")], &Flags::default()).unwrap_err();
        assert!(!wrong.contains("secret"), "{wrong}");
    }

    #[test]
    fn a_file_can_list_proxies_and_resource_servers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("feedback.toml");
        let (one, two) = ("key_01jdaaaaaaaaaaaaaaaaaaaaaa", "key_01jdaaaaaaaaaaaaaaaaaaaaab");
        let settings =
            format!("trusted_proxies = ['10.0.0.1', '::1']\nresource_servers = ['{one}', '{two}']\n");
        std::fs::write(&file, settings).unwrap();
        let config = load(&[], &Flags { config: Some(file), ..Flags::default() }).unwrap();
        assert_eq!(config.trusted_proxies.len(), 2);
        let both = [one, two].map(|key| key.parse().unwrap());
        assert_eq!(config.resource_servers, both);
        let by_variable = load(&[("RESOURCE_SERVERS", &format!("{one}, {two}"))], &Flags::default()).unwrap();
        assert_eq!(by_variable.resource_servers, both);
    }

    #[test]
    fn https_is_fine_where_tls_is_served() {
        let tls = [("TLS_CERTIFICATE", "cert.pem"), ("TLS_KEY", "key.pem")];
        let with = |url| load(&[tls.as_slice(), &[("PUBLIC_URL", url)]].concat(), &Flags::default());
        assert!(with("https://feedback.example.com").is_ok());
        let refused = with("http://127.0.0.1:8080").unwrap_err();
        assert!(refused.contains("public_url") && refused.contains("https"), "{refused}");
        let config = load(&tls, &Flags::default()).unwrap().bound(SocketAddr::from(DEFAULT_LISTEN));
        assert_eq!(config.issuer(), "https://127.0.0.1:8080");
    }

    #[test]
    fn https_is_fine_behind_a_named_proxy() {
        let settings =
            [("PUBLIC_URL", "https://feedback.example.com/"), ("TRUSTED_PROXIES", "10.0.0.1, ::1")];
        let config = load(&settings, &Flags::default()).unwrap();
        assert_eq!(config.issuer(), "https://feedback.example.com");
        assert_eq!(config.trusted_proxies.len(), 2);
    }

    #[test]
    fn an_ipv4_proxy_may_be_written_as_ipv6() {
        let config = load(&[("TRUSTED_PROXIES", "::ffff:127.0.0.1")], &Flags::default()).unwrap();
        assert_eq!(config.trusted_proxies, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }
}
