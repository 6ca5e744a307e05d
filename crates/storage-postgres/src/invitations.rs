use async_trait::async_trait;
use domain::{Action, Actor, Email, Grant, ObjectRef, Owner, Role, Stamp, Timestamp, UserId};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{Invitation, Invitations, NewPerson, Record, Result, StorageError, TokenHash};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{PostgresStorage, author, environments, roles, users};

/// An invitation stands as long as whoever made it administers what it is for: nobody comes back, or lets others in,
/// by a link from before.
macro_rules! still_stands {
    () => {
        " AND (invited_by IS NULL OR EXISTS (SELECT 1 FROM role WHERE role.user_id = invitation.invited_by \
         AND role.role = 'administrator' AND (role.owner_id = invitation.owner_id OR role.owner_id = \
         (SELECT account_id FROM environment WHERE environment.id = invitation.owner_id))))"
    };
}

macro_rules! select {
    () => {
        "SELECT owner_id, email, token, role, expires_at FROM invitation "
    };
}

fn invitation(row: &PgRow) -> Result<Invitation> {
    Ok(Invitation {
        token: row.bytes("token")?,
        email: Email::stored(row.value("email")?),
        grant: Grant { on: row.parsed("owner_id")?, role: row.parsed("role")? },
        expires_at: row.instant("expires_at")?,
    })
}

/// The person who invites; none for the operator.
fn inviter(actor: &Actor) -> Option<String> {
    match actor {
        Actor::User(id, _) => Some(id.to_string()),
        Actor::Operator | Actor::Keypair(_) | Actor::Anonymous => None,
    }
}

async fn find(connection: &mut PgConnection, token: &TokenHash, now: Timestamp) -> Result<Invitation> {
    let row = sqlx::query(concat!(select!(), "WHERE token = $1 AND expires_at > $2", still_stands!()))
        .bind(token.as_slice())
        .bind(now.as_millisecond())
        .fetch_one(connection)
        .await
        .stored()?;
    invitation(&row)
}

fn change(action: Action, invitation: &Invitation, before: Value, after: Value) -> Change {
    Change {
        action,
        object: ObjectRef::new("invitation", &invitation.email),
        owner: Some(invitation.grant.on),
        before,
        after,
    }
}

/// Takes the invitation away; what its line in the log says.
async fn revoke(tx: &mut PgConnection, invitation: &Invitation) -> Result<Change> {
    delete(tx, invitation).await?;
    Ok(change(Action::InvitationRevoked, invitation, invitation.record(), Value::Null))
}

async fn revoke_all(tx: &mut PgConnection, rows: &[PgRow]) -> Result<Vec<Change>> {
    let mut revoked = Vec::with_capacity(rows.len());
    for row in rows {
        revoked.push(revoke(tx, &invitation(row)?).await?);
    }
    Ok(revoked)
}

/// Takes the invitation of the address to `on` away, if there is one; what its line in the log says.
pub(crate) async fn revoke_to(tx: &mut PgConnection, on: Owner, email: &Email) -> Result<Option<Change>> {
    let row = sqlx::query(concat!(select!(), "WHERE owner_id = $1 AND email = $2"))
        .bind(on.to_string())
        .bind(email.as_str())
        .fetch_optional(&mut *tx)
        .await
        .stored()?;
    match row {
        Some(row) => Ok(Some(revoke(tx, &invitation(&row)?).await?)),
        None => Ok(None),
    }
}

/// Takes every invitation away that the user made to `on` or below it; what their lines in the log say.
pub(crate) async fn revoke_all_by(tx: &mut PgConnection, user: UserId, on: Owner) -> Result<Vec<Change>> {
    let rows = sqlx::query(concat!(
        select!(),
        "WHERE invited_by = $1 AND (owner_id = $2 \
         OR owner_id IN (SELECT id FROM environment WHERE account_id = $2)) ORDER BY owner_id, email"
    ))
    .bind(user.to_string())
    .bind(on.to_string())
    .fetch_all(&mut *tx)
    .await
    .stored()?;
    revoke_all(tx, &rows).await
}

/// Takes every invitation to the address away; what their lines in the log say.
pub(crate) async fn revoke_all_to(tx: &mut PgConnection, email: &Email) -> Result<Vec<Change>> {
    let rows = sqlx::query(concat!(select!(), "WHERE email = $1 ORDER BY owner_id"))
        .bind(email.as_str())
        .fetch_all(&mut *tx)
        .await
        .stored()?;
    revoke_all(tx, &rows).await
}

async fn delete(tx: &mut PgConnection, invitation: &Invitation) -> Result<()> {
    sqlx::query("DELETE FROM invitation WHERE owner_id = $1 AND email = $2")
        .bind(invitation.grant.on.to_string())
        .bind(invitation.email.as_str())
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

#[async_trait]
impl Invitations for PostgresStorage {
    async fn create_invitation(&self, stamp: &Stamp, invitation: &Invitation) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, invitation.grant.on, Role::Administrator).await?;
            environments::require_open(tx, invitation.grant.on).await?;
            sqlx::query(
                "INSERT INTO invitation (owner_id, email, token, role, expires_at, invited_by) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner_id, email) DO UPDATE SET \
                 token = excluded.token, role = excluded.role, expires_at = excluded.expires_at, \
                 invited_by = excluded.invited_by",
            )
            .bind(invitation.grant.on.to_string())
            .bind(invitation.email.as_str())
            .bind(invitation.token.as_slice())
            .bind(invitation.grant.role.name())
            .bind(invitation.expires_at.as_millisecond())
            .bind(inviter(&stamp.actor))
            .execute(&mut *tx)
            .await
            .stored()?;
            let created = change(Action::InvitationCreated, invitation, Value::Null, invitation.record());
            append(tx, stamp, created).await
        })
        .await
    }

    async fn invitation(&self, token: &TokenHash, now: Timestamp) -> Result<Invitation> {
        self.read(async |connection| find(connection, token, now).await).await
    }

    async fn invitations(&self, on: Owner, now: Timestamp) -> Result<Vec<Invitation>> {
        self.read(async |connection| {
            sqlx::query(concat!(
                select!(),
                "WHERE owner_id = $1 AND expires_at > $2",
                still_stands!(),
                " ORDER BY email"
            ))
            .bind(on.to_string())
            .bind(now.as_millisecond())
            .fetch_all(connection)
            .await
            .stored()?
            .iter()
            .map(invitation)
            .collect()
        })
        .await
    }

    async fn accept_invitation(
        &self,
        stamp: &Stamp,
        token: &TokenHash,
        person: &NewPerson,
    ) -> Result<Invitation> {
        self.administer(async |tx| {
            let invitation = find(tx, token, stamp.at).await?;
            environments::require_open(tx, invitation.grant.on).await?;
            let user = match person {
                NewPerson::Known(id) => users::find(tx, *id).await?,
                NewPerson::New(user, password) => {
                    users::insert(tx, user, password).await?;
                    user.clone()
                }
            };
            if user.email != invitation.email {
                return Err(StorageError::NotFound);
            }
            let held = roles::held(tx, user.id, invitation.grant.on).await?;
            if held.is_none_or(|role| role < invitation.grant.role) {
                roles::put(tx, user.id, invitation.grant).await?;
            }
            delete(tx, &invitation).await?;
            let accepted = Change {
                action: Action::InvitationAccepted,
                object: ObjectRef::new("user", user.id),
                owner: Some(invitation.grant.on),
                before: held.map_or(Value::Null, |role| Grant { on: invitation.grant.on, role }.record()),
                after: json!({"user": user.record(), "grant": invitation.grant.record()}),
            };
            append(tx, stamp, accepted).await?;
            Ok(invitation)
        })
        .await
    }

    async fn revoke_invitation(&self, stamp: &Stamp, on: Owner, email: &Email) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, on, Role::Administrator).await?;
            let revoked = revoke_to(tx, on, email).await?.ok_or(StorageError::NotFound)?;
            append(tx, stamp, revoked).await
        })
        .await
    }
}
