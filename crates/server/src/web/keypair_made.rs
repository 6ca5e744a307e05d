//! What is shown once: a Key Secret that was just made, with the means to use it.

use domain::{KeySecret, Keypair, Owner, Scope, TokenBinding};

use super::api_management::stopped;
use crate::app::App;

/// The one answer that shows a secret.
pub(super) struct Made {
    pub(super) title: &'static str,
    pub(super) key_id: String,
    pub(super) secret: String,
    pub(super) note: Option<String>,
    /// Why nothing works with it for now.
    pub(super) stopped: Option<&'static str>,
    pub(super) curl_token: String,
    pub(super) curl_access: String,
    pub(super) exports: String,
    pub(super) programs: [Snippet; 3],
    /// Whether a request can be tried, which comes without proof or certificate.
    pub(super) may_try: bool,
}

/// A program that uses the keypair.
pub(super) struct Snippet {
    pub(super) id: &'static str,
    pub(super) language: &'static str,
    pub(super) needs: &'static str,
    pub(super) code: String,
}

impl Made {
    /// The answer to having made `secret`.
    pub(super) fn new(
        app: &App,
        title: &'static str,
        keypair: &Keypair,
        secret: &KeySecret,
        note: Option<String>,
    ) -> Self {
        let issuer = app.config.issuer();
        let stopped = stopped(keypair.status(app.clock.now()));
        let (id, secret) = (keypair.id, secret.reveal());
        let request =
            format!("{issuer}/oauth2/token \\\n  -u '{id}:{secret}' \\\n  -d grant_type=client_credentials");
        Self {
            title,
            key_id: id.to_string(),
            secret: secret.to_owned(),
            note,
            stopped,
            curl_token: format!("curl -sS {request}"),
            curl_access: format!(
                "FEEDBACK_TOKEN=$(curl -sS {request} |\n  sed -n 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/p')\n\
                 curl -sS -H \"Authorization: Bearer $FEEDBACK_TOKEN\" {issuer}/v1/access"
            ),
            exports: format!("export FEEDBACK_KEY_ID={id}\nexport FEEDBACK_KEY_SECRET={secret}"),
            programs: programs(issuer, &Example::of(keypair)),
            may_try: keypair.token_binding == TokenBinding::None && stopped.is_none(),
        }
    }
}

/// A request that is a good first one: it asks for one scope of the keypair, and changes nothing.
struct Example {
    scope: Scope,
    path: String,
}

impl Example {
    fn of(keypair: &Keypair) -> Self {
        let scope = keypair.scopes.iter().next().unwrap_or(Scope::ReportRead);
        let path = match (keypair.owner, scope) {
            (Owner::Environment(id), Scope::ReportRead) => {
                format!("/v1/environments/{id}/reports/overview?combine=true")
            }
            (Owner::Environment(id), Scope::QueriesCreate) => format!("/v1/environments/{id}/queries"),
            (Owner::Environment(id), Scope::Admin) => format!("/v1/environments/{id}/api-keys"),
            (Owner::Account(id), Scope::AccountAdmin) => format!("/v1/accounts/{id}/api-keys"),
            (Owner::Account(_), Scope::ReportRead | Scope::QueriesCreate | Scope::Admin) => {
                "/v1/environments".to_owned()
            }
            // Whoever only submits responses reads nothing, and an example must not leave one.
            (_, Scope::ResponsesCreate) | (Owner::Environment(_), Scope::AccountAdmin) => {
                "/v1/access".to_owned()
            }
        };
        Self { scope, path }
    }
}

const PYTHON: &str = r#"import base64, json, os, urllib.parse, urllib.request

BASE = "{base}"
keypair = f"{os.environ['FEEDBACK_KEY_ID']}:{os.environ['FEEDBACK_KEY_SECRET']}"
basic = base64.b64encode(keypair.encode()).decode()
form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "{scope}"})
request = urllib.request.Request(BASE + "/oauth2/token", form.encode(), {"Authorization": f"Basic {basic}"})
token = json.load(urllib.request.urlopen(request))["access_token"]

request = urllib.request.Request(BASE + "{path}", headers={"Authorization": f"Bearer {token}"})
print(json.load(urllib.request.urlopen(request)))"#;

const JAVASCRIPT: &str = r#"const base = "{base}";
const { FEEDBACK_KEY_ID, FEEDBACK_KEY_SECRET } = process.env;
const issued = await fetch(`${base}/oauth2/token`, {
  method: "POST",
  headers: { authorization: `Basic ${btoa(`${FEEDBACK_KEY_ID}:${FEEDBACK_KEY_SECRET}`)}` },
  body: new URLSearchParams({ grant_type: "client_credentials", scope: "{scope}" }),
});
const { access_token } = await issued.json();

const answer = await fetch(`${base}{path}`, { headers: { authorization: `Bearer ${access_token}` } });
console.log(await answer.json());"#;

const RUST: &str = r#"use std::env::var;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base = "{base}";
    let (id, secret) = (var("FEEDBACK_KEY_ID")?, var("FEEDBACK_KEY_SECRET")?);
    let issued = ureq::post(format!("{base}/oauth2/token")).send_form([
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", secret.as_str()),
        ("scope", "{scope}"),
    ])?;
    let issued: serde_json::Value = serde_json::from_reader(issued.into_body().into_reader())?;
    let token = issued["access_token"].as_str().ok_or("no token")?;

    let answer = ureq::get(format!("{base}{path}"))
        .header("Authorization", format!("Bearer {token}"))
        .call()?
        .body_mut()
        .read_to_string()?;
    println!("{answer}");
    Ok(())
}"#;

fn programs(base: &str, example: &Example) -> [Snippet; 3] {
    let filled = |code: &str| {
        code.replacen("\"{base}\"", &format!("\"{base}\""), 1)
            .replace("{scope}", example.scope.name())
            .replace("{path}", &example.path)
    };
    [
        Snippet { id: "python", language: "Python", needs: "Python 3.8", code: filled(PYTHON) },
        Snippet {
            id: "javascript",
            language: "JavaScript",
            needs: "Node.js 18, as an .mjs file",
            code: filled(JAVASCRIPT),
        },
        Snippet { id: "rust", language: "Rust", needs: "ureq 3, serde_json 1", code: filled(RUST) },
    ]
}
