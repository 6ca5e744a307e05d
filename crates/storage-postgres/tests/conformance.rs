//! PostgreSQL keeps every promise of the suite.

use std::sync::Arc;

use storage::conformance::Fixture;
use storage_postgres::PostgresStorage;
use storage_postgres::test_database::Database;

#[allow(clippy::unwrap_used, reason = "without a store there is nothing to test")]
async fn fixture() -> (Fixture, Database) {
    let database = Database::new().await;
    let store = PostgresStorage::open(&database.url()).await.unwrap();
    (Fixture::copied_by_others(Arc::new(store)), database)
}

storage::conformance_tests!(fixture);
