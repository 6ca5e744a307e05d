//! Whoever makes a change must still be allowed to when it is made: asked again in the transaction that makes it, so
//! that nothing slips in between the question at the door and the change.

use domain::{Actor, Owner, Role, Stamp, Standing, UserId};
use sqlx::SqliteConnection;
use storage::{Result, StorageError};

use crate::row::{Columns, Stored};
use crate::{application_grants, keypairs, server_keys, sessions};

/// Refuses unless the change's author may still make it on `on`: a person whose session or token is still worth what the
/// change rests on, or `Fallen`, with at least this role there, explicit or inherited, or `NotAllowed`; a program whose token is still worth what the change rests on, or `Fallen`. What a program
/// reaches never changes, so that was asked at the door for good.
pub(crate) async fn require(tx: &mut SqliteConnection, stamp: &Stamp, on: Owner, least: Role) -> Result<()> {
    let allowed = match &stamp.actor {
        Actor::Operator => true,
        Actor::Anonymous => false,
        Actor::User(user, _) => {
            require_person(tx, stamp, *user).await?;
            has_role(tx, *user, on, least).await?
        }
        Actor::Keypair(id) => {
            let keypair = keypairs::live(tx, *id).await?;
            return storage::require_standing(stamp, *id, keypair, &server_keys::kids(tx).await?);
        }
    };
    if allowed { Ok(()) } else { Err(StorageError::NotAllowed) }
}

/// Refuses unless the change's author may still act for `user`: the operator, or that person by a session or token that
/// still is worth it, or `Fallen`.
pub(crate) async fn require_self(tx: &mut SqliteConnection, stamp: &Stamp, user: UserId) -> Result<()> {
    match &stamp.actor {
        Actor::Operator => Ok(()),
        Actor::User(id, _) if *id == user => require_person(tx, stamp, user).await,
        Actor::User(..) | Actor::Keypair(_) | Actor::Anonymous => Err(StorageError::NotAllowed),
    }
}

/// Refuses unless the session or token that the person shows still stands.
async fn require_person(tx: &mut SqliteConnection, stamp: &Stamp, user: UserId) -> Result<()> {
    let (mut grant, mut session, mut kids) = (None, None, Vec::new());
    match &stamp.standing {
        Some(Standing::Grant { claims, .. }) => {
            grant = application_grants::live(tx, claims.grant, stamp.at).await?;
            kids = server_keys::kids(tx).await?;
        }
        Some(Standing::Session(token)) => session = sessions::user_of(tx, token, stamp.at).await?,
        Some(Standing::Token { .. } | Standing::Client(_)) | None => {}
    }
    storage::require_person(stamp, user, grant.as_ref(), session, &kids)
}

/// Whether the user has at least this role on `on`, explicit or inherited.
pub(crate) async fn has_role(
    tx: &mut SqliteConnection,
    user: UserId,
    on: Owner,
    least: Role,
) -> Result<bool> {
    let held = sqlx::query(
        "SELECT role FROM role WHERE user_id = ?1 AND (owner_id = ?2 \
         OR owner_id = (SELECT account_id FROM environment WHERE id = ?2))",
    )
    .bind(user.to_string())
    .bind(on.to_string())
    .fetch_all(tx)
    .await
    .stored()?;
    for row in &held {
        if row.parsed::<Role>("role")? >= least {
            return Ok(true);
        }
    }
    Ok(false)
}
