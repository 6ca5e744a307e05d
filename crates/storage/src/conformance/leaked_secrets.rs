use domain::{Action, Actor, KeySecret, Keypair, KeypairEdit, SecretHash, Stamp};

use super::Fixture;
use crate::StorageError;

fn anonymous(f: &Fixture) -> Stamp {
    Stamp { actor: Actor::Anonymous, address: Some("192.0.2.7".to_owned()), ..f.stamp() }
}

async fn with_secret(f: &Fixture) -> (Keypair, KeySecret) {
    let account = f.account().await;
    let (keypair, secret) = f.unsaved_keypair(account.id);
    f.store.create_keypair(&f.stamp(), &keypair).await.unwrap();
    (keypair, secret)
}

async fn change(f: &Fixture, before: &Keypair, after: &Keypair, action: Action) {
    let decide = |_: &Keypair| Ok((after.clone(), action));
    let changed = f.store.change_keypair(&f.stamp(), before.owner, before.id, None, &decide).await;
    changed.unwrap().unwrap();
}

pub async fn a_leaked_secret_stops_its_keypair_and_says_so(f: Fixture) {
    let (keypair, secret) = with_secret(&f).await;
    let (other, _) = with_secret(&f).await;
    let two = f.rotated(&keypair);
    change(&f, &keypair, &two, Action::KeypairSecretAdded).await;
    let before = f.store.last_sequence().await.unwrap();
    let stamp = anonymous(&f);
    let stopped = f.store.disable_leaked(&stamp, &secret.hash()).await.unwrap();
    assert_eq!(stopped, Some(keypair.id));
    let found = f.store.keypair(keypair.owner, keypair.id).await.unwrap();
    assert_eq!(found, two.leaked(&secret.hash(), stamp.at).unwrap());
    assert_eq!(f.store.live_keypair(keypair.id).await.unwrap().unwrap().keypair, found);
    assert_eq!(f.store.keypairs(keypair.owner, crate::Slice::first(9)).await.unwrap(), [found]);
    assert_eq!(f.store.keypair(other.owner, other.id).await.unwrap(), other);
    let lines = f.store.events_after(before, 9).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (lines[0].action.as_str(), &lines[0].stamp.actor),
        ("keypair.secret_leaked", &Actor::Anonymous)
    );
    assert_eq!(lines[0].stamp.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(lines[0].owner, Some(keypair.owner));
    assert_eq!((&lines[0].before["enabled"], &lines[0].after["enabled"]), (&true.into(), &false.into()));
    assert_eq!(lines[0].hash, lines[0].expected_hash());
}

pub async fn a_secret_leaked_twice_at_the_same_time_leaves_one_line(f: Fixture) {
    let (keypair, secret) = with_secret(&f).await;
    let before = f.store.last_sequence().await.unwrap();
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (f, hash) = (f.clone(), secret.hash());
            tokio::spawn(async move { f.store.disable_leaked(&anonymous(&f), &hash).await.unwrap() })
        })
        .collect();
    let mut stopped = 0;
    for task in tasks {
        stopped += usize::from(task.await.unwrap() == Some(keypair.id));
    }
    assert_eq!((stopped, f.store.last_sequence().await.unwrap()), (1, before + 1));
    let found = f.store.keypair(keypair.owner, keypair.id).await.unwrap();
    assert_eq!((found.generation, found.version), (keypair.generation + 1, keypair.version + 1));
}

pub async fn what_is_no_live_secret_changes_nothing(f: Fixture) {
    let (keypair, secret) = with_secret(&f).await;
    let two = f.rotated(&keypair);
    let mut ended = two.clone();
    ended.secrets[0].expires_at = Some(f.now());
    change(&f, &keypair, &ended, Action::KeypairSecretAdded).await;
    let (removed, its_secret) = with_secret(&f).await;
    f.store.remove_keypair(&f.stamp(), removed.owner, removed.id, None).await.unwrap();
    let before = f.store.last_sequence().await.unwrap();
    for hash in [secret.hash(), its_secret.hash(), SecretHash::from_bytes([7; 32])] {
        assert_eq!(f.store.disable_leaked(&anonymous(&f), &hash).await.unwrap(), None);
    }
    assert_eq!(f.store.last_sequence().await.unwrap(), before);
    assert_eq!(f.store.keypair(keypair.owner, keypair.id).await.unwrap(), ended);
}

pub async fn a_disabled_keypair_s_secret_can_leak_too(f: Fixture) {
    let (keypair, secret) = with_secret(&f).await;
    let edit = KeypairEdit { enabled: Some(false), ..KeypairEdit::default() };
    let disabled = keypair.edited(&edit, None, f.now()).unwrap();
    change(&f, &keypair, &disabled, Action::KeypairDisabled).await;
    let stamp = anonymous(&f);
    assert_eq!(f.store.disable_leaked(&stamp, &secret.hash()).await.unwrap(), Some(keypair.id));
    let found = f.store.keypair(keypair.owner, keypair.id).await.unwrap();
    assert_eq!((found.leaked_at(), found.enabled), (Some(stamp.at), false));
    // Rotating lets go of it, as of any that has run out.
    let rotated = f.rotated(&found);
    change(&f, &found, &rotated, Action::KeypairSecretAdded).await;
    assert_eq!(f.store.keypair(keypair.owner, keypair.id).await.unwrap().leaked_at(), None);
}

pub async fn who_says_nothing_of_itself_may_do_nothing_else(f: Fixture) {
    let (keypair, _) = with_secret(&f).await;
    let before = f.store.last_sequence().await.unwrap();
    let refused = |outcome: Result<(), StorageError>| {
        assert!(matches!(outcome, Err(StorageError::NotAllowed)), "{outcome:?}");
    };
    refused(f.store.remove_keypair(&anonymous(&f), keypair.owner, keypair.id, None).await);
    let (late, _) = f.unsaved_keypair(keypair.owner);
    refused(f.store.create_keypair(&anonymous(&f), &late).await);
    refused(f.store.revoke_token(&anonymous(&f), keypair.id, &f.revoked_token()).await.map(drop));
    assert_eq!(f.store.last_sequence().await.unwrap(), before);
}
