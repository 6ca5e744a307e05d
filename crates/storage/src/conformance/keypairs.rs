use domain::{Action, Comment, Keypair, KeypairEdit, Owner, from_millis};

use super::Fixture;
use crate::{KeyUse, Slice, StorageError};

fn commented(f: &Fixture, keypair: &Keypair, comment: &str) -> Keypair {
    let edit = KeypairEdit { comment: Some(Comment::new(comment).unwrap()), ..KeypairEdit::default() };
    keypair.edited(&edit, None, f.now()).unwrap()
}

pub async fn keypairs_are_kept_and_belong_to_their_owner(f: Fixture) {
    let account = f.account().await;
    let (here, there) = (f.environment(&account).await, f.environment(&account).await);
    let keypair = f.keypair(here.id).await;
    assert_eq!(f.store.keypair(here.id.into(), keypair.id).await.unwrap(), keypair);
    for stranger in [Owner::from(there.id), Owner::from(account.id)] {
        let refused = f.store.keypair(stranger, keypair.id).await;
        assert!(matches!(refused, Err(StorageError::NotFound)));
        let refused = f.store.remove_keypair(&f.stamp(), stranger, keypair.id, None).await;
        assert!(matches!(refused, Err(StorageError::NotFound)));
        assert!(f.store.keypairs(stranger, Slice::first(9)).await.unwrap().is_empty());
    }
    let live = f.store.live_keypair(keypair.id).await.unwrap().unwrap();
    assert_eq!((live.keypair, live.account), (keypair, account.id));
    let of_account = f.keypair(account.id).await;
    let live = f.store.live_keypair(of_account.id).await.unwrap().unwrap();
    assert_eq!((live.keypair.owner, live.account), (account.id.into(), account.id));
}

pub async fn keypairs_are_listed_newest_first_in_parts(f: Fixture) {
    let account = f.account().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(f.keypair(account.id).await);
    }
    made.reverse();
    let owner = account.id.into();
    let first = f.store.keypairs(owner, Slice::first(2)).await.unwrap();
    assert_eq!(first, made[..2]);
    let rest = Slice { after: first.last().map(|keypair| keypair.id), limit: 9 };
    assert_eq!(f.store.keypairs(owner, rest).await.unwrap(), made[2..]);
}

pub async fn an_edit_of_what_moved_on_is_refused(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let edited = commented(&f, &keypair, "first");
    f.store.save_keypair(&f.stamp(), Action::KeypairChanged, &keypair, &edited).await.unwrap();
    let late = commented(&f, &keypair, "second");
    let refused = f.store.save_keypair(&f.stamp(), Action::KeypairChanged, &keypair, &late).await;
    assert!(matches!(refused, Err(StorageError::Moved)));
    let refused = f.store.remove_keypair(&f.stamp(), account.id.into(), keypair.id, Some(1)).await;
    assert!(matches!(refused, Err(StorageError::Moved)));
    assert_eq!(f.store.keypair(account.id.into(), keypair.id).await.unwrap(), edited);
}

pub async fn of_edits_at_the_same_time_one_wins(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let (f, keypair) = (f.clone(), keypair.clone());
            let edited = commented(&f, &keypair, &format!("edit {n}"));
            tokio::spawn(async move {
                f.store.save_keypair(&f.stamp(), Action::KeypairChanged, &keypair, &edited).await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, StorageError::Moved), "{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(f.store.keypair(account.id.into(), keypair.id).await.unwrap().version, 2);
}

pub async fn secrets_come_and_go_with_the_keypair(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let two = f.rotated(&keypair);
    f.store.save_keypair(&f.stamp(), Action::KeypairSecretAdded, &keypair, &two).await.unwrap();
    let found = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    assert_eq!(found, two);
    assert_eq!(found.secrets.iter().map(|secret| secret.n).collect::<Vec<_>>(), [1, 2]);
    assert_ne!(found.secrets[0].hash, found.secrets[1].hash);
    let one = two.without_secret(1, f.now()).unwrap();
    f.store.save_keypair(&f.stamp(), Action::KeypairSecretDeleted, &two, &one).await.unwrap();
    assert_eq!(f.store.live_keypair(keypair.id).await.unwrap().unwrap().keypair, one);
}

pub async fn a_secrets_number_is_never_given_twice(f: Fixture) {
    let account = f.account().await;
    let one = f.keypair(account.id).await;
    let two = f.rotated(&one);
    f.store.save_keypair(&f.stamp(), Action::KeypairSecretAdded, &one, &two).await.unwrap();
    let without = two.without_secret(2, f.now()).unwrap();
    f.store.save_keypair(&f.stamp(), Action::KeypairSecretDeleted, &two, &without).await.unwrap();
    let found = f.store.keypair(account.id.into(), one.id).await.unwrap();
    assert_eq!(found.secrets_made, 2);
    assert_eq!(f.store.live_keypair(one.id).await.unwrap().unwrap().keypair.secrets_made, 2);
    assert_eq!(f.store.keypairs(account.id.into(), Slice::first(1)).await.unwrap()[0], found);
    let numbers: Vec<_> = f.rotated(&found).secrets.iter().map(|secret| secret.n).collect();
    assert_eq!(numbers, [1, 3]);
}

pub async fn a_removed_keypair_is_gone_for_good(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    f.store.remove_keypair(&f.stamp(), account.id.into(), keypair.id, Some(1)).await.unwrap();
    assert!(f.store.live_keypair(keypair.id).await.unwrap().is_none());
    let edited = commented(&f, &keypair, "after");
    let refused = f.store.save_keypair(&f.stamp(), Action::KeypairChanged, &keypair, &edited).await;
    assert!(matches!(refused, Err(StorageError::NotFound)));
    let refused = f.store.remove_keypair(&f.stamp(), account.id.into(), keypair.id, None).await;
    assert!(matches!(refused, Err(StorageError::NotFound)));
}

pub async fn last_used_never_moves_back(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let used = |ms| KeyUse { keypair: keypair.id, secret: 1, at: from_millis(ms) };
    f.store.note_uses(&[used(5000), used(9000)]).await.unwrap();
    f.store.note_uses(&[used(7000)]).await.unwrap();
    f.store.note_uses(&[KeyUse { keypair: f.id(), secret: 1, at: from_millis(1) }]).await.unwrap();
    let found = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    assert_eq!(found.last_used_at, Some(from_millis(9000)));
    assert_eq!(found.secrets[0].last_used_at, Some(from_millis(9000)));
    assert_eq!(found.version, keypair.version, "use is no edit");
}

pub async fn a_change_gets_its_turn_while_uses_are_noted(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let at = f.now();
    let uses: Vec<_> = (0..20_000).map(|n| KeyUse { keypair: keypair.id, secret: n, at }).collect();
    let noting = tokio::spawn({
        let f = f.clone();
        async move { f.store.note_uses(&uses).await }
    });
    while f.store.keypair(account.id.into(), keypair.id).await.unwrap().last_used_at.is_none() {
        assert!(!noting.is_finished(), "all were noted at once");
        tokio::task::yield_now().await;
    }
    f.store.remove_keypair(&f.stamp(), account.id.into(), keypair.id, None).await.unwrap();
    assert!(!noting.is_finished(), "the change waited for all of them");
    noting.await.unwrap().unwrap();
}
