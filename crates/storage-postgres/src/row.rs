//! From rows to the domain's types. What does not fit is `Corrupt`, never a panic.

use std::str::FromStr;

use domain::{Timestamp, from_millis};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};
use storage::{Result, StorageError};

/// What the server says when it finds a table or an index that it can't read (SQLSTATE).
const DAMAGED: [&str; 2] = ["XX001", "XX002"];

/// What a statement answered, as the store's answer.
pub(crate) trait Stored<T> {
    /// No row is `NotFound`, a value that is there already `Exists`; all else is the store's failure.
    fn stored(self) -> Result<T>;
}

impl<T> Stored<T> for sqlx::Result<T> {
    fn stored(self) -> Result<T> {
        self.map_err(|error| match &error {
            sqlx::Error::RowNotFound => StorageError::NotFound,
            sqlx::Error::Database(database) if database.is_unique_violation() => StorageError::Exists,
            sqlx::Error::Database(database) if database.is_foreign_key_violation() => StorageError::NotFound,
            sqlx::Error::Database(database)
                if database.code().is_some_and(|code| DAMAGED.contains(&&*code)) =>
            {
                StorageError::Corrupt(error.to_string())
            }
            sqlx::Error::ColumnDecode { .. } => StorageError::Corrupt(error.to_string()),
            _ => StorageError::Unavailable(error.into()),
        })
    }
}

/// Typed access to the columns of a row.
pub(crate) trait Columns {
    /// A column's value.
    fn value<'r, T: Decode<'r, Postgres> + Type<Postgres>>(&'r self, column: &str) -> Result<T>;

    /// A column of a number that is smaller here than in the database.
    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T>;

    /// A column of such a number, or NULL.
    fn number_or_null<T: TryFrom<i64>>(&self, column: &str) -> Result<Option<T>>;

    /// A column of text that stands for something.
    fn parsed<T: FromStr>(&self, column: &str) -> Result<T>;

    /// A column of text that stands for something, or NULL.
    fn parsed_or_null<T: FromStr>(&self, column: &str) -> Result<Option<T>>;

    /// A column of milliseconds.
    fn instant(&self, column: &str) -> Result<Timestamp>;

    /// A column of milliseconds, or NULL.
    fn instant_or_null(&self, column: &str) -> Result<Option<Timestamp>>;

    /// A column of bytes of a fixed number.
    fn bytes<const N: usize>(&self, column: &str) -> Result<[u8; N]>;
}

impl Columns for PgRow {
    fn value<'r, T: Decode<'r, Postgres> + Type<Postgres>>(&'r self, column: &str) -> Result<T> {
        self.try_get(column).stored()
    }

    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T> {
        self.value::<i64>(column)?.try_into().map_err(|_| corrupt(column))
    }

    fn number_or_null<T: TryFrom<i64>>(&self, column: &str) -> Result<Option<T>> {
        let number = self.value::<Option<i64>>(column)?;
        number.map(|number| number.try_into().map_err(|_| corrupt(column))).transpose()
    }

    fn parsed<T: FromStr>(&self, column: &str) -> Result<T> {
        self.value::<&str>(column)?.parse().map_err(|_| corrupt(column))
    }

    fn parsed_or_null<T: FromStr>(&self, column: &str) -> Result<Option<T>> {
        self.value::<Option<&str>>(column)?.map(|text| text.parse().map_err(|_| corrupt(column))).transpose()
    }

    fn instant(&self, column: &str) -> Result<Timestamp> {
        Ok(from_millis(self.value(column)?))
    }

    fn instant_or_null(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.value::<Option<i64>>(column)?.map(from_millis))
    }

    fn bytes<const N: usize>(&self, column: &str) -> Result<[u8; N]> {
        self.value::<&[u8]>(column)?.try_into().map_err(|_| corrupt(column))
    }
}

/// Below what a list that runs from the newest to the oldest goes on: the identifier that the part before ended with, or
/// what sorts after every identifier. A bound that may be NULL would be none to an index.
pub(crate) fn upper_bound(after: Option<impl ToString>) -> String {
    after.map_or_else(|| "~".to_owned(), |id| id.to_string())
}

/// The complaint that a column holds what it can't.
pub(crate) fn corrupt(column: &str) -> StorageError {
    StorageError::Corrupt(format!("unexpected value in column {column}"))
}
