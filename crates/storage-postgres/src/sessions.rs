use async_trait::async_trait;
use domain::{PasswordHash, SecretHash, Timestamp, User, UserId};
use sqlx::PgConnection;
use storage::{Result, Session, Sessions, StorageError, TokenHash};

use crate::PostgresStorage;
use crate::row::{Columns, Stored};
use crate::users::user;

/// Whose the session with this token is, if it is there and has not run out at `now`. It ends after
/// the change that it is asked for, or before, and is seen to have.
pub(crate) async fn user_of(
    tx: &mut PgConnection,
    token: &SecretHash,
    now: Timestamp,
) -> Result<Option<UserId>> {
    let row = sqlx::query("SELECT user_id FROM session WHERE token = $1 AND expires_at > $2 FOR SHARE")
        .bind(token.as_bytes().as_slice())
        .bind(now.as_millisecond())
        .fetch_optional(tx)
        .await
        .stored()?;
    row.map(|row| row.parsed("user_id")).transpose()
}

#[async_trait]
impl Sessions for PostgresStorage {
    async fn create_session(&self, session: &Session, verified: &PasswordHash) -> Result<()> {
        self.write(async |tx| {
            // With the user's row locked, a change of the password comes before, and is seen here, or after, and finds
            // this session to end.
            let stored = sqlx::query(
                "INSERT INTO session (token, user_id, created_at, expires_at) \
                 SELECT $1, id, $2, $3 FROM users WHERE id = $4 AND password_hash = $5 FOR NO KEY UPDATE",
            )
            .bind(session.token.as_slice())
            .bind(session.created_at.as_millisecond())
            .bind(session.expires_at.as_millisecond())
            .bind(session.user.to_string())
            .bind(verified.as_phc())
            .execute(tx)
            .await
            .stored()?;
            if stored.rows_affected() == 0 { Err(StorageError::NotFound) } else { Ok(()) }
        })
        .await
    }

    async fn session(&self, token: &TokenHash, now: Timestamp) -> Result<(Session, User)> {
        self.read(async |connection| {
            let row = sqlx::query(
                "SELECT users.id, users.email, users.created_at, session.created_at AS began_at, \
                 session.expires_at FROM session JOIN users ON users.id = session.user_id \
                 WHERE session.token = $1 AND session.expires_at > $2",
            )
            .bind(token.as_slice())
            .bind(now.as_millisecond())
            .fetch_one(connection)
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
        })
        .await
    }

    async fn delete_session(&self, token: &TokenHash) -> Result<()> {
        self.write(async |tx| {
            sqlx::query("DELETE FROM session WHERE token = $1")
                .bind(token.as_slice())
                .execute(tx)
                .await
                .stored()?;
            Ok(())
        })
        .await
    }
}
