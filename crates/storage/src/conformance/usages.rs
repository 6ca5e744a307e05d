use domain::{
    Action, Activity, Call, Keypair, KeypairRefusal, Program, Scope, Scopes, USAGE_KEPT, Usage, usage_from,
    utc_date,
};
use jiff::{SignedDuration, ToSpan};

use super::Fixture;
use crate::StorageError;

fn request(operation: &'static str, scope: Scope) -> Activity {
    Activity::Request(operation.into(), Some(scope))
}

/// What is stored of the keypair, in order.
async fn stored(f: &Fixture, keypair: &Keypair) -> Vec<Usage> {
    let from = usage_from(f.now(), 400);
    Usage::added_up(f.store.usage(keypair.id, from).await.unwrap().usage)
}

pub async fn usage_adds_up_by_day_and_activity(f: Fixture) {
    let account = f.account().await;
    let (one, other) = (f.keypair(account.id).await, f.keypair(account.id).await);
    let first = f.usage(&one, request("overview", Scope::ReportRead));
    let called = Call {
        address: Some("2001:db8::1".parse().unwrap()),
        program: Program::from_user_agent("curl/8.5.0"),
        ..first.last.clone()
    };
    let first = Usage { last: called, ..first };
    let before = first.day.yesterday().unwrap();
    let others = [
        f.usage(&one, Activity::Token),
        f.usage(&one, Activity::Refused("overview".into())),
        f.usage(&one, Activity::Request("overview".into(), None)),
        Usage { day: before, ..f.usage(&one, request("overview", Scope::ReportRead)) },
        f.usage(&other, Activity::Token),
    ];
    // Each twice, in one call and in two.
    f.store.add_usage(&[first.clone(), others[0].clone(), first.clone(), others[1].clone()]).await.unwrap();
    f.store.add_usage(&others).await.unwrap();
    let later = Usage { count: 40, ..f.usage(&one, first.activity.clone()) };
    f.store.add_usage(std::slice::from_ref(&later)).await.unwrap();
    f.store.add_usage(&[Usage { last: first.last.clone(), ..later.clone() }]).await.unwrap();
    f.store.add_usage(&[]).await.unwrap();

    let count = |usage: &Usage, count| Usage { count, ..usage.clone() };
    let expected = vec![
        count(&later, 82),
        count(&others[0], 2),
        count(&others[1], 2),
        others[2].clone(),
        others[3].clone(),
    ];
    assert_eq!(stored(&f, &one).await, Usage::added_up(expected));
    assert_eq!(stored(&f, &other).await, [others[4].clone()]);

    let of = async |from| f.store.usage(one.id, from).await.unwrap();
    assert!(of(first.day).await.usage.iter().all(|usage| usage.day == first.day), "from that day on");
    assert!(of(first.day).await.since >= first.day);
    let nobody: Keypair = f.unsaved_keypair(account.id).0;
    f.store.add_usage(&[f.usage(&nobody, Activity::Token)]).await.unwrap();
    assert!(stored(&f, &nobody).await.is_empty());
    assert_eq!(f.store.keypair(account.id.into(), one.id).await.unwrap(), one, "use is no edit");

    let mut by_day = f.store.requests_by_day(&[one.id, other.id, nobody.id], before).await.unwrap();
    by_day.sort();
    assert_eq!(by_day, [(one.id, before, 1), (one.id, first.day, 83)]);
    assert_eq!(f.store.requests_by_day(&[], before).await.unwrap(), []);
}

pub async fn usage_that_is_added_at_the_same_time_is_counted_whole(f: Fixture) {
    let account = f.account().await;
    let mut usage = Vec::new();
    for _ in 0..4 {
        let keypair = f.keypair(account.id).await;
        usage.push(f.usage(&keypair, Activity::Token));
    }
    let adding: Vec<_> = (0..16)
        .map(|n| {
            let (f, mut usage) = (f.clone(), usage.clone());
            usage.rotate_left(n % 4);
            tokio::spawn(async move { f.store.add_usage(&usage).await })
        })
        .collect();
    for task in adding {
        task.await.unwrap().unwrap();
    }
    for one in usage {
        let counted = f.store.usage(one.keypair, one.day).await.unwrap();
        assert_eq!(counted.usage, [Usage { count: 16, ..one }]);
    }
}

pub async fn usage_goes_with_its_keypair(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let (removed, closed) = (f.keypair(account.id).await, f.keypair(environment.id).await);
    let last = f.keypair(account.id).await;
    for keypair in [&removed, &closed, &last] {
        f.store.add_usage(&[f.usage(keypair, Activity::Token)]).await.unwrap();
    }
    f.store.remove_keypair(&f.stamp(), removed.owner, removed.id, None).await.unwrap();
    assert!(stored(&f, &removed).await.is_empty());
    f.store.close_environment(&f.stamp(), environment.id, None).await.unwrap();
    assert!(stored(&f, &closed).await.is_empty());
    assert_eq!(stored(&f, &last).await.len(), 1);
    f.store.close_account(&f.stamp(), account.id).await.unwrap();
    assert!(stored(&f, &last).await.is_empty());
    assert!(f.store.check().await.unwrap().is_empty());
}

pub async fn usage_is_kept_for_some_days(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let now = f.now();
    let kept = usage_from(now, USAGE_KEPT);
    for day in [kept, kept.yesterday().unwrap(), kept.saturating_sub(9.days()), utc_date(now)] {
        f.store.add_usage(&[Usage { day, ..f.usage(&keypair, Activity::Token) }]).await.unwrap();
    }
    f.store.sweep(now).await.unwrap();
    let days: Vec<_> = stored(&f, &keypair).await.iter().map(|usage| usage.day).collect();
    assert_eq!(days, [kept, utc_date(now)]);
}

pub async fn what_closing_an_owner_would_stop_is_told(f: Fixture) {
    let account = f.account().await;
    let (here, there) = (f.environment(&account).await, f.environment(&account).await);
    let stranger = f.account().await;
    let from = utc_date(f.now());
    let mut keypairs = Vec::new();
    for owner in [domain::Owner::from(account.id), here.id.into(), there.id.into(), stranger.id.into()] {
        let keypair = f.keypair(owner).await;
        f.keypair(owner).await;
        let read = Usage { count: 5, ..f.usage(&keypair, request("overview", Scope::ReportRead)) };
        f.store.add_usage(&[read, f.usage(&keypair, Activity::Token)]).await.unwrap();
        keypairs.push(keypair);
    }
    let yesterday = Usage { day: from.yesterday().unwrap(), ..f.usage(&keypairs[0], Activity::Token) };
    f.store.add_usage(&[yesterday]).await.unwrap();
    let in_use = async |owner: domain::Owner, above, limit| {
        let found = f.store.keypairs_in_use(owner, above, from, limit).await.unwrap();
        found.into_iter().map(|one| (one.keypair, one.owner, one.requests)).collect::<Vec<_>>()
    };
    let [of_account, of_here, of_there] = [0, 1, 2].map(|n| (keypairs[n].id, keypairs[n].owner, 5));
    assert_eq!(in_use(account.id.into(), None, 9).await, [of_there, of_here, of_account], "the latest first");
    assert_eq!(in_use(account.id.into(), None, 2).await, [of_there, of_here]);
    assert_eq!(in_use(here.id.into(), None, 9).await, [of_here]);
    assert_eq!(in_use(here.id.into(), Some(account.id), 9).await, [of_here, of_account]);
    let tomorrow = from.tomorrow().unwrap();
    assert!(f.store.keypairs_in_use(account.id.into(), None, tomorrow, 9).await.unwrap().is_empty());
}

pub async fn scopes_are_decided_by_what_was_used(f: Fixture) {
    let account = f.account().await;
    let (keypair, _) = f.unsaved_keypair(account.id);
    let scopes: Scopes = [Scope::ReportRead, Scope::Admin].into_iter().collect();
    let keypair = Keypair { scopes, ..keypair };
    f.store.create_keypair(&f.stamp(), &keypair).await.unwrap();
    let narrow = async |owner, from| {
        let decide =
            |before: &Keypair, used| Ok((before.without_unused_scopes(used)?, Action::KeypairChanged));
        f.store.change_keypair_by_use(&f.stamp(), owner, keypair.id, from, &decide).await
    };
    let from = utc_date(f.now());
    let sequence = f.store.last_sequence().await.unwrap();
    let nothing_used = narrow(account.id.into(), from).await.unwrap();
    assert_eq!(nothing_used, Err(KeypairRefusal::NoScopeUsed));
    let long_ago = f.now() - SignedDuration::from_hours(24);
    let admin = Usage { day: utc_date(long_ago), ..f.usage(&keypair, request("close", Scope::Admin)) };
    f.store.add_usage(&[admin, f.usage(&keypair, request("overview", Scope::ReportRead))]).await.unwrap();
    let elsewhere = narrow(f.environment(&account).await.id.into(), from).await;
    assert!(matches!(elsewhere, Err(StorageError::NotFound)));
    let both = narrow(account.id.into(), utc_date(long_ago)).await.unwrap().unwrap();
    assert_eq!(both, keypair);
    assert_eq!(f.store.last_sequence().await.unwrap(), sequence + 1, "the environment's line alone");

    let narrowed = narrow(account.id.into(), from).await.unwrap().unwrap();
    assert_eq!(narrowed.scopes, Scope::ReportRead.into());
    assert_eq!(f.store.keypair(account.id.into(), keypair.id).await.unwrap(), narrowed);
    let changes = f.store.changes_after(sequence + 1, 9).await.unwrap();
    assert_eq!(changes.iter().map(|change| &*change.action).collect::<Vec<_>>(), ["keypair.changed"]);
}
