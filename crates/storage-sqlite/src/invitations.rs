use async_trait::async_trait;
use domain::{Action, Actor, Email, Grant, ObjectRef, Owner, Role, Stamp, Timestamp};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{Invitation, Invitations, NewPerson, Record, Result, StorageError, TokenHash};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{SqliteStorage, author, begin, environments, roles, users};

fn invitation(row: &SqliteRow) -> Result<Invitation> {
    Ok(Invitation {
        token: row.bytes("token")?,
        email: Email::stored(row.value("email")?),
        grant: Grant { on: row.parsed("owner_id")?, role: row.parsed("role")? },
        expires_at: row.instant("expires_at")?,
    })
}

/// An invitation stands as long as whoever made it administers what it is for: nobody comes back, or lets others in,
/// by a link from before.
macro_rules! still_stands {
    () => {
        " AND (invited_by IS NULL OR EXISTS (SELECT 1 FROM role WHERE role.user_id = invitation.invited_by \
         AND role.role = 'administrator' AND (role.owner_id = invitation.owner_id OR role.owner_id = \
         (SELECT account_id FROM environment WHERE environment.id = invitation.owner_id))))"
    };
}

/// The person who invites; none for the operator.
fn inviter(actor: &Actor) -> Option<String> {
    match actor {
        Actor::User(id, _) => Some(id.to_string()),
        Actor::Operator | Actor::Keypair(_) | Actor::Anonymous => None,
    }
}

async fn find(connection: &mut SqliteConnection, token: &TokenHash, now: Timestamp) -> Result<Invitation> {
    let row =
        sqlx::query(concat!("SELECT * FROM invitation WHERE token = ? AND expires_at > ?", still_stands!()))
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
async fn revoke(tx: &mut SqliteConnection, invitation: &Invitation) -> Result<Change> {
    delete(tx, invitation).await?;
    Ok(change(Action::InvitationRevoked, invitation, invitation.record(), Value::Null))
}

/// Takes the invitation of the address to `on` away, if there is one; what its line in the log says.
pub(crate) async fn revoke_to(tx: &mut SqliteConnection, on: Owner, email: &Email) -> Result<Option<Change>> {
    let row = sqlx::query("SELECT * FROM invitation WHERE owner_id = ? AND email = ?")
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
pub(crate) async fn revoke_all_by(
    tx: &mut SqliteConnection,
    user: domain::UserId,
    on: Owner,
) -> Result<Vec<Change>> {
    let rows = sqlx::query(
        "SELECT * FROM invitation WHERE invited_by = ?1 AND (owner_id = ?2 \
         OR owner_id IN (SELECT id FROM environment WHERE account_id = ?2)) ORDER BY owner_id, email",
    )
    .bind(user.to_string())
    .bind(on.to_string())
    .fetch_all(&mut *tx)
    .await
    .stored()?;
    let mut revoked = Vec::with_capacity(rows.len());
    for row in &rows {
        revoked.push(revoke(tx, &invitation(row)?).await?);
    }
    Ok(revoked)
}

/// Takes every invitation to the address away; what their lines in the log say.
pub(crate) async fn revoke_all_to(tx: &mut SqliteConnection, email: &Email) -> Result<Vec<Change>> {
    let rows = sqlx::query("SELECT * FROM invitation WHERE email = ? ORDER BY owner_id")
        .bind(email.as_str())
        .fetch_all(&mut *tx)
        .await
        .stored()?;
    let mut revoked = Vec::with_capacity(rows.len());
    for row in &rows {
        revoked.push(revoke(tx, &invitation(row)?).await?);
    }
    Ok(revoked)
}

async fn delete(tx: &mut SqliteConnection, invitation: &Invitation) -> Result<()> {
    sqlx::query("DELETE FROM invitation WHERE owner_id = ? AND email = ?")
        .bind(invitation.grant.on.to_string())
        .bind(invitation.email.as_str())
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

#[async_trait]
impl Invitations for SqliteStorage {
    async fn create_invitation(&self, stamp: &Stamp, invitation: &Invitation) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, invitation.grant.on, Role::Administrator).await?;
        environments::require_open(&mut tx, invitation.grant.on).await?;
        sqlx::query(
            "INSERT OR REPLACE INTO invitation (owner_id, email, token, role, expires_at, invited_by) \
             VALUES (?, ?, ?, ?, ?, ?)",
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
        append(&mut tx, stamp, created).await?;
        tx.commit().await.stored()
    }

    async fn invitation(&self, token: &TokenHash, now: Timestamp) -> Result<Invitation> {
        find(&mut *self.readers.acquire().await.stored()?, token, now).await
    }

    async fn invitations(&self, on: Owner, now: Timestamp) -> Result<Vec<Invitation>> {
        sqlx::query(concat!(
            "SELECT * FROM invitation WHERE owner_id = ? AND expires_at > ?",
            still_stands!(),
            " ORDER BY email"
        ))
        .bind(on.to_string())
        .bind(now.as_millisecond())
        .fetch_all(&self.readers)
        .await
        .stored()?
        .iter()
        .map(invitation)
        .collect()
    }

    async fn accept_invitation(
        &self,
        stamp: &Stamp,
        token: &TokenHash,
        person: &NewPerson,
    ) -> Result<Invitation> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let invitation = find(&mut tx, token, stamp.at).await?;
        environments::require_open(&mut tx, invitation.grant.on).await?;
        let user = match person {
            NewPerson::Known(id) => users::find(&mut tx, *id).await?,
            NewPerson::New(user, password) => {
                users::insert(&mut tx, user, password).await?;
                user.clone()
            }
        };
        if user.email != invitation.email {
            return Err(StorageError::NotFound);
        }
        let held = roles::held(&mut tx, user.id, invitation.grant.on).await?;
        if held.is_none_or(|role| role < invitation.grant.role) {
            roles::put(&mut tx, user.id, invitation.grant).await?;
        }
        delete(&mut tx, &invitation).await?;
        let accepted = Change {
            action: Action::InvitationAccepted,
            object: ObjectRef::new("user", user.id),
            owner: Some(invitation.grant.on),
            before: held.map_or(Value::Null, |role| Grant { on: invitation.grant.on, role }.record()),
            after: json!({"user": user.record(), "grant": invitation.grant.record()}),
        };
        append(&mut tx, stamp, accepted).await?;
        tx.commit().await.stored()?;
        Ok(invitation)
    }

    async fn revoke_invitation(&self, stamp: &Stamp, on: Owner, email: &Email) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, on, Role::Administrator).await?;
        let row = sqlx::query("SELECT * FROM invitation WHERE owner_id = ? AND email = ?")
            .bind(on.to_string())
            .bind(email.as_str())
            .fetch_one(&mut *tx)
            .await
            .stored()?;
        let revoked = revoke(&mut tx, &invitation(&row)?).await?;
        append(&mut tx, stamp, revoked).await?;
        tx.commit().await.stored()
    }
}
