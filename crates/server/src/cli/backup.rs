//! `feedback backup` and `feedback restore`

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::failure::{About, Failure, Result};
use super::output;
use super::store::{Common, operator};
use super::{ask, check};
use crate::app::{self, App, Missing};
use crate::config::Config;
use crate::database_url::DatabaseUrl;

#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    #[command(flatten)]
    pub(super) common: Common,
    /// The file to write; must not exist yet
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(self) -> Result<()> {
        let file = self.file.display();
        if self.file.exists() {
            return Err(Failure::new(format!("{file} exists already; name a file that does not")));
        }
        let written = self.common.on_store(Missing::Refuse, async |app| {
            let written = write(app, &self.file).await;
            written.map_err(|error| Failure::new(format!("can't write the backup to {file}: {error}")))?;
            Ok(app.config.master_key_path())
        });
        let master_key = written.await?;
        if self.common.json {
            return output::json(&serde_json::json!({ "file": self.file, "master_key": master_key }));
        }
        output::line(format!(
            "Copied the store to {file}.\nKeep a copy of the master key, {}, too, but elsewhere: without it the backup \
             can't be used, and whoever has both can sign access tokens.",
            master_key.display()
        ))
    }
}

/// Copies the store in a folder of its own first: whatever has the file's name is whole.
async fn write(app: &App, file: &Path) -> Result<()> {
    let draft =
        tempfile::Builder::new().prefix(".backup-").tempdir_in(folder_of(file)).map_err(Failure::new)?;
    let copy = draft.path().join(app::STORE_FILE);
    app.store.backup(&copy).await.about("store")?;
    put(&copy, file).map_err(Failure::new)
}

#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    #[command(flatten)]
    pub(super) common: Common,
    /// A file that `feedback backup` wrote. None with --database-url, where pg_restore brings the data back first
    file: Option<PathBuf>,
    /// Go on without being asked
    #[arg(long)]
    yes: bool,
}

impl Restore {
    pub(super) async fn run(self) -> Result<()> {
        let config = self.common.settings()?;
        match (&self.file, &config.database_url) {
            (Some(file), None) => self.put_file(&config, file).await,
            (None, Some(url)) => self.database(&config, url).await,
            (None, None) => Err(Failure::new("name a file that `feedback backup` wrote")),
            (Some(_), Some(_)) => Err(Failure::new(
                "a database of PostgreSQL is not restored from a file of ours: bring its data back with pg_restore, then \
                 run `feedback restore --database-url …` without a file",
            )),
        }
    }

    async fn put_file(&self, config: &Config, file: &Path) -> Result<()> {
        let store = config.data.join(app::STORE_FILE);
        if store.exists() {
            return Err(Failure::new(format!(
                "there is a store in {} already; name an empty data folder with --data",
                config.data.display()
            )));
        }
        if !app::is_store(file).map_err(|error| cannot(file.display(), error))? {
            return Err(cannot(file.display(), "it is not the store of Feedback"));
        }
        if !config.master_key_path().is_file() {
            return Err(Failure::new(format!(
                "the master key of that store must be in {} first",
                config.master_key_path().display()
            )));
        }
        // Tried in a folder of its own, so that nothing is in the data folder unless it works.
        let trial = fs::create_dir_all(&config.data)
            .and_then(|()| tempfile::Builder::new().prefix(".restore-").tempdir_in(&config.data))
            .map_err(|error| cannot(file.display(), error))?;
        let audit_events = tried(config, trial.path(), file).await?;
        put(&trial.path().join(app::STORE_FILE), &store).map_err(|error| cannot(file.display(), error))?;
        if self.common.json {
            return output::json(&serde_json::json!({ "data": config.data, "audit_events": audit_events }));
        }
        output::line(format!(
            "Restored the store into {}; it is whole, with {audit_events} lines of audit log.",
            config.data.display()
        ))
    }

    /// Makes what pg_restore brought back a store of its own.
    async fn database(&self, config: &Config, url: &DatabaseUrl) -> Result<()> {
        let question = format!(
            "Every access token, session and invitation of {url} ends: what was changed after the copy was made is not in \
             it, and they may have ended since."
        );
        ask::confirmed(self.yes, &question)?;
        let app = App::open(config.clone(), Missing::Refuse).await.map_err(Failure::new)?;
        let audit_events = renewed(&app, url).await;
        app.store.close().await;
        let audit_events = audit_events?;
        if self.common.json {
            let database = url.to_string();
            return output::json(&serde_json::json!({ "database": database, "audit_events": audit_events }));
        }
        output::line(format!(
            "The store in {url} is whole, with {audit_events} lines of audit log; nothing from before is valid."
        ))
    }
}

/// Verifies a copy, and ends what may have ended since it was made; answers how long the audit log is.
async fn renewed(app: &App, copy: impl std::fmt::Display) -> Result<u64> {
    let (audit_events, faults) = check::check(app).await?;
    if let [first, ..] = faults.as_slice() {
        return Err(cannot(copy, format!("it has {} faults, the first: {first}", faults.len())));
    }
    let stamp = app.stamp(&operator(), app.clock.now());
    app.store.outlive_copies(&stamp).await.about("store")?;
    Ok(audit_events)
}

/// Copies the backup into the `trial` folder, opens it with its master key and verifies it.
async fn tried(config: &Config, trial: &Path, file: &Path) -> Result<u64> {
    let copy = trial.join(app::STORE_FILE);
    fs::copy(file, &copy).map_err(|error| cannot(file.display(), error))?;
    let trial =
        Config { data: trial.to_owned(), master_key_file: Some(config.master_key_path()), ..config.clone() };
    let app = App::open(trial, Missing::Refuse).await.map_err(|error| cannot(file.display(), error))?;
    let audit_events = renewed(&app, file.display()).await;
    app.store.close().await;
    audit_events
}

/// Gives a finished file its place, and its owner alone the right to read it.
fn put(draft: &Path, place: &Path) -> io::Result<()> {
    let file = File::open(draft)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.sync_all()?;
    // A link fails where a file has come to stand meanwhile; a rename would replace it.
    fs::hard_link(draft, place)?;
    File::open(folder_of(place))?.sync_all()
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

fn cannot(copy: impl std::fmt::Display, why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("can't restore {copy}: {why}"))
}
