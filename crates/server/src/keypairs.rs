//! What can be done to keypairs, for every surface: decided in the domain, inside the store's transaction.
//! What hands on scopes and networks rests on them: a program that has lost some meanwhile, which this node may not have
//! heard, is refused.

use std::sync::{Mutex, PoisonError};

use domain::{
    Action, Actor, Held, KeyId, KeySecret, Keypair, KeypairEdit, KeypairRefusal, KeypairUsage, NewKeypair,
    OldSecrets, Owner, Scopes, Stamp, Timestamp, TokenBinding, USAGE_KEPT, VerifyingKey, usage_from,
};
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

/// What the change of a caller that holds `held` is stamped with, if it hands on these scopes.
fn handing_on(stamp: Stamp, held: Option<&Held>, scopes: impl FnOnce(&Held) -> Scopes) -> Stamp {
    match held {
        Some(held) => stamp.handing_on(scopes(held), &held.allowed_addresses),
        None => stamp,
    }
}

/// Whether clients of this server can have their tokens bound so.
pub(crate) fn can_be_bound(app: &App, binding: TokenBinding) -> bool {
    binding.can_be_met(app.config.sees_client_certificates())
}

/// Refuses that tokens come to be bound as no client can meet. The operator's word is taken for it: the command line does
/// not know how the servers are set up.
fn within_reach(
    app: &App,
    author: &Author,
    after: TokenBinding,
    before: TokenBinding,
) -> Result<(), KeypairRefusal> {
    after.may_follow(before, author.actor == Actor::Operator || app.config.sees_client_certificates())
}

/// Makes a keypair. `held` is what the caller holds itself, if it is a program.
pub(crate) async fn create(
    app: &App,
    author: &Author,
    new: NewKeypair,
    held: Option<&Held>,
) -> Result<(Keypair, KeySecret), KeypairError> {
    within_reach(app, author, new.token_binding, TokenBinding::None)?;
    let now = app.clock.now();
    let (keypair, secret) = Keypair::create(new, held, author.actor.clone(), now, &*app.entropy)?;
    let stamp = handing_on(app.stamp(author, now), held, |_| keypair.scopes);
    app.store.create_keypair(&stamp, &keypair).await?;
    Ok((keypair, secret))
}

/// Makes a keypair that accepts no secrets, with a public key that works until the instant beside it if there is one.
pub(crate) async fn create_for_public_key(
    app: &App,
    author: &Author,
    new: NewKeypair,
    key: (VerifyingKey, Option<Timestamp>),
    held: Option<&Held>,
) -> Result<Keypair, KeypairError> {
    within_reach(app, author, new.token_binding, TokenBinding::None)?;
    let now = app.clock.now();
    let keypair = Keypair::create_for_public_key(new, key, held, author.actor.clone(), now, &*app.entropy)?;
    let stamp = handing_on(app.stamp(author, now), held, |_| keypair.scopes);
    app.store.create_keypair(&stamp, &keypair).await?;
    Ok(keypair)
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
    held: Option<&Held>,
) -> Result<Keypair, KeypairError> {
    let now = app.clock.now();
    let decide = |before: &Keypair| {
        let after = before.edited(edit, held, now)?;
        within_reach(app, author, after.token_binding, before.token_binding)?;
        let action = before.change_to(&after);
        Ok((after, action))
    };
    let mut stamp = app.stamp(author, now);
    if edit.may_widen() {
        stamp = handing_on(stamp, held, |held| held.scopes);
    }
    Ok(app.store.change_keypair(&stamp, owner, id, expected_version, &decide).await??)
}

/// Adds a secret; `old` says what becomes of the others.
pub(crate) async fn rotate(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
    old: OldSecrets,
    expected_version: Option<i64>,
    held: Option<&Held>,
) -> Result<(Keypair, KeySecret), KeypairError> {
    let now = app.clock.now();
    let made = Mutex::new(None);
    let decide = |before: &Keypair| {
        let (after, secret) = before.rotated(old, held, now, &*app.entropy)?;
        *made.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
        Ok((after, Action::KeypairSecretAdded))
    };
    let stamp = handing_on(app.stamp(author, now), held, |held| held.scopes);
    let after = app.store.change_keypair(&stamp, owner, id, expected_version, &decide).await??;
    let secret = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    // A rotation is never decided without a secret.
    let secret = secret.ok_or_else(|| StorageError::Corrupt("a rotation made no secret".to_owned()))?;
    Ok((after, secret))
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
    let now = app.clock.now();
    let decide = |before: &Keypair| Ok((before.without_secret(n, now)?, Action::KeypairSecretDeleted));
    Ok(app.store.change_keypair(&app.stamp(author, now), owner, id, expected_version, &decide).await??)
}

/// Registers a public key, which works until the instant beside it if there is one.
pub(crate) async fn add_public_key(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
    (key, until): (VerifyingKey, Option<Timestamp>),
    expected_version: Option<i64>,
    held: Option<&Held>,
) -> Result<Keypair, KeypairError> {
    let now = app.clock.now();
    let decide = |before: &Keypair| {
        let after = before.with_public_key(key.clone(), until, held, now)?;
        Ok((after, Action::KeypairPublicKeyAdded))
    };
    let stamp = handing_on(app.stamp(author, now), held, |held| held.scopes);
    Ok(app.store.change_keypair(&stamp, owner, id, expected_version, &decide).await??)
}

/// Deletes public key `n`.
pub(crate) async fn delete_public_key(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
    n: u32,
    expected_version: Option<i64>,
) -> Result<Keypair, KeypairError> {
    let now = app.clock.now();
    let decide = |before: &Keypair| Ok((before.without_public_key(n, now)?, Action::KeypairPublicKeyDeleted));
    Ok(app.store.change_keypair(&app.stamp(author, now), owner, id, expected_version, &decide).await??)
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

/// Who made the keypair, as the API and the command line say it: an identifier, or `operator`.
pub(crate) fn maker(actor: &Actor) -> String {
    actor.id().unwrap_or_else(|| actor.name())
}

/// How the keypair is used, as far as is known: a few seconds late.
pub(crate) async fn usage(app: &App, keypair: &Keypair) -> Result<KeypairUsage, StorageError> {
    let now = app.clock.now();
    let counted = app.store.usage(keypair.id, usage_from(now, USAGE_KEPT)).await?;
    Ok(KeypairUsage::of(keypair, &counted, now))
}

/// Takes the scopes from a keypair that let no request in for as long as is known; never all of them. What other nodes have
/// counted in the last seconds is not known.
pub(crate) async fn remove_unused_scopes(
    app: &App,
    author: &Author,
    owner: Owner,
    id: KeyId,
) -> Result<Keypair, KeypairError> {
    app.live.flush_uses().await?;
    let now = app.clock.now();
    let decide =
        |before: &Keypair, used: Scopes| Ok((before.without_unused_scopes(used)?, Action::KeypairChanged));
    let (stamp, from) = (app.stamp(author, now), usage_from(now, USAGE_KEPT));
    Ok(app.store.change_keypair_by_use(&stamp, owner, id, from, &decide).await??)
}
