use async_trait::async_trait;
use domain::{PasswordHash, SecretHash, Timestamp, User, UserId};
use sqlx::SqliteConnection;
use storage::{Result, Session, Sessions, StorageError, TokenHash};

use crate::SqliteStorage;
use crate::row::{Columns, Stored};
use crate::users::user;

/// Whose the session with this token is, if it is there and has not run out at `now`.
pub(crate) async fn user_of(
    tx: &mut SqliteConnection,
    token: &SecretHash,
    now: Timestamp,
) -> Result<Option<UserId>> {
    let row = sqlx::query("SELECT user_id FROM session WHERE token = ? AND expires_at > ?")
        .bind(token.as_bytes().as_slice())
        .bind(now.as_millisecond())
        .fetch_optional(tx)
        .await
        .stored()?;
    row.map(|row| row.parsed("user_id")).transpose()
}

#[async_trait]
impl Sessions for SqliteStorage {
    async fn create_session(&self, session: &Session, verified: &PasswordHash) -> Result<()> {
        let mut writer = self.write().await?;
        let stored = sqlx::query(
            "INSERT INTO session (token, user_id, created_at, expires_at) \
             SELECT ?, id, ?, ? FROM user WHERE id = ? AND password_hash = ?",
        )
        .bind(session.token.as_slice())
        .bind(session.created_at.as_millisecond())
        .bind(session.expires_at.as_millisecond())
        .bind(session.user.to_string())
        .bind(verified.as_phc())
        .execute(&mut *writer)
        .await
        .stored()?;
        if stored.rows_affected() == 0 { Err(StorageError::NotFound) } else { Ok(()) }
    }

    async fn session(&self, token: &TokenHash, now: Timestamp) -> Result<(Session, User)> {
        let row = sqlx::query(
            "SELECT user.*, session.created_at AS began_at, session.expires_at FROM session \
             JOIN user ON user.id = session.user_id WHERE session.token = ? AND session.expires_at > ?",
        )
        .bind(token.as_slice())
        .bind(now.as_millisecond())
        .fetch_one(&self.readers)
        .await
        .stored()?;
        let user = user(&row)?;
        let session = Session {
            token: *token,
            user: user.id,
            created_at: row.instant("began_at")?,
            expires_at: row.instant("expires_at")?,
        };
        Ok((session, user))
    }

    async fn delete_session(&self, token: &TokenHash) -> Result<()> {
        let mut writer = self.write().await?;
        sqlx::query("DELETE FROM session WHERE token = ?")
            .bind(token.as_slice())
            .execute(&mut *writer)
            .await
            .stored()?;
        Ok(())
    }
}
