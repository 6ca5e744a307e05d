//! `feedback environment …`

use clap::Subcommand;
use domain::{AccountId, EnvironmentId};

use super::failure::{About, Result};
use super::output::{self, instant, instant_or, short};
use super::store::{Common, operator, whole};
use super::{account, arguments, ask, key_usage};
use crate::api::shapes::EnvironmentShape;
use crate::app::{App, Missing};

#[derive(Debug, clap::Args)]
pub(super) struct Environment {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make an environment of an account
    Create {
        /// The account that will own it (acc_…)
        #[arg(long)]
        account: String,
        /// What its people call it
        #[arg(long, allow_hyphen_values = true)]
        name: String,
    },
    /// List the environments, open and closed
    List {
        /// Only those of this account (acc_…)
        #[arg(long)]
        account: Option<String>,
    },
    /// Show an environment
    Show {
        /// env_…
        environment: String,
    },
    /// Give an environment another name
    Rename {
        /// env_…
        environment: String,
        /// The new name
        #[arg(long, allow_hyphen_values = true)]
        name: String,
    },
    /// Close an environment for good; ends all its keypairs
    Close {
        /// env_…
        environment: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

impl Environment {
    pub(super) async fn run(self) -> Result<()> {
        let Self { common, act } = self;
        common.on_store(Missing::Refuse, async |app| act.run(app, common.json).await).await
    }
}

impl Act {
    async fn run(self, app: &App, json: bool) -> Result<()> {
        let now = app.clock.now();
        let stamp = app.stamp(&operator(), now);
        match self {
            Self::Create { account, name } => {
                let account = account::id(&account)?;
                let environment =
                    domain::Environment::new(account, arguments::name(&name)?, now, &*app.entropy);
                let made = app.store.create_environment(&stamp, &environment).await;
                made.about(format!("account {}", environment.account))?;
                print(json, &environment)
            }
            Self::List { account } => {
                let environments = match account {
                    Some(account) => {
                        let id = account::id(&account)?;
                        app.store.account(id).await.about(format!("account {id}"))?;
                        of(app, id).await?
                    }
                    None => every(app).await?,
                };
                output::list(
                    json,
                    &environments,
                    EnvironmentShape::from,
                    ["ENVIRONMENT", "ACCOUNT", "STATE", "CREATED", "NAME"],
                    "There is no environment yet; make one with `feedback environment create`.",
                    |environment| {
                        [
                            environment.id.to_string(),
                            environment.account.to_string(),
                            environment.state.name().to_owned(),
                            instant(environment.created_at),
                            short(environment.name.as_str(), 60),
                        ]
                    },
                )
            }
            Self::Show { environment } => {
                let id = id(&environment)?;
                print(json, &app.store.environment(id).await.about(about(id))?)
            }
            Self::Rename { environment, name } => {
                let (id, name) = (id(&environment)?, arguments::name(&name)?);
                print(json, &app.store.rename_environment(&stamp, id, None, &name).await.about(about(id))?)
            }
            Self::Close { environment, yes } => {
                let id = id(&environment)?;
                let name = app.store.environment(id).await.about(about(id))?.name;
                let in_use = key_usage::in_use(app, id.into()).await;
                let question = format!(
                    "Closing the environment {name} ({id}) ends all its keypairs, for good. {in_use}"
                );
                ask::confirmed(yes, &question)?;
                print(json, &app.store.close_environment(&stamp, id, None).await.about(about(id))?)
            }
        }
    }
}

fn print(json: bool, environment: &domain::Environment) -> Result<()> {
    let fields = [
        ("Environment", environment.id.to_string()),
        ("Account", environment.account.to_string()),
        ("Name", environment.name.to_string()),
        ("State", environment.state.name().to_owned()),
        ("Created", instant(environment.created_at)),
        ("Closed", instant_or(environment.state.closed_at(), "-")),
    ];
    output::object(json, &EnvironmentShape::from(environment), fields)
}

fn about(id: EnvironmentId) -> String {
    format!("environment {id}")
}

fn id(text: &str) -> Result<EnvironmentId> {
    arguments::id("an environment (env_…)", text)
}

/// The environments of an account, the oldest first.
pub(super) async fn of(app: &App, account: AccountId) -> Result<Vec<domain::Environment>> {
    let part = async |slice| app.store.environments(account, slice).await;
    whole(|environment: &domain::Environment| environment.id, part).await.about("environment")
}

/// The environments of every account.
pub(super) async fn every(app: &App) -> Result<Vec<domain::Environment>> {
    let mut every = Vec::new();
    for account in account::all(app).await? {
        every.extend(of(app, account.id).await?);
    }
    Ok(every)
}
