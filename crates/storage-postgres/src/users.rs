use async_trait::async_trait;
use domain::{Action, Email, ObjectRef, PasswordHash, Stamp, User, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{Record, Result, Slice, StorageError, Users};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{PostgresStorage, author, invitations, roles};

pub(crate) fn user(row: &PgRow) -> Result<User> {
    Ok(User {
        id: row.parsed("id")?,
        email: Email::stored(row.value("email")?),
        created_at: row.instant("created_at")?,
    })
}

pub(crate) async fn any(connection: &mut PgConnection) -> Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)").fetch_one(connection).await.stored()
}

pub(crate) async fn find(connection: &mut PgConnection, id: UserId) -> Result<User> {
    let row = sqlx::query("SELECT id, email, created_at FROM users WHERE id = $1")
        .bind(id.to_string())
        .fetch_one(connection)
        .await
        .stored()?;
    user(&row)
}

pub(crate) async fn insert(tx: &mut PgConnection, user: &User, password: &PasswordHash) -> Result<()> {
    sqlx::query("INSERT INTO users (id, email, password_hash, created_at) VALUES ($1, $2, $3, $4)")
        .bind(user.id.to_string())
        .bind(user.email.as_str())
        .bind(password.as_phc())
        .bind(user.created_at.as_millisecond())
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

fn change(action: Action, user: &User, before: Value, after: Value) -> Change {
    Change { action, object: ObjectRef::new("user", user.id), owner: None, before, after }
}

#[async_trait]
impl Users for PostgresStorage {
    async fn create_user(&self, stamp: &Stamp, user: &User, password: &PasswordHash) -> Result<()> {
        self.administer(async |tx| {
            insert(tx, user, password).await?;
            append(tx, stamp, change(Action::UserCreated, user, Value::Null, user.record())).await
        })
        .await
    }

    async fn user(&self, id: UserId) -> Result<User> {
        self.read(async |connection| find(connection, id).await).await
    }

    async fn user_by_email(&self, email: &Email) -> Result<(User, PasswordHash)> {
        self.read(async |connection| {
            let row = sqlx::query("SELECT id, email, created_at, password_hash FROM users WHERE email = $1")
                .bind(email.as_str())
                .fetch_one(connection)
                .await
                .stored()?;
            Ok((user(&row)?, PasswordHash::from_phc(row.value("password_hash")?)))
        })
        .await
    }

    async fn email_is_known(&self, email: &Email) -> Result<bool> {
        self.read(async |connection| {
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE email = $1)")
                .bind(email.as_str())
                .fetch_one(connection)
                .await
                .stored()
        })
        .await
    }

    async fn users(&self, slice: Slice<UserId>) -> Result<Vec<User>> {
        self.read(async |connection| {
            sqlx::query("SELECT id, email, created_at FROM users WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(slice.after.map(|id| id.to_string()).unwrap_or_default())
                .bind(i64::from(slice.limit))
                .fetch_all(connection)
                .await
                .stored()?
                .iter()
                .map(user)
                .collect()
        })
        .await
    }

    async fn set_password(&self, stamp: &Stamp, id: UserId, password: &PasswordHash) -> Result<()> {
        self.administer(async |tx| {
            author::require_self(tx, stamp, id).await?;
            let user = find(tx, id).await?;
            // First the password: whoever begins a session by the old one waits for this, and then sees the new one.
            sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2")
                .bind(password.as_phc())
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .stored()?;
            for statement in [
                "DELETE FROM session WHERE user_id = $1",
                "DELETE FROM application_grant WHERE user_id = $1",
                "DELETE FROM authorization_code WHERE user_id = $1",
            ] {
                sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.stored()?;
            }
            let changed = change(Action::UserPasswordChanged, &user, user.record(), user.record());
            append(tx, stamp, changed).await
        })
        .await
    }

    async fn remove_user(&self, stamp: &Stamp, id: UserId) -> Result<()> {
        self.administer(async |tx| {
            let user = find(tx, id).await?;
            let alone: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM role mine JOIN account ON account.id = mine.owner_id \
                 WHERE mine.user_id = $1 AND mine.role = 'administrator' AND account.closed_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM role other WHERE other.owner_id = mine.owner_id \
                 AND other.role = 'administrator' AND other.user_id <> $1))",
            )
            .bind(id.to_string())
            .fetch_one(&mut *tx)
            .await
            .stored()?;
            if alone {
                return Err(StorageError::LastAdministrator);
            }
            let grants = roles::all_of(tx, id).await?;
            let mut changes = invitations::revoke_all_to(tx, &user.email).await?;
            sqlx::query("DELETE FROM users WHERE id = $1")
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .stored()?;
            append(tx, stamp, change(Action::UserRemoved, &user, user.record(), Value::Null)).await?;
            // Each account and environment finds in its own log what the removal did there.
            let revoked =
                |held: &domain::Grant| roles::change(Action::RoleRevoked, id, held.on, Some(held.role), None);
            changes.extend(grants.iter().map(revoked));
            for (n, change) in (1..).zip(changes) {
                append(tx, &stamp.further(n), change).await?;
            }
            Ok(())
        })
        .await
    }
}
