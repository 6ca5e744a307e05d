//! A database of its own for each test, in the cluster at `TEST_DATABASE_URL`.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

/// A database, dropped when this is.
#[derive(Debug)]
pub struct Database {
    name: String,
    cluster: PgConnectOptions,
}

impl Database {
    /// An empty one.
    pub async fn new() -> Self {
        Self::create("").await
    }

    /// One that stores text in that encoding.
    pub async fn encoded(encoding: &str) -> Self {
        Self::create(&format!("ENCODING {encoding} LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")).await
    }

    async fn create(how: &str) -> Self {
        let Ok(url) = std::env::var("TEST_DATABASE_URL") else {
            panic!(
                "these tests need PostgreSQL: set TEST_DATABASE_URL to what `e2e/postgres-cluster start` prints, or to \
                 the URL of a superuser of another cluster that is there for tests"
            )
        };
        let cluster: PgConnectOptions = url.parse().unwrap();
        let mut administrator = PgConnection::connect_with(&cluster).await.unwrap();
        let name: String =
            sqlx::query_scalar("SELECT 'feedback_test_' || REPLACE(GEN_RANDOM_UUID()::TEXT, '-', '')")
                .fetch_one(&mut administrator)
                .await
                .unwrap();
        let create = format!("CREATE DATABASE {name} {how}");
        sqlx::query(AssertSqlSafe(create)).execute(&mut administrator).await.unwrap();
        administrator.close().await.unwrap();
        Self { name, cluster }
    }

    /// What a connection is opened with.
    pub fn options(&self) -> PgConnectOptions {
        self.cluster.clone().database(&self.name)
    }

    /// What a store is opened with.
    pub fn url(&self) -> String {
        self.options().to_url_lossy().into()
    }

    /// A connection beside the store's.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect_with(&self.options()).await.unwrap()
    }
}

impl Drop for Database {
    /// In a thread of its own: the test's runtime can't be waited for here.
    fn drop(&mut self) {
        let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let cluster = self.cluster.clone();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut administrator = PgConnection::connect_with(&cluster).await?;
                sqlx::query(drop).execute(&mut administrator).await
            })
        });
        // A test that fails already must not panic once more.
        if !std::thread::panicking() {
            assert!(matches!(dropped.join(), Ok(Ok(_))), "the test's database could not be dropped");
        }
    }
}
