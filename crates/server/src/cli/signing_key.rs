//! `feedback signing-key …`

use clap::Subcommand;
use domain::{SigningKeyLife, Timestamp};
use serde::Serialize;

use super::ask;
use super::failure::{About, Failure, Result};
use super::output::{self, instant, instant_or};
use super::store::{Common, operator};
use crate::app::{App, Missing};
use crate::signing::{When, lives};

#[derive(Debug, clap::Args)]
pub(super) struct SigningKey {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the keys in the order in which they sign
    List,
    /// Make the next key, which signs in ten minutes; tokens from before stay valid
    Rotate {
        /// The new key signs at once, and every token from before is worth nothing any more
        #[arg(long)]
        now: bool,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

/// What is public of a signing key.
#[derive(Debug, Serialize)]
struct Shape {
    kid: String,
    algorithm: String,
    state: &'static str,
    created_at: Timestamp,
    signs_from: Timestamp,
    retired_at: Option<Timestamp>,
    removed_at: Option<Timestamp>,
}

impl Shape {
    fn of((key, life): &(storage::SigningKey, SigningKeyLife)) -> Self {
        Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            state: life.state.name(),
            created_at: key.created_at,
            signs_from: key.signs_from,
            retired_at: life.retired_at,
            removed_at: life.removed_at(),
        }
    }
}

impl SigningKey {
    pub(super) async fn run(self) -> Result<()> {
        self.common.on_store(Missing::Refuse, async |app| self.act(app).await).await
    }

    async fn act(&self, app: &App) -> Result<()> {
        let made = match self.act {
            Act::List => None,
            Act::Rotate { now, yes } => {
                ask::confirmed(yes || !now, "Every token of every customer ends at once.")?;
                let when = if now { When::Now } else { When::Published };
                let stamp = app.stamp(&operator(), app.clock.now());
                let made = app.signing_keys.rotate(&stamp, when, &*app.entropy).await;
                Some(made.map_err(Failure::new)?)
            }
        };
        let keys = app.store.signing_keys().await.about("signing key")?;
        let lives = lives(&keys, app.clock.now());
        let keys: Vec<_> = keys.into_iter().zip(lives).collect();
        match made.and_then(|made| keys.iter().find(|(key, _)| key.kid == made.kid)) {
            Some(made) => self.show(made),
            None => self.list(&keys),
        }
    }

    fn show(&self, made: &(storage::SigningKey, SigningKeyLife)) -> Result<()> {
        let shape = Shape::of(made);
        let fields = [
            ("Key", shape.kid.clone()),
            ("Algorithm", shape.algorithm.clone()),
            ("State", shape.state.to_owned()),
            ("Signs from", instant(shape.signs_from)),
        ];
        output::object(self.common.json, &shape, fields)
    }

    fn list(&self, keys: &[(storage::SigningKey, SigningKeyLife)]) -> Result<()> {
        output::list(
            self.common.json,
            keys,
            Shape::of,
            ["KEY", "ALGORITHM", "STATE", "CREATED", "SIGNS FROM", "RETIRED", "REMOVED"],
            "There is no signing key yet.",
            |(key, life)| {
                [
                    key.kid.clone(),
                    key.algorithm.clone(),
                    life.state.name().to_owned(),
                    instant(key.created_at),
                    instant(key.signs_from),
                    instant_or(life.retired_at, "-"),
                    instant_or(life.removed_at(), "-"),
                ]
            },
        )
    }
}
