use domain::{Action, Keypair, from_millis};

use super::Fixture;
use crate::{AssertionUse, KeyUse, Slice};

async fn change(f: &Fixture, before: &Keypair, after: &Keypair) {
    let decide = |_: &Keypair| Ok((after.clone(), Action::KeypairPublicKeyAdded));
    let changed = f.store.change_keypair(&f.stamp(), before.owner, before.id, None, &decide).await;
    assert_eq!(changed.unwrap().unwrap(), *after);
}

pub async fn public_keys_come_and_go_with_the_keypair(f: Fixture) {
    let account = f.account().await;
    let (keypair, beside) = (f.keypair(account.id).await, f.keypair(account.id).await);
    let one = f.with_public_key(&keypair, 0);
    change(&f, &keypair, &one).await;
    let mut two = f.with_public_key(&one, 1);
    two.accepts_secrets = false;
    two.public_keys[1].expires_at = Some(from_millis(4_000_000_000_000));
    change(&f, &one, &two).await;
    let found = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    assert_eq!(found, two);
    assert_eq!(found.public_keys.iter().map(|public| public.n).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(f.store.live_keypair(keypair.id).await.unwrap().unwrap().keypair, two);
    let listed = f.store.keypairs(account.id.into(), Slice::first(9)).await.unwrap();
    assert_eq!(listed, [beside, two.clone()]);

    f.store.note_uses(&[KeyUse { keypair: keypair.id, secret: 3, at: from_millis(9000) }]).await.unwrap();
    let used = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    let times = used.public_keys.iter().map(|public| public.last_used_at).collect::<Vec<_>>();
    assert_eq!(times, [None, Some(from_millis(9000))]);
    assert_eq!(used.secrets[0].last_used_at, None);

    let without = used.without_public_key(2, f.now()).unwrap();
    change(&f, &used, &without).await;
    assert_eq!(f.store.live_keypair(keypair.id).await.unwrap().unwrap().keypair, without);
    f.store.remove_keypair(&f.stamp(), account.id.into(), keypair.id, None).await.unwrap();
    assert!(f.store.live_keypair(keypair.id).await.unwrap().is_none());

    let mut born = f.unsaved_keypair(account.id).0;
    born = f.with_public_key(&born, 1);
    born.accepts_secrets = false;
    f.store.create_keypair(&f.stamp(), &born).await.unwrap();
    assert_eq!(f.store.keypair(account.id.into(), born.id).await.unwrap(), born);
}

pub async fn an_assertion_is_first_once(f: Fixture) {
    let account = f.account().await;
    let (one, other) = (f.keypair(account.id).await.id, f.keypair(account.id).await.id);
    let (jti, another) = (f.token(), f.token());
    let before = f.store.last_sequence().await.unwrap();
    for (keypair, jti, expected) in [
        (one, jti, AssertionUse::First),
        (one, jti, AssertionUse::Replayed),
        (other, jti, AssertionUse::First),
        (one, another, AssertionUse::First),
        (one, jti, AssertionUse::Replayed),
    ] {
        assert_eq!(f.store.use_assertion(keypair, &jti, from_millis(5000)).await.unwrap(), expected);
    }
    assert_eq!(f.store.last_sequence().await.unwrap(), before, "it is no change for the log");
}

pub async fn of_the_same_assertion_at_the_same_time_one_is_first(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await.id;
    for _ in 0..8 {
        let jti = f.token();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let f = f.clone();
                tokio::spawn(async move { f.store.use_assertion(keypair, &jti, from_millis(5000)).await })
            })
            .collect();
        let mut first = 0;
        for task in tasks {
            first += usize::from(task.await.unwrap().unwrap() == AssertionUse::First);
        }
        assert_eq!(first, 1);
    }
}

pub async fn an_assertion_is_kept_until_a_sweep_after_its_time(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await.id;
    let (soon, late) = (f.token(), f.token());
    let present =
        async |jti: [u8; 32], until| f.store.use_assertion(keypair, &jti, from_millis(until)).await.unwrap();
    present(soon, 5000).await;
    present(late, 5001).await;
    f.store.sweep(from_millis(4999)).await.unwrap();
    assert_eq!(present(soon, 5000).await, AssertionUse::Replayed);
    f.store.sweep(from_millis(5000)).await.unwrap();
    assert_eq!(present(soon, 5000).await, AssertionUse::First);
    assert_eq!(present(late, 5001).await, AssertionUse::Replayed);
}
