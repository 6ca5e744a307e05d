use async_trait::async_trait;
use domain::{Action, Email, ObjectRef, PasswordHash, Stamp, User, UserId};
use serde_json::Value;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{Record, Result, Slice, StorageError, Users};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{SqliteStorage, author, begin, invitations, roles};

pub(crate) fn user(row: &SqliteRow) -> Result<User> {
    Ok(User {
        id: row.parsed("id")?,
        email: Email::stored(row.value("email")?),
        created_at: row.instant("created_at")?,
    })
}

pub(crate) async fn any(connection: &mut SqliteConnection) -> Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM user)").fetch_one(connection).await.stored()
}

pub(crate) async fn find(connection: &mut SqliteConnection, id: UserId) -> Result<User> {
    let row = sqlx::query("SELECT * FROM user WHERE id = ?")
        .bind(id.to_string())
        .fetch_one(connection)
        .await
        .stored()?;
    user(&row)
}

pub(crate) async fn insert(tx: &mut SqliteConnection, user: &User, password: &PasswordHash) -> Result<()> {
    sqlx::query("INSERT INTO user (id, email, password_hash, created_at) VALUES (?, ?, ?, ?)")
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
impl Users for SqliteStorage {
    async fn create_user(&self, stamp: &Stamp, user: &User, password: &PasswordHash) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        insert(&mut tx, user, password).await?;
        append(&mut tx, stamp, change(Action::UserCreated, user, Value::Null, user.record())).await?;
        tx.commit().await.stored()
    }

    async fn user(&self, id: UserId) -> Result<User> {
        find(&mut *self.readers.acquire().await.stored()?, id).await
    }

    async fn user_by_email(&self, email: &Email) -> Result<(User, PasswordHash)> {
        let row = sqlx::query("SELECT * FROM user WHERE email = ?")
            .bind(email.as_str())
            .fetch_one(&self.readers)
            .await
            .stored()?;
        Ok((user(&row)?, PasswordHash::from_phc(row.value("password_hash")?)))
    }

    async fn email_is_known(&self, email: &Email) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM user WHERE email = ?)")
            .bind(email.as_str())
            .fetch_one(&self.readers)
            .await
            .stored()
    }
    async fn users(&self, slice: Slice<UserId>) -> Result<Vec<User>> {
        sqlx::query("SELECT * FROM user WHERE id > ? ORDER BY id LIMIT ?")
            .bind(slice.after.map(|id| id.to_string()).unwrap_or_default())
            .bind(slice.limit)
            .fetch_all(&self.readers)
            .await
            .stored()?
            .iter()
            .map(user)
            .collect()
    }

    async fn set_password(&self, stamp: &Stamp, id: UserId, password: &PasswordHash) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require_self(&mut tx, stamp, id).await?;
        let user = find(&mut tx, id).await?;
        sqlx::query("UPDATE user SET password_hash = ? WHERE id = ?")
            .bind(password.as_phc())
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .stored()?;
        for statement in [
            "DELETE FROM session WHERE user_id = ?",
            "DELETE FROM application_grant WHERE user_id = ?",
            "DELETE FROM authorization_code WHERE user_id = ?",
        ] {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.stored()?;
        }
        let changed = change(Action::UserPasswordChanged, &user, user.record(), user.record());
        append(&mut tx, stamp, changed).await?;
        tx.commit().await.stored()
    }

    async fn remove_user(&self, stamp: &Stamp, id: UserId) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let user = find(&mut tx, id).await?;
        let alone: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM role mine JOIN account ON account.id = mine.owner_id \
             WHERE mine.user_id = ?1 AND mine.role = 'administrator' AND account.closed_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM role other WHERE other.owner_id = mine.owner_id \
             AND other.role = 'administrator' AND other.user_id <> ?1))",
        )
        .bind(id.to_string())
        .fetch_one(&mut *tx)
        .await
        .stored()?;
        if alone {
            return Err(StorageError::LastAdministrator);
        }
        let grants = roles::all_of(&mut tx, id).await?;
        let mut changes = invitations::revoke_all_to(&mut tx, &user.email).await?;
        sqlx::query("DELETE FROM user WHERE id = ?").bind(id.to_string()).execute(&mut *tx).await.stored()?;
        append(&mut tx, stamp, change(Action::UserRemoved, &user, user.record(), Value::Null)).await?;
        // Each account and environment finds in its own log what the removal did there.
        changes.extend(
            grants.iter().map(|held| roles::change(Action::RoleRevoked, id, held.on, Some(held.role), None)),
        );
        for (n, change) in (1..).zip(changes) {
            append(&mut tx, &stamp.further(n), change).await?;
        }
        tx.commit().await.stored()
    }
}
