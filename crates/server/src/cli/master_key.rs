//! `feedback master-key …`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::failure::{About, Failure, Result};
use super::store::{Common, operator};
use super::{ask, output};
use crate::app::{App, Missing};
use crate::crypto::Sealer;
use crate::master_key;

#[derive(Debug, clap::Args)]
pub(super) struct MasterKey {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Seal everything secret in the store under a new master key, and put that in the place of the old one
    Rotate {
        /// The new key, in a file that stays where it is [default: the file beside the old one, with `.new` at its end;
        /// made if there is none]
        #[arg(long, value_name = "FILE")]
        new_key: Option<PathBuf>,
        /// Go on without being asked
        #[arg(long)]
        yes: bool,
    },
}

impl MasterKey {
    pub(super) async fn run(self) -> Result<()> {
        let Act::Rotate { new_key, yes } = &self.act;
        ask::confirmed(
            *yes,
            "Backups from before open with the master key of now only, which is replaced: keep a copy of it with them.",
        )?;
        let rotated = self.common.on_store(Missing::Refuse, async |app| {
            let path = app.config.master_key_path();
            let sealed = rotate(app, &path, new_key.as_deref()).await?;
            Ok((path, sealed))
        });
        let (path, sealed) = rotated.await?;
        let path = new_key.as_ref().unwrap_or(&path);
        if self.common.json {
            return output::json(&json!({ "master_key": path, "sealed": sealed }));
        }
        output::line(format!(
            "Sealed {sealed} secrets under the new master key, {}. Keep a copy of it in a safe place, and start every \
             server anew with it before the next signing key is made.",
            path.display()
        ))
    }
}

/// Whatever is interrupted in here, one of the two keys lies where the next start looks for it and opens the store.
async fn rotate(app: &App, path: &Path, new_key: Option<&Path>) -> Result<usize> {
    let next = new_key.map_or_else(|| master_key::next_to(path), Path::to_owned);
    let key = match new_key {
        Some(_) => master_key::read(&next),
        None => master_key::read_or_create(&next, &*app.entropy),
    };
    let new = Sealer::new(&*key.map_err(Failure::new)?);
    master_key::keep(&next).map_err(Failure::new)?;
    let anew = |name: &str, sealed: &[u8]| {
        let plain = app.sealer.open(name, sealed).ok()?;
        Some(new.seal(name, &plain, &*app.entropy))
    };
    let stamp = app.stamp(&operator(), app.clock.now());
    let sealed = app.store.reseal(&stamp, &anew).await.about("store")?;
    if new_key.is_none() {
        master_key::take_place(path).map_err(Failure::new)?;
    }
    Ok(sealed)
}
