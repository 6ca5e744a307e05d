//! What can be done to keypairs, for every surface: load, decide in the domain, save.

use domain::{
    Action, Actor, KeyId, KeySecret, Keypair, KeypairEdit, KeypairRefusal, NewKeypair, Owner, Scopes,
    Timestamp,
};
use jiff::SignedDuration;
use storage::StorageError;

use crate::app::{App, Author};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeypairError {
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] KeypairRefusal),
    /// The store refused or failed; `NotFound` and `Moved` among others.
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// How often an edit without a version is decided anew when another one came first.
const ATTEMPTS: usize = 8;

/// Makes a keypair. `held` are the scopes of the caller's own token, if it is a program.
pub(crate) async fn create(
    app: &App,
    author: &Author,
    new: NewKeypair,
    held: Option<Scopes>,
) -> Result<(Keypair, KeySecret), KeypairError> {
    let now = app.clock.now();
    let (keypair, secret) = Keypair::create(new, held, author.actor.clone(), now, &*app.entropy)?;
    app.store.create_keypair(&app.stamp(author, now), &keypair).await?;
    Ok((keypair, secret))
}

/// Edits a keypair. With `expected_version`, only if it still has that version; without, whatever came before. An edit
/// that changes nothing is not written.
pub(crate) async fn edit(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
    edit: &KeypairEdit,
    expected_version: Option<i64>,
    held: Option<Scopes>,
) -> Result<Keypair, KeypairError> {
    let change = |before: &Keypair, now| Ok((before.edited(edit, held, now)?, ()));
    Ok(change_keypair(app, author, owner, id, expected_version, None, change).await?.0)
}

/// Adds a secret; the others live on for `overlap` at the most, or as long as they would without it.
pub(crate) async fn rotate(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
    overlap: Option<SignedDuration>,
    expected_version: Option<i64>,
    held: Option<Scopes>,
) -> Result<(Keypair, KeySecret), KeypairError> {
    let change = |before: &Keypair, now| before.rotated(overlap, held, now, &*app.entropy);
    change_keypair(app, author, owner, id, expected_version, Some(Action::KeypairSecretAdded), change).await
}

/// Deletes secret `n`.
pub(crate) async fn delete_secret(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
    n: u32,
    expected_version: Option<i64>,
) -> Result<Keypair, KeypairError> {
    let change = |before: &Keypair, now| Ok((before.without_secret(n, now)?, ()));
    Ok(change_keypair(app, author, owner, id, expected_version, Some(Action::KeypairSecretDeleted), change)
        .await?
        .0)
}

/// Removes a keypair for good.
pub(crate) async fn remove(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
    expected_version: Option<i64>,
) -> Result<(), KeypairError> {
    let stamp = app.stamp(author, app.clock.now());
    Ok(app.store.remove_keypair(&stamp, owner, id, expected_version).await?)
}

async fn change_keypair<T>(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
    expected_version: Option<i64>,
    action: Option<Action>,
    change: impl Fn(&Keypair, Timestamp) -> Result<(Keypair, T), KeypairRefusal>,
) -> Result<(Keypair, T), KeypairError> {
    for attempt in 1.. {
        let before = app.store.keypair(owner, id).await?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(StorageError::Moved.into());
        }
        let now = app.clock.now();
        let (after, extra) = change(&before, now)?;
        if after == before {
            return Ok((after, extra));
        }
        let action = action.unwrap_or_else(|| before.change_to(&after));
        match app.store.save_keypair(&app.stamp(author, now), action, &before, &after).await {
            Err(StorageError::Moved) if expected_version.is_none() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok((after, extra)),
        }
    }
    Err(StorageError::Moved.into())
}

/// Who made the keypair, as the API and the command line say it: an identifier, or `operator`.
pub(crate) fn maker(actor: &Actor) -> String {
    actor.id().unwrap_or_else(|| actor.name())
}
