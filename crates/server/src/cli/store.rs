//! The operator's way into the store: the data folder that the arguments name, offline or beside a running server.

use std::path::PathBuf;

use domain::{Actor, Owner, Place};
use storage::Slice;

use super::failure::{About, Failure, Result};
use super::logs;
use crate::app::{App, Author, Missing};
use crate::config::{Config, Flags};

/// Under what `--help` lists them.
const HEADING: &str = "Options of every command";

/// The arguments of every command on the store.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// The data folder [default: ./feedback-data]
    #[arg(long, value_name = "DIR", global = true, help_heading = HEADING)]
    data: Option<PathBuf>,
    /// The PostgreSQL database that is the store [default: the embedded store in the data folder]
    #[arg(long, value_name = "URL", global = true, help_heading = HEADING)]
    database_url: Option<String>,
    /// The settings file; feedback.toml in the current folder if there is one
    #[arg(long, value_name = "FILE", global = true, help_heading = HEADING)]
    config: Option<PathBuf>,
    /// Print one JSON object, with the names used in the API
    #[arg(long, global = true, help_heading = HEADING)]
    pub(super) json: bool,
}

/// How much of a list is read from the store at a time.
pub(super) const PART: u32 = 500;

impl Common {
    /// The settings, with the data folder that was named.
    pub(super) fn settings(&self) -> Result<Config> {
        let flags = Flags {
            data: self.data.clone(),
            database_url: self.database_url.clone(),
            config: self.config.clone(),
            ..Flags::default()
        };
        Config::load(&flags).map_err(Failure::new)
    }

    /// Opens the store for an act, and closes it whatever came of that.
    pub(super) async fn on_store<T>(
        &self,
        missing: Missing,
        act: impl AsyncFnOnce(&App) -> Result<T>,
    ) -> Result<T> {
        Self::on_store_of(self.settings()?, missing, act).await
    }

    /// Opens the store that the settings name.
    pub(super) async fn on_store_of<T>(
        config: Config,
        missing: Missing,
        act: impl AsyncFnOnce(&App) -> Result<T>,
    ) -> Result<T> {
        logs::start(config.log, logs::Level::Warnings)?;
        let app = App::open(config, missing).await.map_err(Failure::new)?;
        let outcome = act(&app).await;
        app.store.close().await;
        outcome
    }
}

/// A list of the store to its end; `id` tells where one of its parts ends, and `part` reads the next.
pub(super) async fn whole<T, Id>(
    id: impl Fn(&T) -> Id,
    part: impl AsyncFn(Slice<Id>) -> storage::Result<Vec<T>>,
) -> storage::Result<Vec<T>> {
    let mut whole = Vec::new();
    loop {
        let next = part(Slice { after: whole.last().map(&id), limit: PART }).await?;
        if next.is_empty() {
            return Ok(whole);
        }
        whole.extend(next);
    }
}

/// Whose changes the command line's are.
pub(super) fn operator() -> Author {
    Author { actor: Actor::Operator, address: None, standing: None }
}

/// The account or environment, with what its roles are inherited from.
pub(super) async fn place(app: &App, owner: Owner) -> Result<Place> {
    let about = format!("{} {owner}", owner.kind());
    Ok(match owner {
        Owner::Account(id) => Place::Account(app.store.account(id).await.about(about)?.id),
        Owner::Environment(id) => {
            let environment = app.store.environment(id).await.about(about)?;
            Place::Environment(environment.id, environment.account)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_of_several_parts_is_read_whole_and_in_order() {
        let all: Vec<u32> = (0..=2 * PART).collect();
        let part = async |slice: Slice<u32>| {
            let rest = all.iter().copied().filter(|n| slice.after.is_none_or(|after| *n > after));
            Ok(rest.take(slice.limit as usize).collect())
        };
        assert_eq!(whole(|n: &u32| *n, part).await.unwrap(), all);
    }
}
