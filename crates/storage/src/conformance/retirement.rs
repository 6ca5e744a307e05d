use domain::{Action, Keypair, KeypairEdit, Owner, SignedDuration, Timestamp};

use super::Fixture;
use crate::{KeyUse, Slice};

const HOUR: i64 = 3600;

async fn change(f: &Fixture, before: &Keypair, after: &Keypair) {
    let decide = |_: &Keypair| Ok((after.clone(), Action::KeypairChanged));
    let changed = f.store.change_keypair(&f.stamp(), before.owner, before.id, None, &decide).await;
    changed.unwrap().unwrap();
}

/// A keypair that was rotated, its first secret to end once it was idle for an hour.
async fn rotated(f: &Fixture, owner: impl Into<Owner>) -> Keypair {
    let keypair = f.keypair(owner).await;
    let rotated = f.rotated_for_idleness(&keypair, HOUR);
    change(f, &keypair, &rotated).await;
    rotated
}

async fn use_secret(f: &Fixture, keypair: &Keypair, n: u32, at: Timestamp) {
    f.store.note_uses(&[KeyUse { keypair: keypair.id, secret: n, at }]).await.unwrap();
}

async fn found(f: &Fixture, now: Timestamp) -> Vec<Keypair> {
    let mut found = Vec::new();
    for (owner, id) in f.store.keypairs_to_retire(now).await.unwrap() {
        found.push(f.store.keypair(owner, id).await.unwrap());
    }
    found
}

/// Ends what is idle at `now`, as somebody does who was always watching; the keypair as it is then.
async fn retire(f: &Fixture, keypair: &Keypair, now: Timestamp) -> Keypair {
    let decide =
        |before: &Keypair| Ok((before.retired(Timestamp::UNIX_EPOCH, now), Action::KeypairSecretRetired));
    f.store.change_keypair(&f.stamp(), keypair.owner, keypair.id, None, &decide).await.unwrap().unwrap()
}

fn numbers(keypair: &Keypair) -> Vec<u32> {
    keypair.secrets.iter().map(|secret| secret.n).collect()
}

fn later(f: &Fixture, seconds: i64) -> Timestamp {
    f.now() + SignedDuration::from_secs(seconds)
}

pub async fn how_a_secret_ends_when_idle_is_kept(f: Fixture) {
    let account = f.account().await;
    let two = rotated(&f, account.id).await;
    assert!(two.secrets[0].retirement.is_some() && two.secrets[1].retirement.is_none());
    assert_eq!(f.store.keypair(two.owner, two.id).await.unwrap(), two);
    assert_eq!(f.store.live_keypair(two.id).await.unwrap().unwrap().keypair, two);
    assert_eq!(f.store.keypairs(two.owner, Slice::first(9)).await.unwrap(), std::slice::from_ref(&two));
    let three = f.rotated_for_idleness(&two, 60);
    change(&f, &two, &three).await;
    assert_ne!(three.secrets[0].retirement, two.secrets[0].retirement);
    assert_eq!(f.store.keypair(two.owner, two.id).await.unwrap(), three);
    let (unsaved, _) = f.unsaved_keypair(account.id);
    let made = f.rotated_for_idleness(&unsaved, HOUR);
    f.store.create_keypair(&f.stamp(), &made).await.unwrap();
    assert_eq!(f.store.keypair(made.owner, made.id).await.unwrap(), made);
}

pub async fn what_may_have_to_go_is_found_and_nothing_that_stays_for_good(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let plain = f.keypair(account.id).await;
    change(&f, &plain, &f.rotated(&plain)).await;
    use_secret(&f, &plain, 2, f.now()).await;
    let unused = rotated(&f, account.id).await;
    use_secret(&f, &unused, 1, f.now()).await;
    let due = rotated(&f, environment.id).await;
    use_secret(&f, &due, 2, f.now()).await;
    let disabled = rotated(&f, account.id).await;
    use_secret(&f, &disabled, 2, f.now()).await;
    let off = KeypairEdit { enabled: Some(false), ..KeypairEdit::default() };
    change(&f, &disabled, &disabled.edited(&off, None, f.now()).unwrap()).await;
    let in_use = rotated(&f, account.id).await;
    use_secret(&f, &in_use, 2, f.now()).await;
    use_secret(&f, &in_use, 1, later(&f, HOUR)).await;

    assert!(found(&f, later(&f, HOUR - 60)).await.is_empty());
    let after_an_hour = found(&f, later(&f, HOUR + 60)).await;
    assert_eq!(after_an_hour.iter().map(|keypair| keypair.id).collect::<Vec<_>>(), [due.id]);
    let mut after_a_day: Vec<_> =
        found(&f, later(&f, 24 * HOUR)).await.iter().map(|keypair| keypair.id).collect();
    after_a_day.sort();
    assert_eq!(after_a_day, [due.id, in_use.id]);
    for keypair in found(&f, later(&f, 24 * HOUR)).await {
        assert_eq!(numbers(&retire(&f, &keypair, later(&f, 24 * HOUR)).await), [2]);
    }
    assert!(found(&f, later(&f, 48 * HOUR)).await.is_empty());
}

pub async fn an_idle_secret_ends_once_whoever_looks(f: Fixture) {
    let account = f.account().await;
    let keypair = rotated(&f, account.id).await;
    use_secret(&f, &keypair, 2, f.now()).await;
    let before = f.store.last_sequence().await.unwrap();
    let now = later(&f, 2 * HOUR);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (f, keypair) = (f.clone(), keypair.clone());
            tokio::spawn(async move { retire(&f, &keypair, now).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(numbers(&task.await.unwrap()), [2]);
    }
    let lines = f.store.events_after(before, 99).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.action.as_str()).collect::<Vec<_>>(), ["keypair.secret_retired"]);
    assert_eq!(lines[0].before["secrets"][0]["retire_when_idle_seconds"], HOUR);
    assert_eq!(lines[0].after["secrets"].as_array().unwrap().len(), 1);
}

pub async fn a_use_that_is_noted_in_time_keeps_its_secret(f: Fixture) {
    let account = f.account().await;
    let keypair = rotated(&f, account.id).await;
    use_secret(&f, &keypair, 2, f.now()).await;
    let now = later(&f, 2 * HOUR);
    let (owner, id) = f.store.keypairs_to_retire(now).await.unwrap()[0];
    assert_eq!((owner, id), (keypair.owner, keypair.id));
    // Between the look and the decision.
    use_secret(&f, &keypair, 1, later(&f, HOUR + 60)).await;
    assert_eq!(numbers(&retire(&f, &keypair, now).await), [1, 2]);
}

pub async fn idleness_in_a_restored_store_counts_from_then(f: Fixture) {
    let account = f.account().await;
    let keypair = rotated(&f, account.id).await;
    use_secret(&f, &keypair, 2, f.now()).await;
    let mut stamp = f.stamp();
    stamp.at = later(&f, 48 * HOUR);
    f.store.outlive_copies(&stamp).await.unwrap();
    let found = f.store.keypair(keypair.owner, keypair.id).await.unwrap();
    assert_eq!(found.secrets[0].retirement.unwrap().counted_from, stamp.at);
    assert_eq!(found.secrets[1].retirement, None);
    assert_eq!(numbers(&retire(&f, &keypair, later(&f, 48 * HOUR + 60)).await), [1, 2]);
}
