//! Connections to the database: a bounded number of them, none trusted longer than it answers.
//!
//! A verb ends in time whatever the network does. One that did not end well takes its connection along: it is closed
//! without a word, never given to somebody else, so that nobody gets the rest of another verb's transaction. Giving a
//! connection back says nothing to the database, so it can't hang; it is tried before it is lent again.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult, Timeouts};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use storage::{Result, StorageError};
use tokio::time::timeout;

use crate::row::{Columns, Stored};

/// How long a connection that was idle may take to show that it is alive.
const TRIAL: Duration = Duration::from_millis(500);

/// The oldest version of PostgreSQL that will do.
const OLDEST: i32 = 15;

/// How long a verb takes at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Of that, how long it waits for one of the connections to be free.
    pub(crate) turn: Duration,
    /// All in all.
    pub(crate) whole: Duration,
}

/// Connections for one purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// How many a process has at most.
    pub(crate) most: usize,
    /// How long the server works on a statement of theirs, as it writes that. Shorter than a verb's patience with it, so
    /// that what is abandoned ends there too.
    pub(crate) statement_timeout: &'static str,
}

/// Makes a new connection what every verb relies on, and answers what server it is. As with statements, what the server
/// waits for by itself is shorter than a verb's patience: `idle_in_transaction_session_timeout` frees what a stopped node
/// holds before others give up waiting for it. A `synchronous_commit` that is stricter than `on` stays. All by one
/// statement, not by start-up parameters, which PgBouncer would refuse.
const PREPARE: &str = "SELECT current_setting('server_version_num')::INTEGER / 10000 AS version, \
     current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby, \
     set_config('idle_in_transaction_session_timeout', '3s', false), set_config('lock_timeout', '4s', false), \
     set_config('statement_timeout', $1, false), set_config('tcp_user_timeout', '5s', false), \
     set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
     ELSE current_setting('synchronous_commit') END, false)";

/// Opens a connection, and refuses a server that is too old, does not store UTF-8, or only follows another one: that
/// would tell what was true a while ago.
pub(crate) async fn connect(options: &PgConnectOptions, statement_timeout: &str) -> Result<PgConnection> {
    let mut connection = PgConnection::connect_with(options).await.stored()?;
    let server = sqlx::query(PREPARE).bind(statement_timeout).fetch_one(&mut connection).await.stored()?;
    let version: i32 = server.value("version")?;
    let encoding: &str = server.value("encoding")?;
    let refuse = |why: String| Err(StorageError::Unavailable(why.into()));
    if version < OLDEST {
        return refuse(format!("the server is PostgreSQL {version}; {OLDEST} or later is needed"));
    }
    if encoding != "UTF8" {
        return refuse(format!("the encoding of the database is {encoding}; UTF8 is needed"));
    }
    if server.value("standby")? {
        return refuse("the server is a standby; the primary is needed".to_owned());
    }
    Ok(connection)
}

/// What a URL of a database may say behind its `?`: what sqlx knows, which takes no notice of anything else.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
];

/// The URL of a database, as sqlx takes it. A misspelt `sslmode` must not pass for none.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions> {
    let refuse = |why: String| Err(StorageError::Unavailable(why.into()));
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return refuse("the URL of the database does not begin with postgres://".to_owned());
    }
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        if !PARAMETERS.contains(&name) {
            // Anything else may be a password with a ? in it.
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'));
            return refuse(if is_name {
                format!("the URL of the database has an unknown parameter, {name}")
            } else {
                "the URL of the database has an unknown parameter; a ? in a password is written %3F"
                    .to_owned()
            });
        }
    }
    let options: PgConnectOptions = url.parse().stored()?;
    // Floating-point numbers are not used here, and PgBouncer may refuse a parameter on them.
    let options = options.extra_float_digits(None);
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("feedback"),
    })
}

/// Opens connections for the pool, and tries them.
struct Opener {
    options: PgConnectOptions,
    statement_timeout: &'static str,
    /// When the server was last found to be silent. What is idle since before that would only be silent too.
    silent: Mutex<Option<Instant>>,
}

impl Opener {
    fn silent(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_silence(&self) {
        *self.silent() = Some(Instant::now());
    }
}

impl Manager for Opener {
    type Type = PgConnection;
    type Error = StorageError;

    async fn create(&self) -> Result<PgConnection> {
        connect(&self.options, self.statement_timeout).await
    }

    async fn recycle(&self, idle: &mut PgConnection, metrics: &Metrics) -> RecycleResult<StorageError> {
        let idle_since = metrics.recycled.unwrap_or(metrics.created);
        if self.silent().is_some_and(|silent| idle_since < silent) {
            return Err(RecycleError::message("the server was silent meanwhile"));
        }
        match timeout(TRIAL, idle.ping()).await {
            Ok(answered) => Ok(answered.stored()?),
            Err(_) => {
                self.note_silence();
                Err(RecycleError::message("the server is silent"))
            }
        }
    }
}

/// A connection that a verb has: closed when dropped, unless it was given back.
struct Lent(Option<Object<Opener>>);

impl Lent {
    fn give_back(mut self) {
        // An object that is dropped returns to its pool.
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// The connections of a store for one purpose.
pub(crate) struct Links(Pool<Opener>);

impl fmt::Debug for Links {
    /// Nothing of the options: they have the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Links").field(&self.0.status()).finish()
    }
}

impl Links {
    pub(crate) fn new(options: &PgConnectOptions, purpose: Purpose) -> Result<Self> {
        let Purpose { most, statement_timeout } = purpose;
        let opener = Opener { options: options.clone(), statement_timeout, silent: Mutex::new(None) };
        let pool = Pool::builder(opener).max_size(most).runtime(Runtime::Tokio1).build();
        pool.map(Self).map_err(|error| StorageError::Unavailable(error.into()))
    }

    /// Lends the verb a connection.
    pub(crate) async fn lend<T>(
        &self,
        patience: Patience,
        verb: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
    ) -> Result<T> {
        let done = async {
            let mut lent = self.take(patience.turn).await?;
            let Some(connection) = lent.0.as_deref_mut() else { return Err(closed()) };
            let outcome = verb(connection).await;
            if !matches!(outcome, Err(StorageError::Unavailable(_) | StorageError::Corrupt(_))) {
                lent.give_back();
            }
            outcome
        };
        match timeout(patience.whole, done).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // The server's own limits are shorter, so it is out of reach.
                self.0.manager().note_silence();
                Err(late(patience.whole))
            }
        }
    }

    async fn take(&self, turn: Duration) -> Result<Lent> {
        let timeouts = Timeouts { wait: Some(turn), ..Timeouts::new() };
        match self.0.timeout_get(&timeouts).await {
            Ok(object) => Ok(Lent(Some(object))),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(closed()),
            Err(other) => Err(StorageError::Unavailable(other.into())),
        }
    }

    /// Closes the idle connections now, the others when their verbs have ended.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// The complaint that the database took longer than that.
pub(crate) fn late(limit: Duration) -> StorageError {
    StorageError::Unavailable(format!("the database did not answer within {limit:?}").into())
}

fn closed() -> StorageError {
    StorageError::Unavailable("the store is closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        let options = options("postgres://feedback:open-sesame@localhost/feedback").unwrap();
        let links = Links::new(&options, Purpose { most: 1, statement_timeout: "1s" }).unwrap();
        assert!(!format!("{links:?}").contains("sesame"), "{links:?}");
    }

    #[test]
    fn what_sqlx_would_take_no_notice_of_is_refused() {
        let refusal = |url| options(url).unwrap_err().to_string();
        assert!(refusal("mysql://localhost").ends_with("does not begin with postgres://"));
        assert!(!refusal("postgres://feedback:open?sesame9@localhost/feedback").contains("sesame"));
        let misspelt = refusal("postgres://localhost/feedback?port=5432&sslmod=require");
        assert!(misspelt.ends_with("has an unknown parameter, sslmod"));
        assert!(refusal("postgresql://localhost/feedback?sslmode=never").contains("unknown value \"never\""));
    }
}
