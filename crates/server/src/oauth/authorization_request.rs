//! What an application asks of a person (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2.1), read from the address that the
//! person's browser was sent to; and the address that the browser is sent back to.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Client, CodeChallenge, EnvironmentId, Owner, RedirectUri, Scopes};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use storage::StorageError;

use super::access_token::parse_resource;
use super::application_client::known;
use super::error::printable;
use super::form::decode;
use crate::app::App;

/// What is no unreserved character (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request of an application that exists, which is answered at an address of its own.
pub(crate) struct AuthorizationRequest {
    pub(crate) client: Client,
    /// Where the answer goes.
    pub(crate) redirect_uri: String,
    state: Option<String>,
    /// What it asks, or why it can't be asked.
    pub(crate) asked: Result<Asked, Refusal>,
}

/// What an application asks of a person.
pub(crate) struct Asked {
    pub(crate) challenge: CodeChallenge,
    /// Which scopes; all that the person can give without it.
    pub(crate) scopes: Option<Scopes>,
    /// Only for this environment (RFC 8707).
    pub(crate) narrowed_to: Option<EnvironmentId>,
    /// Where it would like to act. The person decides; this only spares the choice.
    pub(crate) owner: Option<Owner>,
}

/// Why an application gets no code (RFC 6749 §4.1.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    /// For the application's makers; says what to mend.
    pub(crate) description: String,
}

impl Refusal {
    fn new(code: &'static str, description: impl ToString) -> Self {
        Self { code, description: description.to_string() }
    }

    /// The person said no, or has nothing to give.
    pub(crate) fn denied() -> Self {
        Self::new("access_denied", "the person did not allow it")
    }
}

/// Why a request is answered to the person alone: whoever made it is not known to be who it says, so nothing of ours leads
/// there (RFC 9700 §4.11.2).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswerable {
    /// It is no request at all.
    #[error("{0}")]
    Malformed(String),
    /// There is no such client.
    #[error("the application is not registered here, or no longer")]
    Client,
    /// The answer would go to an address that is not the application's.
    #[error("the application asks for an answer at an address that it did not register")]
    RedirectUri,
    /// It can't be told right now.
    #[error("the store can't be asked: {0}")]
    Unavailable(#[from] StorageError),
}

/// The parameters of an address, each of which may stand once (RFC 6749 §3.1).
struct Parameters {
    values: BTreeMap<String, String>,
    twice: BTreeSet<String>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, Unanswerable> {
        let (mut values, mut twice) = (BTreeMap::new(), BTreeSet::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text| decode(text).map_err(|error| Unanswerable::Malformed(error.to_string()));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if values.contains_key(&name) {
                twice.insert(name.clone());
            }
            values.insert(name, value);
        }
        Ok(Self { values, twice })
    }

    /// The parameter; one without a value counts as left out.
    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl AuthorizationRequest {
    /// Reads the request: first whose it is and where the answer goes, and only then what there is to answer.
    pub(crate) async fn read(app: &App, query: &str) -> Result<Self, Unanswerable> {
        let parameters = Parameters::read(query)?;
        if let Some(name) =
            ["client_id", "redirect_uri"].into_iter().find(|name| parameters.twice.contains(*name))
        {
            return Err(Unanswerable::Malformed(format!("the parameter {name} stands more than once")));
        }
        let needed = |name: &str| {
            let missing = || Unanswerable::Malformed(format!("the parameter {name} is missing"));
            parameters.get(name).ok_or_else(missing)
        };
        let id = needed("client_id")?.parse().map_err(|_| Unanswerable::Client)?;
        let client = known(app, id).await?.ok_or(Unanswerable::Client)?;
        let redirect_uri = needed("redirect_uri")?;
        if !client.takes_answers_at(redirect_uri) {
            return Err(Unanswerable::RedirectUri);
        }
        Ok(Self {
            client,
            redirect_uri: redirect_uri.to_owned(),
            state: parameters.get("state").map(str::to_owned),
            asked: asked(app, &parameters),
        })
    }

    /// Where the browser takes a code.
    pub(crate) fn granted(&self, app: &App, code: &str) -> String {
        self.answer(app, &[("code", code)])
    }

    /// Where the browser takes the news that there is none.
    pub(crate) fn refused(&self, app: &App, refusal: &Refusal) -> String {
        self.answer(app, &[("error", refusal.code), ("error_description", &printable(&refusal.description))])
    }

    /// The redirect URI with the answer, the `state` that came, and who answers (RFC 9207).
    fn answer(&self, app: &App, parameters: &[(&str, &str)]) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        let all = parameters.iter().copied().chain(state).chain([("iss", app.config.issuer())]);
        let pairs: Vec<_> =
            all.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED))).collect();
        let joint = if self.redirect_uri.contains('?') { '&' } else { '?' };
        format!("{}{joint}{}", self.redirect_uri, pairs.join("&"))
    }

    /// What a page must allow by `form-action` for its form to lead there: browsers ask that of redirects, too. The host of
    /// an address in IPv6 can't be said in a policy.
    pub(crate) fn form_action(&self) -> &str {
        let uri = self.redirect_uri.as_str();
        let host = uri.find("://").map_or(0, |at| at + 3);
        let rest = uri.get(host..).unwrap_or_default();
        if rest.starts_with('[') || !(uri.starts_with("https://") || RedirectUri::is_loopback(uri)) {
            return uri.split_inclusive(':').next().unwrap_or_default();
        }
        let end = rest.find(['/', '?']).map_or(uri.len(), |at| host + at);
        uri.get(..end).unwrap_or_default()
    }
}

fn asked(app: &App, parameters: &Parameters) -> Result<Asked, Refusal> {
    let invalid = |why: &str| Refusal::new("invalid_request", why);
    if let Some(name) = parameters.twice.first() {
        return Err(invalid(&format!("the parameter {name} stands more than once")));
    }
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(Refusal::new("unsupported_response_type", "response_type must be code")),
        None => return Err(invalid("the parameter response_type is missing; it must be code")),
    }
    if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("response_mode must be query, or be left out"));
    }
    // Without it the method would be `plain`, by which whoever sees the request can exchange the code.
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(invalid("PKCE is needed: code_challenge_method must be S256"));
    }
    let challenge = parameters
        .get("code_challenge")
        .ok_or_else(|| invalid("PKCE is needed: the parameter code_challenge is missing"))?
        .parse()
        .map_err(|error| invalid(&format!("the code_challenge is wrong: {error}")))?;
    let scopes = parameters
        .get("scope")
        .map(str::parse::<Scopes>)
        .transpose()
        .map_err(|error| Refusal::new("invalid_scope", error))?;
    if scopes.is_some_and(Scopes::is_empty) {
        return Err(Refusal::new("invalid_scope", "at least one scope is needed, or none named"));
    }
    let narrowed_to = match parameters.get("resource") {
        None => None,
        Some(resource) => parse_resource(app, resource).ok_or_else(|| {
            Refusal::new(
                "invalid_target",
                "the resource is not served here: use the API's base URL or the URL of one environment",
            )
        })?,
    };
    let owner =
        parameters.get("owner").map(str::parse::<Owner>).transpose().map_err(|error| invalid(&error))?;
    Ok(Asked { challenge, scopes, narrowed_to, owner })
}
