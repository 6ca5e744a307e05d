//! Several nodes on one database: nothing relies on being the only process.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: they fail by panicking"
)]

use std::sync::Arc;

use domain::{
    Activity, ChainHash, Date, Environment, KeyId, Keypair, NewResponse, PasswordHash, Period, PersonHash,
    Query, QueryId, Series,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use storage::conformance::Fixture;
use storage::{Accepted, KeyUse, Result, ServerKeys, Session, SigningKeyChange, Slice, StorageError};
use storage_postgres::PostgresStorage;
use storage_postgres::test_database::Database;

async fn open(database: &Database) -> Result<PostgresStorage> {
    PostgresStorage::open(&database.url()).await
}

/// Two nodes; what they make is told apart.
async fn two_nodes(database: &Database) -> [Fixture; 2] {
    let first = Fixture::copied_by_others(Arc::new(open(database).await.unwrap()));
    let mut second = first.clone();
    second.store = Arc::new(open(database).await.unwrap());
    [first, second]
}

/// How many of the store's sessions wait for a lock.
async fn waiting(connection: &mut PgConnection) -> Vec<i32> {
    sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'feedback' AND wait_event_type = 'Lock'",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

mod schema {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn nodes_that_start_together_make_it_once() {
        let database = Arc::new(Database::new().await);
        let nodes: Vec<_> = (0..8)
            .map(|_| {
                let database = database.clone();
                tokio::spawn(async move { open(&database).await.map(drop) })
            })
            .collect();
        for node in nodes {
            node.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn that_of_a_newer_version_is_refused_and_a_changed_step_too() {
        let database = Database::new().await;
        open(&database).await.unwrap();
        let mut connection = database.connect().await;
        sqlx::raw_sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'later', TRUE, '', 0)",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        let refused = open(&database).await;
        assert!(matches!(refused, Err(StorageError::TooNew { found: 9999, .. })), "{refused:?}");
        sqlx::raw_sql(
            "DELETE FROM _sqlx_migrations WHERE version = 9999; UPDATE _sqlx_migrations SET checksum = ''",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        let refused = open(&database).await;
        assert!(matches!(refused, Err(StorageError::Corrupt(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_signing_key_of_the_version_before_signs_ten_minutes_after_it_was_made() {
        let database = Database::new().await;
        let store = open(&database).await.unwrap();
        sqlx::raw_sql(
            "INSERT INTO signing_key (kid, algorithm, sealed, public_jwk, created_at) \
             VALUES ('kid', 'ES256', '', '{}', 1000)",
        )
        .execute(&mut database.connect().await)
        .await
        .unwrap();
        let key = store.signing_keys().await.unwrap().remove(0);
        assert_eq!((key.created_at.as_millisecond(), key.signs_from.as_millisecond()), (1000, 601_000));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_step_that_is_cut_off_leaves_nothing() {
        let database = Arc::new(Database::new().await);
        let (mut watching, mut blocking) = (database.connect().await, database.connect().await);
        // The step waits where it makes its last table.
        let mut other = blocking.begin().await.unwrap();
        sqlx::raw_sql("CREATE TABLE audit_event ()").execute(&mut *other).await.unwrap();
        let opening = tokio::spawn({
            let database = database.clone();
            async move { open(&database).await.map(drop) }
        });
        let stuck = loop {
            if let [stuck] = waiting(&mut watching).await[..] {
                break stuck;
            }
        };
        sqlx::query("SELECT pg_terminate_backend($1)").bind(stuck).execute(&mut watching).await.unwrap();
        let cut_off = opening.await.unwrap();
        assert!(matches!(cut_off, Err(StorageError::Unavailable(_))), "{cut_off:?}");
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public'")
                .fetch_all(&mut watching)
                .await
                .unwrap();
        assert_eq!(tables, ["_sqlx_migrations"]);
        other.rollback().await.unwrap();
        open(&database).await.unwrap();
    }

    /// Uses each table.
    async fn use_all(f: &Fixture, day: i64) {
        let account = f.account().await;
        let environment = f.environment(&account).await;
        let keypair = f.keypair(environment.id).await;
        let query = f.query(&environment).await;
        let user = f.user(&format!("{}@example.com", account.id)).await;
        let (token, at) = (f.token(), f.now());
        let session = Session { token, user: user.id, created_at: at, expires_at: later() };
        f.store
            .create_session(&session, &PasswordHash::from_phc("$argon2id$of-nothing".to_owned()))
            .await
            .unwrap();
        f.store.session(&token, at).await.unwrap();
        let grant = domain::Grant { on: account.id.into(), role: domain::Role::Administrator };
        f.store.grant_role(&f.stamp(), user.id, grant).await.unwrap();
        f.store.grants_of(user.id).await.unwrap();
        f.store.places_of(user.id, Slice::first(9)).await.unwrap();
        f.store.members(domain::Place::Account(account.id)).await.unwrap();
        let invitation = storage::Invitation {
            token: f.token(),
            email: domain::Email::new("invited@example.com").unwrap(),
            grant,
            expires_at: session.expires_at,
        };
        f.store.create_invitation(&f.stamp(), &invitation).await.unwrap();
        f.store.invitation(&invitation.token, at).await.unwrap();
        f.store.invitations(account.id.into(), at).await.unwrap();
        f.store.accounts(Slice::first(9)).await.unwrap();
        f.store.account(account.id).await.unwrap();
        f.store.environments(account.id, Slice::first(9)).await.unwrap();
        f.store.open_environments(account.id, Slice::first(9)).await.unwrap();
        f.store.revoke_token(&f.stamp(), keypair.id, &f.revoked_token()).await.unwrap();
        f.store.keypairs(environment.id.into(), Slice::first(9)).await.unwrap();
        f.store.live_keypair(keypair.id).await.unwrap();
        let signing = f.with_public_key(&f.unsaved_keypair(environment.id).0, 0);
        f.store.create_keypair(&f.stamp(), &signing).await.unwrap();
        f.store.use_assertion(signing.id, &f.token(), at).await.unwrap();
        f.store.note_uses(&[KeyUse { keypair: keypair.id, secret: 1, at }]).await.unwrap();
        f.store.add_usage(&[f.usage(&keypair, Activity::Token)]).await.unwrap();
        let from = domain::usage_from(at, 9);
        f.store.usage(keypair.id, from).await.unwrap();
        f.store.requests_by_day(&[keypair.id], from).await.unwrap();
        f.store.keypairs_in_use(account.id.into(), None, from, 9).await.unwrap();
        let application = f.application(account.id).await;
        let (live, refresh_token) = f.granted(&f.code(&application, user.id)).await;
        let (client, wanted) = (live.grant.client, domain::Wanted::default());
        f.store.refresh_grant(&f.stamp(), client, &refresh_token, &wanted, &f.hash()).await.unwrap().unwrap();
        f.store.live_grant(live.grant.id, f.now()).await.unwrap().unwrap();
        f.store.grant_of(&refresh_token).await.unwrap().unwrap();
        f.store.grants_by(user.id, f.now(), 9).await.unwrap();
        f.store.applications(account.id.into(), Slice::first(9), f.now()).await.unwrap();
        f.store.application(account.id.into(), application.id, f.now()).await.unwrap();
        f.store.revoke_grant(&f.stamp(), user.id, live.grant.id).await.unwrap();
        f.store.remove_application(&f.stamp(), account.id.into(), application.id).await.unwrap();
        f.store.queries(environment.id, Slice::first(9)).await.unwrap();
        f.store.query(environment.id, query.id).await.unwrap();
        f.store.users(Slice::first(9)).await.unwrap();
        f.store.user_by_email(&user.email).await.unwrap();
        f.store.add_responses(environment.id, &[response(f, Some(query.id), day)]).await.unwrap();
        f.store.query_statistics(environment.id, query.id).await.unwrap();
        f.store.daily_points(environment.id, Series::Overview, january()).await.unwrap();
        f.store.combined_point(environment.id, Series::Overview, january()).await.unwrap();
        f.store.signing_keys().await.unwrap();
        f.store.change_signing_keys(&f.stamp(), &|_| SigningKeyChange::default()).await.unwrap();
        f.store.reseal(&f.stamp(), &|_, sealed| Some(sealed.to_vec())).await.unwrap();
        f.store.audit_events(account.id.into(), None, 9).await.unwrap();
        f.store.events_after(0, 9).await.unwrap();
        f.store.changes_after(0, 9).await.unwrap();
        f.store.sweep(at).await.unwrap();
        f.store.close_environment(&f.stamp(), environment.id, None).await.unwrap();
        f.store.close_account(&f.stamp(), account.id).await.unwrap();
        f.store.remove_user(&f.stamp(), user.id).await.unwrap();
    }

    #[tokio::test]
    async fn a_later_step_beside_a_running_node_breaks_none_of_its_statements() {
        let database = Database::new().await;
        let f = Fixture::copied_by_others(Arc::new(open(&database).await.unwrap()));
        // From the sixth time on, PostgreSQL keeps a plan for any values.
        for day in 0..7 {
            use_all(&f, day).await;
        }
        let mut connection = database.connect().await;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(tables.len(), 26);
        for table in tables {
            let step = format!("ALTER TABLE {table} ADD COLUMN later TEXT");
            sqlx::raw_sql(AssertSqlSafe(step)).execute(&mut connection).await.unwrap();
        }
        use_all(&f, 8).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_many_writers_has_no_gap_and_is_one_chain() {
    let database = Database::new().await;
    let nodes = two_nodes(&database).await;
    let account = nodes[0].account().await;
    let writers: Vec<_> = (0..16)
        .map(|n| {
            let (f, account) = (nodes[n % 2].clone(), account.clone());
            tokio::spawn(async move {
                for _ in 0..10 {
                    f.environment(&account).await;
                    // A change that is refused takes no number.
                    let nowhere = f.unsaved_environment(&f.unsaved_account());
                    f.store.create_environment(&f.stamp(), &nowhere).await.unwrap_err();
                }
            })
        })
        .collect();
    // What the feed has shown once is all that there is up to there.
    let (mut seen, mut previous, mut done) = (0, ChainHash::default(), false);
    while !done {
        done = writers.iter().all(|writer| writer.is_finished());
        for event in nodes[1].store.events_after(seen, 500).await.unwrap() {
            assert_eq!((event.sequence, event.previous), (seen + 1, previous));
            assert_eq!(event.hash, event.expected_hash());
            (seen, previous) = (event.sequence, event.hash);
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen, 161);
}

/// Later than anything in these tests.
fn later() -> domain::Timestamp {
    domain::from_millis(4_000_000_000_000)
}

fn january() -> Period {
    Period::new(Date::constant(2026, 1, 1), Date::constant(2026, 1, 31)).unwrap()
}

/// A response on a day of January 2026, counted from 0.
fn response(f: &Fixture, query: Option<QueryId>, day: i64) -> NewResponse {
    NewResponse {
        id: f.id(),
        external_id: None,
        query,
        score: 3,
        text: None,
        respondent: Some(PersonHash(f.token()[..16].try_into().unwrap())),
        machine: None,
        at: domain::from_millis(1_767_225_600_000 + day * 86_400_000),
    }
}

/// Adds responses until they are refused; how many were accepted, and the refusal.
async fn add_until_refused(
    f: Fixture,
    environment: Environment,
    query: Option<QueryId>,
) -> (u64, StorageError) {
    let mut accepted = 0;
    loop {
        match f.store.add_responses(environment.id, &[response(&f, query, 0)]).await {
            Ok(Accepted { accepted: more, .. }) => accepted += more,
            Err(refusal) => return (accepted, refusal),
        }
    }
}

/// Starts programs on both nodes that add responses until they are refused, calls `stop` once some were accepted, and
/// verifies that none is stored after that has answered.
async fn stop_responses(
    nodes: &[Fixture; 2],
    environment: &Environment,
    query: Option<Query>,
    stop: impl AsyncFnOnce(),
) -> Vec<StorageError> {
    let count = async || {
        let point = nodes[0].store.combined_point(environment.id, Series::Overview, january()).await.unwrap();
        assert_eq!(point.scores.responses(), point.respondents);
        point.respondents
    };
    let query = query.map(|query| query.id);
    let adding: Vec<_> = (0..6)
        .map(|n| tokio::spawn(add_until_refused(nodes[n % 2].clone(), environment.clone(), query)))
        .collect();
    while count().await < 5 {}
    stop().await;
    let when_stopped = count().await;
    let (mut accepted, mut refusals) = (0, Vec::new());
    for program in adding {
        let (stored, refusal) = program.await.unwrap();
        accepted += stored;
        refusals.push(refusal);
    }
    assert_eq!((accepted, count().await), (when_stopped, when_stopped));
    refusals
}

#[tokio::test(flavor = "multi_thread")]
async fn no_response_is_stored_after_its_environment_or_query_was_closed() {
    let database = Database::new().await;
    let nodes = two_nodes(&database).await;
    let f = &nodes[1];
    for _ in 0..5 {
        let account = f.account().await;
        let (one, two, three) =
            (f.environment(&account).await, f.environment(&account).await, f.environment(&account).await);
        let query = f.query(&one).await;
        let refusals = stop_responses(&nodes, &one, Some(query.clone()), async || {
            let decide = |before: &Query| before.closed(f.now());
            let closed = domain::Action::QueryClosed;
            f.store.change_query(&f.stamp(), closed, one.id, query.id, None, &decide).await.unwrap();
        });
        assert!(refusals.await.iter().all(|refusal| matches!(refusal, StorageError::NotOpen(_))));
        let refusals = stop_responses(&nodes, &two, None, async || {
            f.store.close_environment(&f.stamp(), two.id, None).await.unwrap();
        });
        assert!(refusals.await.iter().all(|refusal| matches!(refusal, StorageError::Closed)));
        let refusals = stop_responses(&nodes, &three, None, async || {
            f.store.close_account(&f.stamp(), account.id).await.unwrap();
        });
        assert!(refusals.await.iter().all(|refusal| matches!(refusal, StorageError::Closed)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_outlives_a_change_of_the_password_beside_which_it_began() {
    let database = Database::new().await;
    let [here, there] = two_nodes(&database).await;
    let user = here.user("admin@example.com").await;
    let hash = |n: u32| PasswordHash::from_phc(format!("$argon2id${n}"));
    here.store.set_password(&here.stamp(), user.id, &hash(0)).await.unwrap();
    let mut begun = 0;
    for n in 0..40 {
        let session = |f: &Fixture| Session {
            token: f.token(),
            user: user.id,
            created_at: f.now(),
            expires_at: later(),
        };
        let sessions: Vec<_> = (0..3)
            .map(|_| {
                let (f, session) = (there.clone(), session(&there));
                tokio::spawn(async move {
                    let created = f.store.create_session(&session, &hash(n)).await;
                    (session.token, created)
                })
            })
            .collect();
        here.store.set_password(&here.stamp(), user.id, &hash(n + 1)).await.unwrap();
        for session in sessions {
            let (token, created) = session.await.unwrap();
            match created {
                Ok(()) => begun += 1,
                Err(error) => assert!(matches!(error, StorageError::NotFound), "{error}"),
            }
            let found = here.store.session(&token, here.now()).await;
            assert!(matches!(found, Err(StorageError::NotFound)), "{found:?}");
        }
    }
    assert!(begun > 0, "each session came too late to tell");
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_are_noted_beside_changes_of_the_same_keypairs_and_none_waits_in_a_circle() {
    let database = Database::new().await;
    let nodes = two_nodes(&database).await;
    let f = &nodes[0];
    for _ in 0..3 {
        let account = f.account().await;
        let environment = f.environment(&account).await;
        let mut made: Vec<Keypair> = (0..120).map(|_| f.unsaved_keypair(environment.id).0).collect();
        // Who reads the table from its beginning meets them in another order than by their identifiers.
        made.reverse();
        for keypair in &made {
            f.store.create_keypair(&f.stamp(), keypair).await.unwrap();
        }
        let keypairs: Vec<KeyId> = made.iter().map(|keypair| keypair.id).collect();
        let noting: Vec<_> = (0..4)
            .map(|n| {
                let f = nodes[n % 2].clone();
                let mut order = keypairs.clone();
                order.rotate_left(n * 7);
                if n % 2 == 0 {
                    order.reverse();
                }
                tokio::spawn(async move {
                    for _ in 0..20 {
                        let uses: Vec<_> =
                            order.iter().map(|id| KeyUse { keypair: *id, secret: 1, at: f.now() }).collect();
                        f.store.note_uses(&uses).await.unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..8 {
            f.store.outlive_copies(&f.stamp()).await.unwrap();
        }
        f.store.close_environment(&f.stamp(), environment.id, None).await.unwrap();
        for node in noting {
            node.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_check_tells_what_the_constraints_would_have_refused() {
    let database = Database::new().await;
    let f = Fixture::copied_by_others(Arc::new(open(&database).await.unwrap()));
    let account = f.account().await;
    f.keypair(f.environment(&account).await.id).await;
    assert_eq!(f.store.check().await.unwrap(), [""; 0]);
    // As `pg_restore --disable-triggers` goes about it.
    sqlx::raw_sql("SET session_replication_role = replica; DELETE FROM account; DELETE FROM keypair")
        .execute(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(
        f.store.check().await.unwrap(),
        ["1 environments of an account that does not exist", "1 secrets of a keypair that does not exist"]
    );
}
