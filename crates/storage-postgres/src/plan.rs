//! How PostgreSQL would run a statement, for the tests that hold statements to their indexes.

use std::sync::Arc;

use domain::{Activity, Grant, NewResponse, PersonHash, Role};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use storage::conformance::Fixture;
use storage::{Invitation, KeyUse};

use crate::PostgresStorage;
use crate::test_database::Database;

/// Puts something into each table: of one without a row the planner knows that it is empty.
async fn fill(f: &Fixture) {
    let environment = f.environment(&f.account().await).await;
    let keypair = f.with_public_key(&f.unsaved_keypair(environment.id).0, 0);
    f.store.create_keypair(&f.stamp(), &keypair).await.unwrap();
    f.store.use_assertion(keypair.id, &f.token(), f.now()).await.unwrap();
    f.store.note_uses(&[KeyUse { keypair: keypair.id, secret: 1, at: f.now() }]).await.unwrap();
    f.store.add_usage(&[f.usage(&keypair, Activity::Token)]).await.unwrap();
    f.store.revoke_token(&f.stamp(), keypair.id, &f.revoked_token()).await.unwrap();
    let user = f.user("person@example.com").await;
    let grant = Grant { on: environment.id.into(), role: Role::Reader };
    f.store.grant_role(&f.stamp(), user.id, grant).await.unwrap();
    f.granted(&f.code(&f.application(environment.id).await, user.id)).await;
    let invitation = Invitation { token: f.token(), email: user.email, grant, expires_at: f.now() };
    f.store.create_invitation(&f.stamp(), &invitation).await.unwrap();
    let response = NewResponse {
        id: f.id(),
        external_id: Some("one".to_owned()),
        query: Some(f.query(&environment).await.id),
        score: 5,
        text: None,
        respondent: Some(PersonHash([1; 16])),
        machine: Some(PersonHash([2; 16])),
        at: f.now(),
    };
    f.store.add_responses(environment.id, &[response]).await.unwrap();
}

/// A store whose tables the planner takes to be large.
pub(crate) struct Planner {
    connection: PgConnection,
    _database: Database,
}

impl Planner {
    pub(crate) async fn new() -> Self {
        let database = Database::new().await;
        let store = PostgresStorage::open(&database.url()).await.unwrap();
        fill(&Fixture::copied_by_others(Arc::new(store))).await;
        let mut connection = database.connect().await;
        let settings = "UPDATE pg_class SET reltuples = 10000000, relpages = 1 \
             WHERE relnamespace = 'public'::REGNAMESPACE; \
             SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan";
        sqlx::raw_sql(settings).execute(&mut connection).await.unwrap();
        Self { connection, _database: database }
    }

    /// What the statement would read and sort, for any values: of each index its name and what is searched in it, else
    /// the step.
    pub(crate) async fn plan(&mut self, statement: &str) -> Vec<String> {
        let values = match (1..20).filter(|n| statement.contains(&format!("${n}"))).count() {
            0 => String::new(),
            parameters => format!("({})", vec!["NULL"; parameters].join(", ")),
        };
        let prepare = format!("DEALLOCATE ALL; PREPARE statement AS {statement}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut self.connection).await.unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN (COSTS off) EXECUTE statement {values}"));
        let lines = sqlx::raw_sql(explain).fetch_all(&mut self.connection).await.unwrap();
        let mut steps: Vec<String> = Vec::new();
        for line in &lines {
            let line = line.get::<&str, _>(0).trim_start_matches([' ', '-', '>']);
            if let Some((_, index)) = line.split_once(" using ") {
                steps.extend(index.split_once(" on ").map(|(index, _)| index.to_owned()));
            } else if let (Some(condition), Some(index)) =
                (line.strip_prefix("Index Cond: "), steps.last_mut())
            {
                *index = format!("{index} {condition}");
            } else if line.starts_with("Seq Scan") || line == "Sort" {
                steps.push(line.to_owned());
            }
        }
        steps
    }
}
