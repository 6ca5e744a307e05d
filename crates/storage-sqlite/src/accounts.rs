use async_trait::async_trait;
use domain::{
    Account, AccountId, Action, Grant, Name, ObjectRef, Owner, PasswordHash, Role, Stamp, State, User,
};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{Accounts, Record, Result, Slice, StorageError, TokenHash};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{SqliteStorage, author, begin, roles, users};

fn account(row: &SqliteRow) -> Result<Account> {
    Ok(Account {
        id: row.parsed("id")?,
        name: Name::stored(row.value("name")?),
        state: row.instant_or_null("closed_at")?.map_or(State::Open, State::Closed),
        version: row.value("version")?,
        created_at: row.instant("created_at")?,
    })
}

/// The account, open or closed; `NotFound`.
pub(crate) async fn find(connection: &mut SqliteConnection, id: AccountId) -> Result<Account> {
    let row = sqlx::query("SELECT * FROM account WHERE id = ?")
        .bind(id.to_string())
        .fetch_one(connection)
        .await
        .stored()?;
    account(&row)
}

async fn insert(tx: &mut SqliteConnection, account: &Account) -> Result<()> {
    sqlx::query("INSERT INTO account (id, name, version, created_at, closed_at) VALUES (?, ?, ?, ?, ?)")
        .bind(account.id.to_string())
        .bind(account.name.as_str())
        .bind(account.version)
        .bind(account.created_at.as_millisecond())
        .bind(account.state.closed_at().map(|at| at.as_millisecond()))
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

/// The identifiers that a statement about `owner` finds.
pub(crate) async fn ids(tx: &mut SqliteConnection, sql: &'static str, owner: Owner) -> Result<Vec<String>> {
    sqlx::query_scalar(sql).bind(owner.to_string()).fetch_all(tx).await.stored()
}

fn change(action: Action, account: &Account, before: Value, after: Value) -> Change {
    Change {
        action,
        object: ObjectRef::new("account", account.id),
        owner: Some(account.id.into()),
        before,
        after,
    }
}

#[async_trait]
impl Accounts for SqliteStorage {
    async fn create_account(&self, stamp: &Stamp, account: &Account) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        insert(&mut tx, account).await?;
        append(&mut tx, stamp, change(Action::AccountCreated, account, Value::Null, account.record()))
            .await?;
        tx.commit().await.stored()
    }

    async fn account(&self, id: AccountId) -> Result<Account> {
        find(&mut *self.readers.acquire().await.stored()?, id).await
    }

    async fn accounts(&self, slice: Slice<AccountId>) -> Result<Vec<Account>> {
        sqlx::query("SELECT * FROM account WHERE id > ? ORDER BY id LIMIT ?")
            .bind(slice.after.map(|id| id.to_string()).unwrap_or_default())
            .bind(slice.limit)
            .fetch_all(&self.readers)
            .await
            .stored()?
            .iter()
            .map(account)
            .collect()
    }

    async fn rename_account(
        &self,
        stamp: &Stamp,
        id: AccountId,
        expected_version: Option<i64>,
        name: &Name,
    ) -> Result<Account> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, id.into(), Role::Administrator).await?;
        let current = find(&mut tx, id).await?;
        if !current.state.is_open() {
            return Err(StorageError::Closed);
        }
        if expected_version.is_some_and(|expected| expected != current.version) {
            return Err(StorageError::Moved);
        }
        if current.name == *name {
            return Ok(current);
        }
        let after = Account { name: name.clone(), version: current.version + 1, ..current.clone() };
        sqlx::query("UPDATE account SET name = ?, version = ? WHERE id = ?")
            .bind(name.as_str())
            .bind(after.version)
            .bind(after.id.to_string())
            .execute(&mut *tx)
            .await
            .stored()?;
        let renamed = change(Action::AccountRenamed, &after, current.record(), after.record());
        append(&mut tx, stamp, renamed).await?;
        tx.commit().await.stored()?;
        Ok(after)
    }

    async fn close_account(&self, stamp: &Stamp, id: AccountId) -> Result<Account> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, id.into(), Role::Administrator).await?;
        let before = find(&mut tx, id).await?;
        if !before.state.is_open() {
            return Err(StorageError::Closed);
        }
        let after = Account { state: State::Closed(stamp.at), version: before.version + 1, ..before.clone() };
        let at = stamp.at.as_millisecond();
        let environments = ids(
            &mut tx,
            "SELECT id FROM environment WHERE account_id = ? AND closed_at IS NULL ORDER BY id",
            id.into(),
        )
        .await?;
        let keypairs = ids(
            &mut tx,
            "SELECT id FROM keypair WHERE owner_id = ?1 \
             OR owner_id IN (SELECT id FROM environment WHERE account_id = ?1) ORDER BY id",
            id.into(),
        )
        .await?;
        for statement in [
            "UPDATE account SET closed_at = ?2, version = version + 1 WHERE id = ?1",
            "UPDATE environment SET closed_at = ?2, version = version + 1 \
             WHERE account_id = ?1 AND closed_at IS NULL",
        ] {
            sqlx::query(statement).bind(id.to_string()).bind(at).execute(&mut *tx).await.stored()?;
        }
        for statement in [
            "DELETE FROM keypair WHERE owner_id = ?1 \
             OR owner_id IN (SELECT id FROM environment WHERE account_id = ?1)",
            "DELETE FROM role WHERE owner_id = ?1 \
             OR owner_id IN (SELECT id FROM environment WHERE account_id = ?1)",
            "DELETE FROM invitation WHERE owner_id = ?1 \
             OR owner_id IN (SELECT id FROM environment WHERE account_id = ?1)",
            "DELETE FROM application WHERE owner_id = ?1 \
             OR owner_id IN (SELECT id FROM environment WHERE account_id = ?1)",
            "DELETE FROM application_grant WHERE owner_id = ?1 \
             OR owner_id IN (SELECT id FROM environment WHERE account_id = ?1)",
            "DELETE FROM authorization_code WHERE owner_id = ?1 \
             OR owner_id IN (SELECT id FROM environment WHERE account_id = ?1)",
        ] {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.stored()?;
        }
        let mut record = after.record();
        if let Some(record) = record.as_object_mut() {
            record.insert("ended".to_owned(), json!({"environments": environments, "keypairs": keypairs}));
        }
        let closed = change(Action::AccountClosed, &after, before.record(), record);
        append(&mut tx, stamp, closed).await?;
        tx.commit().await.stored()?;
        Ok(after)
    }

    async fn put_setup_link(&self, token: &TokenHash) -> Result<bool> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        if users::any(&mut tx).await? {
            return Ok(false);
        }
        sqlx::query("INSERT OR REPLACE INTO setup_link (one, token) VALUES (1, ?)")
            .bind(token.as_slice())
            .execute(&mut *tx)
            .await
            .stored()?;
        tx.commit().await.stored()?;
        Ok(true)
    }

    async fn setup_link_is_valid(&self, token: &TokenHash) -> Result<bool> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM setup_link WHERE token = ?) AND NOT EXISTS (SELECT 1 FROM user)",
        )
        .bind(token.as_slice())
        .fetch_one(&self.readers)
        .await
        .stored()
    }

    async fn set_up(
        &self,
        stamp: &Stamp,
        token: &TokenHash,
        account: &Account,
        user: &User,
        password: &PasswordHash,
    ) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        if users::any(&mut tx).await? {
            return Err(StorageError::NotFound);
        }
        let used = sqlx::query("DELETE FROM setup_link WHERE token = ?")
            .bind(token.as_slice())
            .execute(&mut *tx)
            .await
            .stored()?;
        if used.rows_affected() == 0 {
            return Err(StorageError::NotFound);
        }
        insert(&mut tx, account).await?;
        users::insert(&mut tx, user, password).await?;
        let grant = Grant { on: account.id.into(), role: Role::Administrator };
        roles::put(&mut tx, user.id, grant).await?;
        let after = json!({"account": account.record(), "administrator": user.record()});
        append(&mut tx, stamp, change(Action::AccountCreated, account, Value::Null, after)).await?;
        tx.commit().await.stored()
    }
}
