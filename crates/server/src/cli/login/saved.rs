//! What a login left on this machine: a file for the person alone, which one process at a time reads and writes. Refresh tokens
//! work once, so two that used the same one would end the login.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use domain::{ClientId, Clock, Timestamp};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::access_token::AccessToken;
use super::server::{self, Refused, Tokens, form};
use crate::cli::failure::{Failure, Result};
use crate::system::SystemClock;

const FILE: &str = "login.json";
const LOCK: &str = "login.lock";

/// How long an access token must still live to be handed out, in seconds.
const MARGIN: i64 = 60;

/// A login. Does not print.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedLogin {
    /// The server's public URL, which is its issuer.
    pub(super) server: String,
    pub(super) token_endpoint: String,
    pub(super) revocation_endpoint: String,
    pub(super) access_token: AccessToken,
    /// Of the access token.
    pub(super) expires_at: Timestamp,
    /// Of the access token when it was given, in seconds.
    #[serde(default)]
    pub(super) lifetime: i64,
    pub(super) refresh_token: String,
    pub(super) scope: String,
}

/// The file, which nobody else touches as long as this is there.
pub(super) struct LoginFile {
    folder: PathBuf,
    _lock: File,
}

impl LoginFile {
    /// Waits until nobody else has it.
    pub(super) async fn locked() -> Result<Self> {
        let folder = folder()?;
        let at = folder.clone();
        let locked = tokio::task::spawn_blocking(move || {
            DirBuilder::new().recursive(true).mode(0o700).create(&at)?;
            let lock = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(at.join(LOCK))?;
            lock.lock()?;
            Ok(lock)
        });
        let lock =
            locked.await.map_err(io::Error::from).flatten().map_err(|error| unusable(&folder, &error))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The login, if there is one.
    pub(super) fn read(&self) -> Result<Option<SavedLogin>> {
        let path = self.path();
        match std::fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map(Some).map_err(|error| unusable(&path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    /// Fails if a login could not be put here.
    pub(super) fn writable(&self) -> Result<()> {
        let path = self.path();
        NamedTempFile::new_in(&self.folder).map_err(|error| unusable(&path, &error))?;
        if path.is_dir() {
            return Err(unusable(&path, &"it is a folder"));
        }
        Ok(())
    }

    /// Puts the login in place of any other. One that can't be kept is given up at the server, as nothing here could end it later.
    pub(super) async fn keep(&self, login: &SavedLogin) -> Result<()> {
        let Err(failure) = self.write(login) else { return Ok(()) };
        Err(Failure::new(match login.revoke().await {
            Ok(()) => format!("{failure}; what was allowed has been ended again"),
            Err(unended) => format!(
                "{failure}; end what was allowed at {}, on Your account, as this can't: {unended}",
                login.server
            ),
        }))
    }

    /// Whole or not at all.
    fn write(&self, login: &SavedLogin) -> Result<()> {
        let written = || {
            // Made for its owner alone.
            let mut file = NamedTempFile::new_in(&self.folder)?;
            serde_json::to_writer(&mut file, login)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(self.path())?;
            Ok(())
        };
        written().map_err(|error: io::Error| unusable(&self.path(), &error))
    }

    /// Forgets the login.
    pub(super) fn remove(&self) -> Result<()> {
        match std::fs::remove_file(self.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&self.path(), &error)),
            _ => Ok(()),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}

/// The login with an access token that lives for a minute at least, gotten by the refresh token if need be.
pub(super) async fn fresh() -> Result<SavedLogin> {
    let file = LoginFile::locked().await?;
    let login = file.read()?.ok_or_else(not_logged_in)?;
    let now = SystemClock.now();
    if login.is_fresh(now) {
        return Ok(login);
    }
    let (login, tokens) = refreshed(&file, login, None).await?;
    let login = SavedLogin {
        expires_at: tokens.expires_at(now),
        lifetime: tokens.expires_in,
        access_token: tokens.access_token,
        scope: tokens.scope,
        ..login
    };
    file.keep(&login).await?;
    Ok(login)
}

/// Another access token of the login, for the resource alone (RFC 8707 §2.2), with its end and its scopes. It is kept nowhere.
pub(super) async fn narrowed(resource: &str) -> Result<(AccessToken, Timestamp, String)> {
    let file = LoginFile::locked().await?;
    let login = file.read()?.ok_or_else(not_logged_in)?;
    let now = SystemClock.now();
    let (login, tokens) = refreshed(&file, login, Some(resource)).await?;
    file.keep(&login).await?;
    let expires_at = tokens.expires_at(now);
    Ok((tokens.access_token, expires_at, tokens.scope))
}

/// Gets other tokens by the refresh token, for the resource if one is named. The login that is answered has the next refresh
/// token and is not kept yet.
async fn refreshed(
    file: &LoginFile,
    login: SavedLogin,
    resource: Option<&str>,
) -> Result<(SavedLogin, Tokens)> {
    // The refresh token works once, so there must be room for the next.
    file.writable()?;
    let client = ClientId::CommandLine.to_string();
    let mut parameters = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", login.refresh_token.as_str()),
        ("client_id", client.as_str()),
    ];
    parameters.extend(resource.map(|resource| ("resource", resource)));
    match server::tokens_at(&login.token_endpoint, &form(&parameters)).await {
        Ok(tokens) => {
            let refresh_token = tokens.refresh_token.clone();
            Ok((SavedLogin { refresh_token, ..login }, tokens))
        }
        Err(Refused::Ended) => {
            file.remove()?;
            Err(Failure::new(format!(
                "the login at {0} has ended; run `feedback login --server {0}` again",
                login.server
            )))
        }
        Err(Refused::Failed(failure)) => Err(failure),
    }
}

impl SavedLogin {
    /// Whether the access token lives on. Not to be told, if the clock was set back since it was given.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let left = self.expires_at.as_second() - now.as_second();
        MARGIN < left && left <= self.lifetime
    }

    /// Gives up what was granted, at the server.
    pub(super) async fn revoke(&self) -> Result<()> {
        let token = [
            ("token", self.refresh_token.as_str()),
            ("token_type_hint", "refresh_token"),
            ("client_id", &ClientId::CommandLine.to_string()),
        ];
        server::post(&self.revocation_endpoint, &form(&token)).await.map(drop)
    }
}

/// Said when there is no login.
pub(super) fn not_logged_in() -> Failure {
    Failure::new("you are not logged in; run `feedback login --server URL`")
}

/// The folder of the person's settings (XDG Base Directory Specification).
fn folder() -> Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = of("XDG_CONFIG_HOME").or_else(|| of("HOME").map(|home| home.join(".config")));
    let config = config.ok_or_else(|| Failure::new("neither XDG_CONFIG_HOME nor HOME names a folder"))?;
    Ok(config.join("feedback"))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("{} can't be used: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_fresh_between_when_it_was_given_and_a_minute_before_its_end() {
        let login = SavedLogin {
            server: "https://feedback.example".to_owned(),
            token_endpoint: String::new(),
            revocation_endpoint: String::new(),
            access_token: "token".to_owned().try_into().unwrap(),
            expires_at: second(10_900),
            lifetime: 900,
            refresh_token: String::new(),
            scope: String::new(),
        };
        for (now, fresh) in [(9_999, false), (10_000, true), (10_839, true), (10_840, false), (99_999, false)]
        {
            assert_eq!(login.is_fresh(second(now)), fresh, "{now}");
        }
    }
}
