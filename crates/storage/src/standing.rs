use domain::{KeyId, LiveGrant, Stamp, UserId};

use crate::{LiveKeypair, Result, StorageError};

/// Refuses a change by a program of keypair `id` unless the program may still make it: `Fallen`, or `NotAllowed` if the
/// stamp says nothing of what its right stands on. `keypair` and the `kid` of each signing key are read in the transaction
/// that makes the change.
pub fn require_standing(
    stamp: &Stamp,
    id: KeyId,
    keypair: Option<LiveKeypair>,
    signing_keys: &[String],
) -> Result<()> {
    let standing = stamp.standing.as_ref().ok_or(StorageError::NotAllowed)?;
    let credential = keypair.map(LiveKeypair::into_credential);
    let from = stamp.address.as_deref().and_then(|address| address.parse().ok());
    standing.judge(id, credential.as_ref(), signing_keys, from, stamp.at).map_err(StorageError::Fallen)
}

/// Refuses a change by a person unless what the person shows still stands: `Fallen`, or `NotAllowed` if the stamp says
/// nothing of it. The grant that a token is of, whose the session is, and the `kid` of each signing key are read in the
/// transaction that makes the change.
pub fn require_person(
    stamp: &Stamp,
    user: UserId,
    grant: Option<&LiveGrant>,
    session: Option<UserId>,
    signing_keys: &[String],
) -> Result<()> {
    let standing = stamp.standing.as_ref().ok_or(StorageError::NotAllowed)?;
    standing.judge_person(user, grant, session, signing_keys, stamp.at).map_err(StorageError::Fallen)
}
