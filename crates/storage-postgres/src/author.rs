//! Whoever makes a change must still be allowed to when it is made: asked again in the transaction that makes it, so
//! that nothing slips in between the question at the door and the change.

use domain::{Actor, Owner, Role, Stamp, UserId};
use sqlx::PgConnection;
use storage::{Result, StorageError, require_standing};

use crate::row::{Columns, Stored};
use crate::{keypairs, server_keys};

/// Refuses unless the change's author may still make it on `on`: a person with at least this role there, explicit or
/// inherited, or `NotAllowed`; a program whose token is still worth what the change rests on, or `Fallen`. What a program
/// reaches never changes, so that was asked at the door for good.
pub(crate) async fn require(tx: &mut PgConnection, stamp: &Stamp, on: Owner, least: Role) -> Result<()> {
    let allowed = match &stamp.actor {
        Actor::Operator => true,
        Actor::Anonymous => false,
        Actor::User(user, _) => has_role(tx, *user, on, least).await?,
        Actor::Keypair(id) => {
            let keypair = keypairs::live(tx, *id).await?;
            return require_standing(stamp, *id, keypair, &server_keys::kids(tx).await?);
        }
    };
    if allowed { Ok(()) } else { Err(StorageError::NotAllowed) }
}

/// Whether the user has at least this role on `on`, explicit or inherited.
pub(crate) async fn has_role(tx: &mut PgConnection, user: UserId, on: Owner, least: Role) -> Result<bool> {
    let held = sqlx::query(
        "SELECT role FROM role WHERE user_id = $1 AND (owner_id = $2 \
         OR owner_id = (SELECT account_id FROM environment WHERE id = $2))",
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
