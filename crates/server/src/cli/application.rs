//! `feedback application …`

use clap::Subcommand;
use domain::{Application as Registered, ApplicationId, Owner, RedirectUris};
use storage::ApplicationInUse;

use super::failure::{About, Failure, Result};
use super::output::{self, instant, short};
use super::owners::owners;
use super::store::{Common, operator, whole};
use super::{arguments, ask};
use crate::api::shapes::ApplicationShape;
use crate::app::{App, Missing};

#[derive(Debug, clap::Args)]
pub(super) struct Application {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Register an application; it has no secret
    Create {
        /// Where people can let it act: the account or environment (acc_… or env_…)
        #[arg(long, value_name = "ACC|ENV")]
        owner: String,
        /// What people see when it asks them
        #[arg(long, allow_hyphen_values = true)]
        name: String,
        /// Where answers to it may go: https://…, http://127.0.0.1/… with any port, or a scheme of its own; up to 10 times
        #[arg(long, value_name = "URI", required = true)]
        redirect_uri: Vec<String>,
    },
    /// List the applications, the newest of each owner first
    List {
        /// Only those of this account or environment (acc_… or env_…)
        #[arg(long, value_name = "ACC|ENV")]
        owner: Option<String>,
    },
    /// Show an application
    Show {
        /// app_…
        application: String,
    },
    /// Remove an application for good, with all that people let it do
    Remove {
        /// app_…
        application: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

impl Application {
    pub(super) async fn run(self) -> Result<()> {
        let Self { common, act } = self;
        common.on_store(Missing::Refuse, async |app| act.run(app, common.json).await).await
    }
}

impl Act {
    async fn run(self, app: &App, json: bool) -> Result<()> {
        let now = app.clock.now();
        match self {
            Self::Create { owner, name, redirect_uri } => {
                let owner = arguments::owner(&owner)?;
                let uris =
                    RedirectUris::new(redirect_uri.iter().map(String::as_str)).map_err(Failure::new)?;
                let made = Registered::new(owner, arguments::name(&name)?, uris, now, &*app.entropy);
                let stamp = app.stamp(&operator(), now);
                let what = format!("{} {owner}", owner.kind());
                app.store.create_application(&stamp, &made).await.about(what)?;
                print(json, &ApplicationInUse { application: made, people: 0 })
            }
            Self::List { owner } => list(app, json, owner).await,
            Self::Show { application } => print(json, &find(app, &application).await?),
            Self::Remove { application, yes } => {
                let ApplicationInUse { application, people } = find(app, &application).await?;
                let Registered { id, owner, name, .. } = application;
                let question = format!(
                    "Removing the application {id} ({}) can't be undone; {people} people let it act at this moment.",
                    short(name.as_str(), 60)
                );
                ask::confirmed(yes, &question)?;
                let stamp = app.stamp(&operator(), now);
                app.store.remove_application(&stamp, owner, id).await.about(about(id))?;
                output::removed(json, &id.to_string(), &format!("Removed the application {id} for good."))
            }
        }
    }
}

async fn list(app: &App, json: bool, owner: Option<String>) -> Result<()> {
    let mut items = Vec::new();
    for owner in owners(app, owner.as_deref()).await? {
        items.extend(of(app, owner).await?);
    }
    output::list(
        json,
        &items,
        ApplicationShape::from,
        ["CLIENT ID", "OWNER", "PEOPLE", "NAME", "REDIRECT URIS"],
        "There is no application yet; make one with `feedback application create`.",
        |ApplicationInUse { application, people }| {
            [
                application.id.to_string(),
                application.owner.to_string(),
                people.to_string(),
                short(application.name.as_str(), 40),
                application.redirect_uris.to_string(),
            ]
        },
    )
}

/// An owner's applications, the newest first.
async fn of(app: &App, owner: Owner) -> Result<Vec<ApplicationInUse>> {
    let part = async |slice| app.store.applications(owner, slice, app.clock.now()).await;
    whole(|found: &ApplicationInUse| found.application.id, part).await.about(owner)
}

fn print(json: bool, found: &ApplicationInUse) -> Result<()> {
    let ApplicationInUse { application, people } = found;
    let uris: Vec<_> = application.redirect_uris.iter().map(ToString::to_string).collect();
    let fields = [
        ("Client ID", application.id.to_string()),
        ("Owner", format!("{} {}", application.owner.kind(), application.owner)),
        ("Name", application.name.to_string()),
        ("Redirect URIs", uris.join("\n")),
        ("People", people.to_string()),
        ("Registered", instant(application.created_at)),
    ];
    output::object(json, &ApplicationShape::from(found), fields)
}

fn about(id: ApplicationId) -> String {
    format!("application {id}")
}

/// The application, whoever owns it.
async fn find(app: &App, application: &str) -> Result<ApplicationInUse> {
    let id: ApplicationId = arguments::id("an application (app_…)", application)?;
    let found = app.store.live_application(id).await.about(about(id))?;
    let found = found.ok_or_else(|| Failure::new(format!("there is no application {id}, or no longer")))?;
    app.store.application(found.owner, id, app.clock.now()).await.about(about(id))
}
