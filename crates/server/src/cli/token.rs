//! `feedback token`: one's own access token, and on the store what any token is, and its end.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::Subcommand;
use domain::{
    ClientId, Confirmation, Environment, EnvironmentId, GrantTokenClaims, Scopes, Timestamp, TokenBinding,
};
use serde::{Deserialize, Serialize};
use storage::{Revocation, StorageError};

use super::failure::{About, Failure, Result};
use super::output::{self, instant, short};
use super::store::{Common, operator, whole};
use super::{ask, login};
use crate::api::shapes::{OwnerShape, ReachedEnvironment};
use crate::app::{App, Missing};
use crate::oauth::examined::{Examined, examine};
use crate::oauth::token_basis::Says;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Token {
    #[command(flatten)]
    own: login::OwnToken,
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Tell what a token is worth and reaches, or why it is worth nothing; the token comes on stdin, or you are asked for it
    #[command(visible_alias = "introspect")]
    Inspect {
        #[command(flatten)]
        common: Common,
    },
    /// End a token before its time: a keypair's alone, a person's with all that was granted to the application
    Revoke {
        #[command(flatten)]
        common: Common,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

impl Token {
    /// Whether failures are told as JSON, too.
    pub(super) fn as_json(&self) -> bool {
        match &self.act {
            None => self.own.json,
            Some(Act::Inspect { common } | Act::Revoke { common, .. }) => common.json,
        }
    }

    pub(super) async fn run(self) -> Result<()> {
        let (common, revocation) = match self.act {
            None => return self.own.run().await,
            Some(Act::Inspect { common }) => (common, None),
            Some(Act::Revoke { common, yes }) => (common, Some(yes)),
        };
        let token = ask::access_token()?;
        let mut config = common.settings()?;
        let said = said_issuer(&token);
        // Where the server's own is not set, it is where the server listens, which only tokens tell here.
        if config.public_url.is_none() {
            config.public_url = said.clone();
        }
        Common::on_store_of(config, Missing::Refuse, async |app| {
            let Some(examined) = examine(app, &token, app.clock.now()).await.about("token")? else {
                return Err(nothing_known(app, said));
            };
            match revocation {
                None => print(app, common.json, &examined).await,
                Some(yes) => revoke(app, common.json, yes, &token, &examined).await,
            }
        })
        .await
    }
}

/// Who the token says issued it. That it is so, the signature has to show.
fn said_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.iss)
}

fn nothing_known(app: &App, said: Option<String>) -> Failure {
    let own = app.config.issuer();
    match said.filter(|said| said != own) {
        Some(said) => Failure::new(format!(
            "this is no access token of this server: it says that it is of {}, and the setting public_url is {own}",
            short(&said, 200)
        )),
        None => Failure::new(
            "this is no access token of this server: none of its keys signed it, or that key was removed",
        ),
    }
}

async fn revoke(app: &App, json: bool, yes: bool, token: &str, examined: &Examined) -> Result<()> {
    let (question, done) = match examined.says {
        Says::Keypair(claims) => (
            format!("Revoking this token of {} can't be undone.", claims.keypair),
            format!("Revoked the token. Other tokens of {} go on.", claims.keypair),
        ),
        Says::Grant(claims) => {
            let (person, application) = of_person(app, &claims).await?;
            (
                format!(
                    "Revoking it ends all that {person} let {} do at {}, and can't be undone.",
                    short(&application, 60),
                    claims.owner
                ),
                format!("Ended all that {person} let {application} do at {}.", claims.owner),
            )
        }
    };
    // What a person granted goes on when one of its tokens has run out, or the person has no role for a while.
    let ends = match examined.says {
        Says::Keypair(_) => examined.worth.is_ok(),
        Says::Grant(_) => true,
    };
    let mut sentence = "There was nothing to end; nothing was changed.".to_owned();
    if ends {
        ask::confirmed(yes, &question)?;
        match examined.revoke(app, &operator(), app.clock.now()).await {
            Ok(Revocation::Done) => sentence = done,
            Ok(Revocation::Full(until)) => {
                return Err(Failure::new(format!(
                    "as many tokens of its keypair are revoked as can be until {}; `feedback key disable` stops all of its tokens",
                    instant(until)
                )));
            }
            Err(StorageError::NotFound) => {}
            Err(error) => return Err(error).about("token"),
        }
    }
    if !json {
        return output::line(sentence);
    }
    app.live.catch_up().await.about("token")?;
    match examine(app, token, app.clock.now()).await.about("token")? {
        Some(after) => print(app, true, &after).await,
        None => Err(nothing_known(app, None)),
    }
}

/// What is told of a token, with the names of `GET /v1/access`.
#[derive(Debug, Serialize)]
struct Shape {
    active: bool,
    /// Why it is worth nothing.
    reason: Option<String>,
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    owner: OwnerShape,
    scopes: Scopes,
    /// Those that it was issued with and has no more.
    lost_scopes: Scopes,
    environments: Vec<ReachedEnvironment>,
    /// The one environment that it was narrowed to.
    narrowed_to: Option<EnvironmentId>,
    token_binding: &'static str,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl Shape {
    fn new(examined: &Examined, environments: &[Environment]) -> Self {
        let says = &examined.says;
        let (key_id, user_id, client_id) = match says {
            Says::Keypair(claims) => (Some(claims.keypair.to_string()), None, None),
            Says::Grant(claims) => (None, Some(claims.user.to_string()), Some(claims.client.to_string())),
        };
        Self {
            active: examined.worth.is_ok(),
            reason: examined.worth.as_ref().err().map(ToString::to_string),
            key_id,
            user_id,
            client_id,
            owner: OwnerShape::from(&says.owner()),
            scopes: examined.scopes(),
            lost_scopes: examined.lost(),
            environments: environments.iter().map(ReachedEnvironment::from).collect(),
            narrowed_to: examined.narrowed_to,
            token_binding: binding(says.confirmation()).name(),
            issued_at: examined.issued_at,
            expires_at: says.expires_at(),
        }
    }
}

fn binding(confirmation: Option<Confirmation>) -> TokenBinding {
    match confirmation {
        None => TokenBinding::None,
        Some(Confirmation::Key(_)) => TokenBinding::Dpop,
        Some(Confirmation::Certificate(_)) => TokenBinding::Mtls,
    }
}

async fn print(app: &App, json: bool, examined: &Examined) -> Result<()> {
    let environments = match &examined.worth {
        Ok(verified) => {
            let part = async |slice| verified.environments(app, slice).await;
            whole(|environment: &Environment| environment.id, part).await.about("environment")?
        }
        Err(_) => Vec::new(),
    };
    if json {
        return output::json(&Shape::new(examined, &environments));
    }
    let says = &examined.says;
    let whose = match says {
        Says::Keypair(claims) => {
            let comment = match app.store.keypair(claims.owner, claims.keypair).await {
                Ok(keypair) => keypair.comment.to_string(),
                Err(StorageError::NotFound) => String::new(),
                Err(error) => return Err(error).about("keypair"),
            };
            ("Keypair", format!("{} {}", claims.keypair, comment.lines().next().unwrap_or_default()))
        }
        Says::Grant(claims) => {
            let (person, application) = of_person(app, claims).await?;
            ("In the name of", format!("{person}\nby {application}"))
        }
    };
    let names = |scopes: Scopes| if scopes.is_empty() { "none".to_owned() } else { scopes.to_string() };
    let named = |environment: &Environment| format!("{} {}", environment.id, environment.name);
    let reaches: Vec<_> = environments.iter().map(named).collect();
    output::line(output::labelled(&[
        ("Works", examined.worth.as_ref().map_or_else(|why| format!("no: {why}"), |_| "yes".to_owned())),
        whose,
        ("Owner", format!("{} {}", says.owner().kind(), says.owner())),
        ("Issued", instant(examined.issued_at)),
        ("Expires", instant(says.expires_at())),
        ("Scopes now", names(examined.scopes())),
        ("Scopes lost", names(examined.lost())),
        ("Bound by", binding(says.confirmation()).to_string()),
        ("Narrowed to", examined.narrowed_to.map_or_else(|| "nothing".to_owned(), |only| only.to_string())),
        ("Reaches", if reaches.is_empty() { "no open environment".to_owned() } else { reaches.join("\n") }),
    ]))
}

/// The person in whose name the token is, and the application that has it, as they are called.
async fn of_person(app: &App, claims: &GrantTokenClaims) -> Result<(String, String)> {
    let person = match app.store.user(claims.user).await {
        Ok(user) => user.email.to_string(),
        Err(StorageError::NotFound) => claims.user.to_string(),
        Err(error) => return Err(error).about("user"),
    };
    let application = match claims.client {
        ClientId::CommandLine => "the command line".to_owned(),
        ClientId::Application(id) => match app.store.live_application(id).await.about("application")? {
            Some(application) => format!("{} ({id})", application.name),
            None => id.to_string(),
        },
    };
    Ok((person, application))
}
