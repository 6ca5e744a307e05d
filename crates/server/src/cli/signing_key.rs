//! `feedback signing-key …`

use clap::Subcommand;
use domain::Timestamp;
use serde::Serialize;

use super::failure::{About, Result};
use super::output::{self, instant};
use super::store::Common;
use crate::app::Missing;

#[derive(Debug, clap::Args)]
pub(super) struct SigningKey {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the keys, the oldest first
    List,
}

/// What is public of a signing key.
#[derive(Debug, Serialize)]
struct Shape {
    kid: String,
    algorithm: String,
    created_at: Timestamp,
}

impl SigningKey {
    pub(super) async fn run(self) -> Result<()> {
        let app = self.common.open(Missing::Refuse).await?;
        let keys = app.store.signing_keys().await.about("signing key");
        app.store.close().await;
        match self.act {
            Act::List => output::list(
                self.common.json,
                &keys?,
                |key| Shape {
                    kid: key.kid.clone(),
                    algorithm: key.algorithm.clone(),
                    created_at: key.created_at,
                },
                ["KEY", "ALGORITHM", "CREATED"],
                "There is no signing key yet.",
                |key| [key.kid.clone(), key.algorithm.clone(), instant(key.created_at)],
            ),
        }
    }
}
