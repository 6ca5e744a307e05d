//! What becomes of verbs when the database, or the way to it, fails: each ends in time, and the store works again as soon
//! as the database does.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: they fail by panicking"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Action, Keypair};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use storage::conformance::Fixture;
use storage::{KeyUse, Result, StorageError};
use storage_postgres::PostgresStorage;
use storage_postgres::test_database::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Reads end within 2 seconds and writes within 6; the rest is for a machine that is busy.
const READ: Duration = Duration::from_secs(4);
const WRITE: Duration = Duration::from_secs(9);

async fn open(url: &str) -> Fixture {
    Fixture::copied_by_others(Arc::new(PostgresStorage::open(url).await.unwrap()))
}

/// What gets through the proxy: nothing, or what belongs to the connections from this number on. Nobody is told.
#[derive(Clone, Copy)]
struct Passage {
    stalled: bool,
    first: usize,
}

/// Forwards connections to a database.
struct Proxy {
    address: SocketAddr,
    passage: watch::Sender<Passage>,
    connections: Arc<std::sync::atomic::AtomicUsize>,
}

impl Proxy {
    async fn before(database: &Database) -> Self {
        let options = database.options();
        let to = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            passage: watch::Sender::new(Passage { stalled: false, first: 0 }),
            connections: Arc::default(),
        };
        let (passage, connections) = (proxy.passage.clone(), proxy.connections.clone());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let server = TcpStream::connect(to.clone()).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(carry(from_client, to_server, number, passage.subscribe()));
                tokio::spawn(carry(from_server, to_client, number, passage.subscribe()));
            }
        });
        proxy
    }

    fn url(&self, database: &Database) -> String {
        database.options().host("127.0.0.1").port(self.address.port()).to_url_lossy().into()
    }

    fn stall(&self, stalled: bool) {
        self.passage.send_modify(|passage| passage.stalled = stalled);
    }

    /// Stalls the connections that there are for good; new ones work.
    fn lose_connections(&self) {
        let first = self.connections.load(std::sync::atomic::Ordering::Relaxed);
        self.passage.send_modify(|passage| passage.first = first);
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: usize,
    mut passage: watch::Receiver<Passage>,
) {
    let mut buffer = vec![0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let open = |passage: &Passage| !passage.stalled && number >= passage.first;
        if passage.wait_for(open).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Everything that others have to do with the database.
const OTHERS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";

async fn kill_others(connection: &mut PgConnection) {
    let kill = AssertSqlSafe(format!("SELECT pg_terminate_backend(pid) {OTHERS}"));
    sqlx::query(kill).execute(&mut *connection).await.unwrap();
    while sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("SELECT COUNT(*) {OTHERS}")))
        .fetch_one(&mut *connection)
        .await
        .unwrap()
        > 0
    {}
}

/// Uses all connections of the store at once.
async fn use_all_connections(f: &Fixture) {
    let pings: Vec<_> = (0..40)
        .map(|_| {
            let f = f.clone();
            tokio::spawn(async move { f.store.ping().await })
        })
        .collect();
    for ping in pings {
        ping.await.unwrap().unwrap();
    }
}

/// The verb's answer, and that it came in time.
async fn within<T>(limit: Duration, verb: impl Future<Output = Result<T>>) -> Result<T> {
    let began = Instant::now();
    let answer = tokio::time::timeout(limit, verb).await;
    answer.unwrap_or_else(|_| panic!("no answer within {:?}", began.elapsed()))
}

fn unavailable<T: std::fmt::Debug>(answer: &Result<T>) {
    assert!(matches!(answer, Err(StorageError::Unavailable(_))), "{answer:?}");
}

fn disable(before: &Keypair) -> std::result::Result<(Keypair, Action), domain::KeypairRefusal> {
    let edit = domain::KeypairEdit { enabled: Some(false), ..domain::KeypairEdit::default() };
    Ok((before.edited(&edit, None, domain::from_millis(0))?, Action::KeypairDisabled))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_verb_after_the_connections_were_killed_works() {
    let database = Database::new().await;
    let f = open(&database.url()).await;
    use_all_connections(&f).await;
    kill_others(&mut database.connect().await).await;
    f.store.ping().await.unwrap();
    f.account().await;
    use_all_connections(&f).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_link_holds_up_nobody_for_long_and_everything_works_when_it_goes_on() {
    let database = Database::new().await;
    let proxy = Proxy::before(&database).await;
    let f = open(&proxy.url(&database)).await;
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    use_all_connections(&f).await;

    proxy.stall(true);
    let reading = (0..30).map(|_| {
        let f = f.clone();
        tokio::spawn(async move { within(READ, f.store.live_keypair(keypair.id)).await.map(drop) })
    });
    let administering = (0..5).map(|_| {
        let f = f.clone();
        let late = f.unsaved_account();
        tokio::spawn(async move { within(WRITE, f.store.create_account(&f.stamp(), &late)).await })
    });
    let noting = (0..5).map(|_| {
        let f = f.clone();
        let used = KeyUse { keypair: keypair.id, secret: 1, at: f.now() };
        tokio::spawn(async move { within(WRITE, f.store.note_uses(&[used])).await })
    });
    let verbs: Vec<_> = reading.chain(administering).chain(noting).collect();
    for verb in verbs {
        unavailable(&verb.await.unwrap());
    }

    proxy.stall(false);
    within(READ, f.store.ping()).await.unwrap();
    use_all_connections(&f).await;
    let stamp = f.stamp();
    let disabled = f.store.change_keypair(&stamp, keypair.owner, keypair.id, None, &disable);
    assert!(!within(WRITE, disabled).await.unwrap().unwrap().enabled);
    // What was on its way when the link stalled may have arrived later, whole.
    let log = f.store.events_after(0, 100).await.unwrap();
    assert!(log.iter().zip(1..).all(|(event, n)| event.sequence == n), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_lead_nowhere_are_left_at_once() {
    let database = Database::new().await;
    let proxy = Proxy::before(&database).await;
    let f = open(&proxy.url(&database)).await;
    use_all_connections(&f).await;
    proxy.lose_connections();
    // Behind the same address is another server now, say: the first try tells that, and nobody tries the other ones.
    within(READ, f.store.ping()).await.unwrap();
    use_all_connections(&f).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_cut_off_leaves_nothing() {
    let database = Database::new().await;
    let f = open(&database.url()).await;
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let before = f.store.last_sequence().await.unwrap();
    let killer = std::sync::Mutex::new(Some(database.connect().await));
    let runtime = tokio::runtime::Handle::current();
    // Inside the transaction, between what it reads and what it writes.
    let kill_and_disable = |keypair: &Keypair| {
        let mut killer = killer.lock().unwrap().take().unwrap();
        tokio::task::block_in_place(|| runtime.block_on(kill_others(&mut killer)));
        disable(keypair)
    };
    unavailable(
        &f.store.change_keypair(&f.stamp(), keypair.owner, keypair.id, None, &kill_and_disable).await,
    );
    assert_eq!(f.store.last_sequence().await.unwrap(), before);
    assert_eq!(f.store.keypair(keypair.owner, keypair.id).await.unwrap(), keypair);
    let disabled = f.store.change_keypair(&f.stamp(), keypair.owner, keypair.id, None, &disable).await;
    assert!(!disabled.unwrap().unwrap().enabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_waits_for_any_more_holds_up_nobody() {
    let database = Database::new().await;
    let f = open(&database.url()).await;
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    use_all_connections(&f).await;
    let (reached, mut inside) = tokio::sync::mpsc::unbounded_channel();
    let change = tokio::spawn({
        let (f, keypair, mut row) = (f.clone(), keypair.clone(), database.connect().await);
        async move {
            // So that the change stops where it writes.
            let mut holding = sqlx::Connection::begin(&mut row).await.unwrap();
            sqlx::query("SELECT * FROM keypair_secret FOR UPDATE").execute(&mut *holding).await.unwrap();
            let noted = |keypair: &Keypair| {
                reached.send(()).unwrap();
                disable(keypair)
            };
            f.store.change_keypair(&f.stamp(), keypair.owner, keypair.id, None, &noted).await.map(drop)
        }
    });
    inside.recv().await.unwrap();
    change.abort();
    assert!(change.await.unwrap_err().is_cancelled());
    // It had the lock of all administrative verbs, which the server would take away from it after 3 seconds.
    within(Duration::from_secs(2), async { Ok(f.account().await) }).await.unwrap();
    assert_eq!(f.store.keypair(keypair.owner, keypair.id).await.unwrap(), keypair);
    assert_eq!(f.store.last_sequence().await.unwrap(), 3);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let database = Database::new().await;
    let f = open(&database.url()).await;
    f.store.close().await;
    let closed = f.store.ping().await;
    unavailable(&closed);
    assert_eq!(closed.unwrap_err().to_string(), "the store failed: the store is closed");
}

/// Why the store can't be opened.
async fn refusal(url: &str) -> String {
    PostgresStorage::open(url).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_is_no_database_for_us_is_refused_with_the_reason() {
    let database = Database::new().await;
    let unknown: String = database.options().database("nowhere").to_url_lossy().into();
    assert!(refusal(&unknown).await.contains("database \"nowhere\" does not exist"));
    let unreachable: String = database.options().port(1).to_url_lossy().into();
    assert!(refusal(&unreachable).await.contains("Connection refused"));

    let mut connection = database.connect().await;
    // What the server would say of itself, said by functions that are found before its own.
    for (fake, reason) in [
        (
            "CREATE FUNCTION fake.pg_is_in_recovery() RETURNS BOOLEAN LANGUAGE SQL AS 'SELECT TRUE'",
            "the server is a standby; the primary is needed",
        ),
        (
            "CREATE FUNCTION fake.current_setting(TEXT) RETURNS TEXT LANGUAGE SQL AS \
             'SELECT CASE $1 WHEN ''server_version_num'' THEN ''140018'' ELSE pg_catalog.current_setting($1) END'",
            "the server is PostgreSQL 14; 15 or later is needed",
        ),
    ] {
        sqlx::raw_sql("CREATE SCHEMA fake").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(fake).execute(&mut connection).await.unwrap();
        let path = format!(
            "ALTER DATABASE {} SET search_path = fake, pg_catalog",
            database.options().get_database().unwrap()
        );
        sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut connection).await.unwrap();
        assert_eq!(refusal(&database.url()).await, format!("the store failed: {reason}"));
        sqlx::raw_sql("DROP SCHEMA fake CASCADE").execute(&mut connection).await.unwrap();
    }
    let latin = Database::encoded("LATIN1").await;
    let reason = "the encoding of the database is LATIN1; UTF8 is needed";
    assert_eq!(refusal(&latin.url()).await, format!("the store failed: {reason}"));
}

#[tokio::test]
async fn commits_are_durable_whatever_the_server_is_set_to() {
    for (set, expected) in [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
        let database = Database::new().await;
        let name = database.options().get_database().unwrap().to_owned();
        let setting = format!("ALTER DATABASE {name} SET synchronous_commit = '{set}'");
        let mut connection = database.connect().await;
        sqlx::raw_sql(AssertSqlSafe(setting)).execute(&mut connection).await.unwrap();
        let f = open(&database.url()).await;
        // The store's own session tells by what it writes: a trigger notes the setting where it holds.
        sqlx::raw_sql(
            "CREATE TABLE noted (setting TEXT); \
             CREATE FUNCTION note() RETURNS TRIGGER LANGUAGE PLPGSQL AS \
             'BEGIN INSERT INTO noted VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END'; \
             CREATE TRIGGER note AFTER INSERT ON account EXECUTE FUNCTION note()",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        f.account().await;
        let noted: Vec<String> =
            sqlx::query_scalar("SELECT setting FROM noted").fetch_all(&mut connection).await.unwrap();
        assert_eq!(noted, [expected]);
    }
}
