use domain::{
    Action, Date, Environment, NewResponse, Period, PersonHash, Query, QueryId, Scores, Series, Timestamp,
    from_millis,
};

use super::Fixture;
use super::fixture::name;
use crate::{Accepted, Slice, StorageError};

const DAY: i64 = 86_400_000;

/// Noon of the `n`th day of 2026.
fn noon(n: i64) -> Timestamp {
    from_millis(1_767_225_600_000 + n * DAY + DAY / 2)
}

fn days(from: i8, to: i8) -> Period {
    Period::new(Date::constant(2026, 1, from + 1), Date::constant(2026, 1, to + 1)).unwrap()
}

fn response(
    f: &Fixture,
    external_id: &str,
    query: Option<QueryId>,
    score: u8,
    who: u8,
    day: i64,
) -> NewResponse {
    NewResponse {
        id: f.id(),
        external_id: Some(external_id.to_owned()),
        query,
        score,
        text: None,
        respondent: Some(PersonHash([who; 16])),
        machine: Some(PersonHash([who / 2; 16])),
        at: noon(day),
    }
}

async fn close(f: &Fixture, query: &Query) -> Query {
    let stamp = f.stamp();
    let decide = |before: &Query| before.closed(stamp.at);
    let closed =
        f.store.change_query(&stamp, Action::QueryClosed, query.environment, query.id, None, &decide);
    closed.await.unwrap()
}

pub async fn queries_are_kept_edited_and_closed(f: Fixture) {
    let account = f.account().await;
    let (here, there) = (f.environment(&account).await, f.environment(&account).await);
    let (first, second) = (f.query(&here).await, f.query(&here).await);
    assert_eq!(f.store.query(here.id, first.id).await.unwrap(), first);
    assert!(matches!(f.store.query(there.id, first.id).await, Err(StorageError::NotFound)));
    let listed = f.store.queries(here.id, Slice::first(9)).await.unwrap();
    assert_eq!(listed, [second.clone(), first.clone()]);
    let after = Slice { after: Some(second.id), limit: 9 };
    assert_eq!(f.store.queries(here.id, after).await.unwrap(), vec![first.clone()]);
    let edit = |before: &Query| before.edited(Some(name("Other")), None);
    let changed = Action::QueryChanged;
    let edited = f.store.change_query(&f.stamp(), changed, here.id, first.id, Some(1), &edit).await.unwrap();
    assert_eq!((edited.title.as_str(), edited.version), ("Other", 2));
    let late = f.store.change_query(&f.stamp(), changed, here.id, first.id, Some(1), &edit).await;
    assert!(matches!(late, Err(StorageError::Moved)));
    let same = f.store.change_query(&f.stamp(), changed, here.id, first.id, None, &edit).await.unwrap();
    assert_eq!(same, edited);
    let elsewhere = f.store.change_query(&f.stamp(), changed, there.id, first.id, None, &edit).await;
    assert!(matches!(elsewhere, Err(StorageError::NotFound)));
    let closed = close(&f, &first).await;
    assert_eq!(f.store.query(here.id, first.id).await.unwrap(), closed);
}

pub async fn a_batch_is_stored_whole_or_not_at_all(f: Fixture) {
    let account = f.account().await;
    let (here, there) = (f.environment(&account).await, f.environment(&account).await);
    let (open, elsewhere, closing) = (f.query(&here).await, f.query(&there).await, f.query(&here).await);
    let kept = [response(&f, "kept", Some(closing.id), 4, 1, 0)];
    f.store.add_responses(here.id, &kept).await.unwrap();
    close(&f, &closing).await;
    let batch = [
        response(&f, "a", Some(open.id), 5, 1, 0),
        response(&f, "b", Some(elsewhere.id), 5, 2, 0),
        response(&f, "c", Some(closing.id), 5, 3, 0),
        response(&f, "kept", Some(closing.id), 4, 1, 0),
        response(&f, "d", None, 5, 4, 0),
    ];
    let refused = f.store.add_responses(here.id, &batch).await;
    assert!(matches!(refused, Err(StorageError::NotOpen(places)) if places == [1, 2]));
    let point = f.store.combined_point(here.id, Series::Overview, days(0, 0)).await.unwrap();
    assert_eq!(point.scores.responses(), 1, "nothing of the batch was stored");
    f.store.close_environment(&f.stamp(), here.id, None).await.unwrap();
    let refused = f.store.add_responses(here.id, &batch[4..]).await;
    assert!(matches!(refused, Err(StorageError::Closed)));
    let refused = f.store.add_responses(f.id(), &batch[4..]).await;
    assert!(matches!(refused, Err(StorageError::NotFound)));
}

pub async fn repeated_responses_count_once(f: Fixture) {
    let account = f.account().await;
    let (here, there) = (f.environment(&account).await, f.environment(&account).await);
    let batch = [
        response(&f, "a", None, 5, 1, 0),
        response(&f, "b", None, 1, 2, 0),
        response(&f, "a", None, 5, 1, 0),
    ];
    let first = f.store.add_responses(here.id, &batch).await.unwrap();
    assert_eq!(first, Accepted { accepted: 2, duplicates: 1 });
    let again = [response(&f, "a", None, 3, 9, 0), response(&f, "c", None, 3, 1, 0)];
    let second = f.store.add_responses(here.id, &again).await.unwrap();
    assert_eq!(second, Accepted { accepted: 1, duplicates: 1 });
    let elsewhere = [response(&f, "a", None, 5, 1, 0)];
    assert_eq!(f.store.add_responses(there.id, &elsewhere).await.unwrap().accepted, 1);
    let point = f.store.combined_point(here.id, Series::Overview, days(0, 0)).await.unwrap();
    assert_eq!(point.scores, Scores([1, 0, 1, 0, 1]));
    assert_eq!(point.respondents, 2);
}

pub async fn the_same_batch_at_the_same_time_counts_once(f: Fixture) {
    let account = f.account().await;
    let here = f.environment(&account).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let f = f.clone();
            let batch: Vec<_> = (0..20u8).map(|n| response(&f, &format!("r{n}"), None, 3, n, 0)).collect();
            tokio::spawn(async move { f.store.add_responses(here.id, &batch).await.unwrap() })
        })
        .collect();
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.unwrap().accepted;
    }
    assert_eq!(accepted, 20);
    let point = f.store.combined_point(here.id, Series::Overview, days(0, 0)).await.unwrap();
    assert_eq!((point.scores.responses(), point.respondents, point.machines), (20, 20, 10));
}

pub async fn people_are_counted_once_across_days_and_series(f: Fixture) {
    let account = f.account().await;
    let here = f.environment(&account).await;
    let query = f.query(&here).await.id;
    let batch = [
        response(&f, "a", None, 1, 1, 0),
        response(&f, "b", Some(query), 5, 1, 0),
        response(&f, "c", Some(query), 4, 1, 2),
        response(&f, "d", None, 2, 7, 2),
        response(&f, "e", None, 2, 8, 9),
    ];
    f.store.add_responses(here.id, &batch).await.unwrap();

    let combined = f.store.combined_point(here.id, Series::Overview, days(0, 2)).await.unwrap();
    assert_eq!(combined.scores, Scores([1, 1, 0, 1, 1]));
    assert_eq!((combined.respondents, combined.machines), (2, 2));
    let daily = f.store.daily_points(here.id, Series::Overview, days(0, 9)).await.unwrap();
    let counts: Vec<_> =
        daily.iter().map(|p| (p.period.from().day(), p.scores.responses(), p.respondents)).collect();
    assert_eq!(counts, [(1, 2, 1), (3, 2, 2), (10, 1, 1)]);
    let spontaneous = f.store.combined_point(here.id, Series::Spontaneous, days(0, 9)).await.unwrap();
    assert_eq!((spontaneous.scores.responses(), spontaneous.respondents), (3, 3));
    let of_query = f.store.combined_point(here.id, Series::Query(query), days(0, 9)).await.unwrap();
    assert_eq!((of_query.scores.responses(), of_query.respondents), (2, 1));
    let before = f.store.combined_point(here.id, Series::Overview, days(0, 2).preceding()).await.unwrap();
    assert_eq!((before.scores.responses(), before.respondents, before.scores.average()), (0, 0, None));
}

pub async fn statistics_cover_all_time(f: Fixture) {
    let account = f.account().await;
    let here = f.environment(&account).await;
    let (query, unanswered) = (f.query(&here).await.id, f.query(&here).await.id);
    let batch = [
        response(&f, "a", Some(query), 1, 1, -400),
        response(&f, "b", Some(query), 5, 1, 3),
        response(&f, "c", None, 5, 2, 3),
    ];
    f.store.add_responses(here.id, &batch).await.unwrap();
    let all = f.store.query_statistics(here.id, query).await.unwrap();
    assert_eq!((all.scores.responses(), all.respondents, all.machines), (2, 1, 1));
    assert_eq!((all.first_response_at, all.last_response_at), (Some(noon(-400)), Some(noon(3))));
    let none = f.store.query_statistics(here.id, unanswered).await.unwrap();
    assert_eq!((none.scores.responses(), none.first_response_at), (0, None));
}

/// One of many people, on a machine that ten of them share.
fn one_of_many(f: &Fixture, query: Option<QueryId>, who: u32, day: i64) -> NewResponse {
    let hash = |n: u32| {
        let mut hash = [0; 16];
        hash[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B1).to_be_bytes());
        PersonHash(hash)
    };
    NewResponse {
        external_id: None,
        respondent: Some(hash(who)),
        machine: Some(hash(who / 10)),
        ..response(f, "", query, 3, 0, day)
    }
}

/// How many respondents and machines there are in a period.
async fn people(f: &Fixture, environment: &Environment, series: Series, period: Period) -> (u64, u64) {
    let point = f.store.combined_point(environment.id, series, period).await.unwrap();
    (point.respondents, point.machines)
}

pub async fn more_people_than_are_stored_together_are_counted_once(f: Fixture) {
    let account = f.account().await;
    let here = f.environment(&account).await;
    let query = f.query(&here).await.id;
    let many: Vec<_> = (0..65_000).map(|who| one_of_many(&f, None, who, 0)).collect();
    // A batch has its limit of time, also on a machine that has much else to do.
    for part in many.chunks(5_000) {
        f.store.add_responses(here.id, part).await.unwrap();
    }
    let later: Vec<_> = (64_900..66_000).map(|who| one_of_many(&f, Some(query), who, 1)).collect();
    f.store.add_responses(here.id, &later).await.unwrap();
    let again: Vec<_> = (65_990..66_010).map(|who| one_of_many(&f, None, who, 0)).collect();
    f.store.add_responses(here.id, &again).await.unwrap();

    assert_eq!(people(&f, &here, Series::Overview, days(0, 1)).await, (66_010, 6_601));
    assert_eq!(people(&f, &here, Series::Overview, days(1, 1)).await, (1_100, 110));
    assert_eq!(people(&f, &here, Series::Spontaneous, days(0, 1)).await, (65_020, 6_502));
    let all = f.store.query_statistics(here.id, query).await.unwrap();
    assert_eq!((all.respondents, all.machines), (1_100, 110));
    let daily = f.store.daily_points(here.id, Series::Overview, days(0, 1)).await.unwrap();
    let counts: Vec<_> = daily.iter().map(|p| (p.scores.responses(), p.respondents, p.machines)).collect();
    assert_eq!(counts, [(65_020, 65_020, 6_502), (1_100, 1_100, 110)]);
}

pub async fn a_late_response_adds_to_its_own_day(f: Fixture) {
    let account = f.account().await;
    let (here, there) = (f.environment(&account).await, f.environment(&account).await);
    for (day, who) in [(5, 1), (2, 1), (5, 2), (2, 3), (5, 1)] {
        f.store.add_responses(here.id, &[one_of_many(&f, None, who * 10, day)]).await.unwrap();
    }
    f.store.add_responses(there.id, &[one_of_many(&f, None, 10, 3)]).await.unwrap();
    let daily = f.store.daily_points(here.id, Series::Spontaneous, days(0, 9)).await.unwrap();
    let counts: Vec<_> = daily
        .iter()
        .map(|p| (p.period.from().day(), p.scores.responses(), p.respondents, p.machines))
        .collect();
    assert_eq!(counts, [(3, 2, 2, 2), (6, 3, 2, 2)]);
    assert_eq!(people(&f, &here, Series::Spontaneous, days(0, 9)).await, (3, 3));
    assert_eq!(people(&f, &here, Series::Spontaneous, days(3, 9)).await, (2, 2));
    assert_eq!(people(&f, &there, Series::Overview, days(0, 9)).await, (1, 1));
}

pub async fn people_of_batches_at_the_same_time_are_counted_once(f: Fixture) {
    let account = f.account().await;
    let here = f.environment(&account).await;
    let query = f.query(&here).await.id;
    // Each batch shares half of its people with the next, brings each twice, and one response that all of them bring.
    let tasks: Vec<_> = (0..8u32)
        .map(|n| {
            let f = f.clone();
            let mut batch: Vec<_> = (n * 100..n * 100 + 200)
                .flat_map(|who| [(None, 0), (Some(query), 1)].map(|(query, day)| (query, who, day)))
                .map(|(query, who, day)| one_of_many(&f, query, who, day))
                .collect();
            batch.push(NewResponse { external_id: Some("shared".to_owned()), ..one_of_many(&f, None, 0, 2) });
            tokio::spawn(async move { f.store.add_responses(here.id, &batch).await.unwrap() })
        })
        .collect();
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.unwrap().accepted;
    }
    assert_eq!(accepted, 8 * 400 + 1);
    for series in [Series::Overview, Series::Spontaneous, Series::Query(query)] {
        assert_eq!(people(&f, &here, series, days(0, 2)).await, (900, 90), "{series:?}");
    }
    let daily = f.store.daily_points(here.id, Series::Overview, days(0, 2)).await.unwrap();
    let counts: Vec<_> = daily.iter().map(|p| (p.scores.responses(), p.respondents)).collect();
    assert_eq!(counts, [(1_600, 900), (1_600, 900), (1, 1)]);
}
