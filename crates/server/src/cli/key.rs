//! `feedback key …`

use clap::Subcommand;
use domain::{
    KeyId, KeySecret, Keypair, KeypairEdit, NewKeypair, OldSecrets, Owner, Secret, Timestamp, TokenBinding,
};

use super::failure::{About, Failure, Result};
use super::output::{self, instant, instant_or, short};
use super::owners::owners;
use super::public_key::PublicKey;
use super::store::{Common, operator, whole};
use super::{arguments, ask, key_usage};
use crate::api::shapes::KeypairShape;
use crate::app::{App, Missing};
use crate::keypairs;

#[derive(Debug, clap::Args)]
pub(super) struct Key {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a keypair, and show its secret once; with a public key, without a secret
    Create {
        /// The account or environment that will own it (acc_… or env_…)
        #[arg(long, value_name = "ACC|ENV")]
        owner: String,
        /// What it may request: names of scopes, parted by spaces
        #[arg(long, value_name = "SCOPES")]
        scope: String,
        /// What it is for
        #[arg(long, default_value = "", allow_hyphen_values = true)]
        comment: String,
        /// When it stops by itself: an instant, or a time from now as in 90d; never without it
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// What its tokens must be bound to; whether the servers see certificates, as mtls needs, is not known here
        #[arg(long, value_name = "none|dpop|mtls", default_value_t)]
        token_binding: TokenBinding,
        /// From where it may be used: networks or addresses, parted by spaces or commas; from anywhere without it
        #[arg(long, value_name = "NETWORKS")]
        allow_from: Option<String>,
        #[command(flatten)]
        public_key: PublicKey,
    },
    /// List the keypairs, the newest of each owner first
    List {
        /// Only those of this account or environment (acc_… or env_…)
        #[arg(long, value_name = "ACC|ENV")]
        owner: Option<String>,
    },
    /// Show a keypair
    Show {
        /// key_…
        key: String,
    },
    /// Show how a keypair is used: by day, by scope, and what was done in the last seven days
    Usage {
        /// key_…
        key: String,
    },
    /// Let a disabled keypair work again; tokens from before stay dead
    Enable {
        /// key_…
        key: String,
    },
    /// Stop a keypair and the tokens that it obtained
    Disable {
        /// key_…
        key: String,
    },
    /// Change what a keypair is for, may request, from where, or when it stops
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Edit {
        /// key_…
        key: String,
        /// What it is for
        #[arg(long, group = "change", allow_hyphen_values = true)]
        comment: Option<String>,
        /// What it may request from now on: names of scopes, parted by spaces
        #[arg(long, group = "change", value_name = "SCOPES")]
        scope: Option<String>,
        /// When it stops by itself: an instant, a time from now as in 90d, or never
        #[arg(long, group = "change", value_name = "WHEN")]
        expires: Option<String>,
        /// Whether its secrets open anything, or only what its public keys verify
        #[arg(long, group = "change", value_name = "true|false")]
        accept_secrets: Option<bool>,
        /// What its tokens must be bound to; whether the servers see certificates, as mtls needs, is not known here
        #[arg(long, group = "change", value_name = "none|dpop|mtls")]
        token_binding: Option<TokenBinding>,
        /// From where it may be used from now on: networks or addresses, parted by spaces or commas, or anywhere
        #[arg(long, group = "change", value_name = "NETWORKS")]
        allow_from: Option<String>,
    },
    /// Add a secret, and show it once
    Rotate {
        /// key_…
        key: String,
        /// When the other secrets stop, as in 7d, or 0s for at once; they stay without it
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
        /// Instead: each of them stops once a newer one has been used and it has not for this long, as in 1h
        #[arg(long, value_name = "TIME", conflicts_with = "overlap")]
        when_idle: Option<String>,
    },
    /// Delete one of a keypair's secrets, and the tokens that it obtained
    DeleteSecret {
        /// key_…
        key: String,
        /// The secret's number
        n: u32,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Register a public key: its owner signs assertions instead of sending a secret
    AddPublicKey {
        /// key_…
        key: String,
        #[command(flatten)]
        public_key: PublicKey,
    },
    /// Remove one of a keypair's public keys, and the tokens that it obtained
    RemovePublicKey {
        /// key_…
        key: String,
        /// The public key's number
        #[arg(long)]
        n: u32,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Remove a keypair for good, with the tokens that it obtained
    Remove {
        /// key_…
        key: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

impl Key {
    pub(super) async fn run(self) -> Result<()> {
        let Self { common, act } = self;
        common.on_store(Missing::Refuse, async |app| act.run(app, common.json).await).await
    }
}

impl Act {
    async fn run(self, app: &App, json: bool) -> Result<()> {
        match self {
            Self::Create { owner, scope, comment, expires, token_binding, allow_from, public_key } => {
                let new = NewKeypair {
                    owner: arguments::owner(&owner)?,
                    comment: arguments::comment(&comment)?,
                    scopes: arguments::scopes(&scope)?,
                    expires_at: expires.map(|when| arguments::moment(&when, app.clock.now())).transpose()?,
                    token_binding,
                    allowed_addresses: allow_from
                        .as_deref()
                        .map(arguments::addresses)
                        .transpose()?
                        .unwrap_or_default(),
                };
                if let Some(key) = public_key.read(app.clock.now())? {
                    let what = new.owner.to_string();
                    let made = keypairs::create_for_public_key(app, &operator(), new, key, None).await;
                    return print(app, json, &made.about(what)?);
                }
                let (keypair, secret) = create(app, new).await?;
                print_with_secret(app, json, &keypair, &secret)
            }
            Self::List { owner } => list(app, json, owner).await,
            Self::Show { key } => print(app, json, &find(app, &key).await?),
            Self::Usage { key } => key_usage::show(app, json, &find(app, &key).await?).await,
            Self::Enable { key } => switch(app, json, &find(app, &key).await?, true).await,
            Self::Disable { key } => {
                let keypair = find(app, &key).await?;
                switch(app, json, &keypair, false).await?;
                print_uses(app, json, &keypair).await
            }
            Self::Edit { key, comment, scope, expires, accept_secrets, token_binding, allow_from } => {
                let expires_at = match expires.as_deref() {
                    None => None,
                    Some("never") => Some(None),
                    Some(when) => Some(Some(arguments::moment(when, app.clock.now())?)),
                };
                let edit = KeypairEdit {
                    enabled: None,
                    comment: comment.as_deref().map(arguments::comment).transpose()?,
                    scopes: scope.as_deref().map(arguments::scopes).transpose()?,
                    expires_at,
                    accepts_secrets: accept_secrets,
                    token_binding,
                    allowed_addresses: allow_from.as_deref().map(arguments::addresses).transpose()?,
                };
                let before = find(app, &key).await?;
                let after = change(app, &before, &edit).await?;
                print(app, json, &after)?;
                if before.scopes.within(after.scopes) {
                    return Ok(());
                }
                print_uses(app, json, &before).await
            }
            Self::Rotate { key, overlap, when_idle } => {
                let old = match (overlap, when_idle) {
                    (Some(overlap), _) => OldSecrets::EndAfter(arguments::duration(&overlap)?),
                    (None, Some(idle)) => OldSecrets::EndWhenIdle(arguments::duration(&idle)?),
                    (None, None) => OldSecrets::Stay,
                };
                let Keypair { id, owner, .. } = find(app, &key).await?;
                let rotated = keypairs::rotate(app, &operator(), owner, id, old, None, None).await;
                let (keypair, secret) = rotated.about(about(id))?;
                print_with_secret(app, json, &keypair, &secret)
            }
            Self::DeleteSecret { key, n, yes } => {
                let Keypair { id, owner, .. } = find(app, &key).await?;
                ask::confirmed(
                    yes,
                    &format!("Deleting secret {n} of {id} ends the tokens that it obtained."),
                )?;
                let deleted = keypairs::delete_secret(app, &operator(), owner, id, n, None).await;
                print(app, json, &deleted.about(about(id))?)
            }
            Self::AddPublicKey { key, public_key } => {
                let Some(public) = public_key.read(app.clock.now())? else {
                    return Err(Failure::new("one of --pem-file and --jwk-file is needed"));
                };
                let Keypair { id, owner, .. } = find(app, &key).await?;
                let added = keypairs::add_public_key(app, &operator(), owner, id, public, None, None).await;
                print(app, json, &added.about(about(id))?)
            }
            Self::RemovePublicKey { key, n, yes } => {
                let Keypair { id, owner, .. } = find(app, &key).await?;
                ask::confirmed(
                    yes,
                    &format!("Removing public key {n} of {id} ends the tokens that it obtained."),
                )?;
                let removed = keypairs::delete_public_key(app, &operator(), owner, id, n, None).await;
                print(app, json, &removed.about(about(id))?)
            }
            Self::Remove { key, yes } => {
                let keypair = find(app, &key).await?;
                let Keypair { id, owner, comment, .. } = &keypair;
                let question = format!(
                    "Removing the keypair {id} ({}) can't be undone; programs that use it stop working. {}",
                    short(comment.as_str(), 60),
                    key_usage::recently(app, &keypair).await
                );
                ask::confirmed(yes, &question)?;
                keypairs::remove(app, &operator(), *owner, *id, None).await.about(about(*id))?;
                output::removed(json, &id.to_string(), &format!("Removed the keypair {id} for good."))
            }
        }
    }
}

async fn switch(app: &App, json: bool, keypair: &Keypair, enabled: bool) -> Result<()> {
    let edit = KeypairEdit { enabled: Some(enabled), ..KeypairEdit::default() };
    print(app, json, &change(app, keypair, &edit).await?)
}

/// Tells a person what the keypair did before it was stopped, or may do less.
async fn print_uses(app: &App, json: bool, keypair: &Keypair) -> Result<()> {
    if json {
        return Ok(());
    }
    output::line(format_args!("\n{}", key_usage::recently(app, keypair).await))
}

async fn list(app: &App, json: bool, owner: Option<String>) -> Result<()> {
    let now = app.clock.now();
    let mut items = Vec::new();
    for owner in owners(app, owner.as_deref()).await? {
        items.extend(of(app, owner).await?);
    }
    output::list(
        json,
        &items,
        |keypair| KeypairShape::at(now, keypair),
        ["KEY ID", "OWNER", "STATUS", "LAST USED", "SCOPES", "COMMENT"],
        "There is no keypair yet; make one with `feedback key create`.",
        |keypair| {
            [
                keypair.id.to_string(),
                keypair.owner.to_string(),
                keypair.status(now).name().to_owned(),
                instant_or(keypair.last_used_at, "never"),
                keypair.scopes.to_string(),
                short(keypair.comment.as_str(), 40),
            ]
        },
    )
}

/// An owner's keypairs, the newest first.
async fn of(app: &App, owner: Owner) -> Result<Vec<Keypair>> {
    let part = async |slice| app.store.keypairs(owner, slice).await;
    whole(|keypair: &Keypair| keypair.id, part).await.about(owner)
}

fn print(app: &App, json: bool, keypair: &Keypair) -> Result<()> {
    let now = app.clock.now();
    if json {
        return output::json(&KeypairShape::at(now, keypair));
    }
    output::line(described(now, keypair))
}

fn print_with_secret(app: &App, json: bool, keypair: &Keypair, secret: &KeySecret) -> Result<()> {
    let now = app.clock.now();
    if json {
        return output::json(&KeypairShape::at(now, keypair).with_secret(secret));
    }
    output::line(described(now, keypair))?;
    output::line(format!(
        "\nKey Secret  {}\n\nThis is the only time that the secret is shown. Keep it where only the program that uses it can read it.",
        secret.reveal()
    ))
}

fn described(now: Timestamp, keypair: &Keypair) -> String {
    let secrets: Vec<_> = keypair
        .secrets
        .iter()
        .map(|secret| {
            format!(
                "{}: …{}, made {}, last used {}, {}",
                secret.n,
                secret.hint,
                instant(secret.created_at),
                instant_or(secret.last_used_at, "never"),
                end(keypair, secret, now)
            )
        })
        .collect();
    let public_keys: Vec<_> = keypair
        .public_keys
        .iter()
        .map(|public| {
            format!(
                "{}: {} {}, made {}, last used {}, expires {}",
                public.n,
                public.key.algorithm().name(),
                public.key.thumbprint(),
                instant(public.created_at),
                instant_or(public.last_used_at, "never"),
                instant_or(public.expires_at, "never")
            )
        })
        .collect();
    let from = match keypair.allowed_addresses.is_anywhere() {
        true => "anywhere".to_owned(),
        false => keypair.allowed_addresses.names().join("\n"),
    };
    let secrets = if keypair.accepts_secrets { secrets.join("\n") } else { "not accepted".to_owned() };
    let public_keys = if public_keys.is_empty() { "none".to_owned() } else { public_keys.join("\n") };
    output::labelled(&[
        ("Key ID", keypair.id.to_string()),
        ("Owner", format!("{} {}", keypair.owner.kind(), keypair.owner)),
        ("Comment", keypair.comment.to_string()),
        ("Scopes", keypair.scopes.to_string()),
        ("Status", keypair.status(now).name().to_owned()),
        ("Expires", instant_or(keypair.expires_at, "never")),
        ("Created", format!("{} by {}", instant(keypair.created_at), keypair.created_by.name())),
        ("Last used", instant_or(keypair.last_used_at, "never")),
        ("Secrets", secrets),
        ("Public keys", public_keys),
        ("Tokens bound by", keypair.token_binding.to_string()),
        ("Used from", from),
    ])
}

/// When a secret stops, or why it should.
fn end(keypair: &Keypair, secret: &Secret, now: Timestamp) -> String {
    let mut end = format!("expires {}", instant_or(secret.expires_at, "never"));
    if let Some(retirement) = secret.retirement {
        end += &format!(", ends once idle for {:#}", retirement.when_idle);
    }
    if let Some(idle) = keypair.idle_and_replaced(secret, now) {
        end += &format!(", idle for {idle:#}, safe to retire");
    }
    if let Some(at) = secret.leaked_at {
        end += &format!(", LEAKED {}: delete it before the keypair is enabled", instant(at));
    }
    end
}

fn about(id: KeyId) -> String {
    format!("keypair {id}")
}

/// The keypair, whoever owns it.
async fn find(app: &App, key: &str) -> Result<Keypair> {
    let id: KeyId = arguments::id("a keypair (key_…)", key)?;
    match app.store.live_keypair(id).await.about(about(id))? {
        Some(live) => Ok(live.keypair),
        None => Err(Failure::new(format!("there is no keypair {id}, or no longer"))),
    }
}

/// Makes a keypair.
pub(super) async fn create(app: &App, new: NewKeypair) -> Result<(Keypair, KeySecret)> {
    let what = format!("{} {}", new.owner.kind(), new.owner);
    keypairs::create(app, &operator(), new, None).await.about(what)
}

/// Edits a keypair.
async fn change(app: &App, keypair: &Keypair, edit: &KeypairEdit) -> Result<Keypair> {
    let edited = keypairs::edit(app, &operator(), keypair.owner, keypair.id, edit, None, None).await;
    edited.about(about(keypair.id))
}
