use async_trait::async_trait;
use domain::{PasswordHash, Timestamp, User};
use storage::{Result, Session, Sessions, StorageError, TokenHash};

use crate::SqliteStorage;
use crate::row::{Columns, Stored};
use crate::users::user;

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
