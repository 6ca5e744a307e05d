//! `feedback account …`

use clap::Subcommand;
use domain::AccountId;

use super::arguments;
use super::ask;
use super::failure::{About, Result};
use super::key_usage;
use super::output::{self, instant, instant_or, short};
use super::store::{Common, operator, whole};
use crate::api::shapes::AccountShape;
use crate::app::{App, Missing};

#[derive(Debug, clap::Args)]
pub(super) struct Account {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make an account; the first one also makes the store
    Create {
        /// What its people call it
        #[arg(long, allow_hyphen_values = true)]
        name: String,
    },
    /// List the accounts, open and closed
    List,
    /// Show an account
    Show {
        /// acc_…
        account: String,
    },
    /// Give an account another name
    Rename {
        /// acc_…
        account: String,
        /// The new name
        #[arg(long, allow_hyphen_values = true)]
        name: String,
    },
    /// Close an account with all its environments for good; ends all their keypairs
    Close {
        /// acc_…
        account: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

impl Account {
    pub(super) async fn run(self) -> Result<()> {
        let Self { common, act } = self;
        let missing = match &act {
            // A name that won't do must not leave an empty store behind.
            Act::Create { name } => arguments::name(name).map(|_| Missing::Create)?,
            _ => Missing::Refuse,
        };
        common.on_store(missing, async |app| act.run(app, common.json).await).await
    }
}

impl Act {
    async fn run(self, app: &App, json: bool) -> Result<()> {
        let now = app.clock.now();
        let stamp = app.stamp(&operator(), now);
        match self {
            Self::Create { name } => {
                let account = domain::Account::new(arguments::name(&name)?, now, &*app.entropy);
                app.store.create_account(&stamp, &account).await.about(about(account.id))?;
                print(json, &account)
            }
            Self::List => output::list(
                json,
                &all(app).await?,
                AccountShape::from,
                ["ACCOUNT", "STATE", "CREATED", "NAME"],
                "There is no account yet; make one with `feedback account create --name NAME`.",
                |account| {
                    [
                        account.id.to_string(),
                        account.state.name().to_owned(),
                        instant(account.created_at),
                        short(account.name.as_str(), 60),
                    ]
                },
            ),
            Self::Show { account } => {
                let id = id(&account)?;
                print(json, &app.store.account(id).await.about(about(id))?)
            }
            Self::Rename { account, name } => {
                let (id, name) = (id(&account)?, arguments::name(&name)?);
                print(json, &app.store.rename_account(&stamp, id, None, &name).await.about(about(id))?)
            }
            Self::Close { account, yes } => {
                let id = id(&account)?;
                let name = app.store.account(id).await.about(about(id))?.name;
                let in_use = key_usage::in_use(app, id.into()).await;
                let question = format!(
                    "Closing the account {name} ({id}) closes its environments and ends all their keypairs, for good. \
                     {in_use}"
                );
                ask::confirmed(yes, &question)?;
                print(json, &app.store.close_account(&stamp, id).await.about(about(id))?)
            }
        }
    }
}

fn print(json: bool, account: &domain::Account) -> Result<()> {
    let fields = [
        ("Account", account.id.to_string()),
        ("Name", account.name.to_string()),
        ("State", account.state.name().to_owned()),
        ("Created", instant(account.created_at)),
        ("Closed", instant_or(account.state.closed_at(), "-")),
    ];
    output::object(json, &AccountShape::from(account), fields)
}

fn about(id: AccountId) -> String {
    format!("account {id}")
}

/// An account's identifier.
pub(super) fn id(text: &str) -> Result<AccountId> {
    arguments::id("an account (acc_…)", text)
}

/// Every account, the oldest first.
pub(super) async fn all(app: &App) -> Result<Vec<domain::Account>> {
    whole(|account: &domain::Account| account.id, async |slice| app.store.accounts(slice).await)
        .await
        .about("account")
}
