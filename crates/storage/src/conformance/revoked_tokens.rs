use domain::{
    Action, Actor, Fallen, Keypair, KeypairEdit, MAX_REVOKED, RevokedToken, Stamp, Standing, TokenId,
};
use jiff::SignedDuration;

use super::Fixture;
use crate::{Revocation, StorageError};

fn by(f: &Fixture, keypair: &Keypair) -> Stamp {
    let standing = Some(Standing::Client(1));
    Stamp { actor: Actor::Keypair(keypair.id), standing, ..f.stamp() }
}

async fn revoke(f: &Fixture, keypair: &Keypair, token: &RevokedToken) -> Result<Revocation, StorageError> {
    f.store.revoke_token(&by(f, keypair), keypair.id, token).await
}

async fn revoked(f: &Fixture, keypair: &Keypair) -> Vec<TokenId> {
    let mut revoked = f.store.live_keypair(keypair.id).await.unwrap().unwrap().revoked;
    revoked.sort();
    revoked
}

async fn lines(f: &Fixture) -> i64 {
    f.store.last_sequence().await.unwrap()
}

pub async fn a_revoked_token_is_known_with_its_keypair_and_leaves_one_line(f: Fixture) {
    let account = f.account().await;
    let (keypair, other) = (f.keypair(account.id).await, f.keypair(account.id).await);
    assert_eq!(revoked(&f, &keypair).await, []);
    let (one, two) = (f.revoked_token(), f.revoked_token());
    let before = lines(&f).await;
    assert_eq!(revoke(&f, &keypair, &one).await.unwrap(), Revocation::Done);
    let line = f.store.events_after(before, 9).await.unwrap().remove(0);
    assert_eq!((line.action.as_str(), line.object.id), ("keypair.token_revoked", keypair.id.to_string()));
    assert_eq!((line.owner, line.stamp.actor), (Some(account.id.into()), Actor::Keypair(keypair.id)));
    assert_eq!(line.after["revoked_token"], one.id.to_string());
    assert_eq!(revoke(&f, &keypair, &one).await.unwrap(), Revocation::Done, "again");
    assert_eq!(lines(&f).await, before + 1);
    assert_eq!(revoke(&f, &keypair, &two).await.unwrap(), Revocation::Done);
    let mut both = vec![one.id, two.id];
    both.sort();
    assert_eq!(revoked(&f, &keypair).await, both);
    assert_eq!(revoked(&f, &other).await, []);
    let unchanged = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    assert_eq!(unchanged, keypair, "what its tokens are is no edit of the keypair");
    f.store.change_keypair(&f.stamp(), keypair.owner, keypair.id, None, &stop).await.unwrap().unwrap();
    assert_eq!(revoked(&f, &keypair).await, both, "an edit revives none");
}

fn stop(before: &Keypair) -> Result<(Keypair, Action), domain::KeypairRefusal> {
    let edit = KeypairEdit { enabled: Some(false), ..KeypairEdit::default() };
    Ok((before.edited(&edit, None, before.created_at)?, Action::KeypairDisabled))
}

pub async fn a_token_revoked_twice_at_the_same_time_leaves_one_line(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let token = f.revoked_token();
    let before = lines(&f).await;
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (f, keypair) = (f.clone(), keypair.clone());
            tokio::spawn(async move { revoke(&f, &keypair, &token).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Revocation::Done);
    }
    assert_eq!(lines(&f).await, before + 1);
    assert_eq!(revoked(&f, &keypair).await, [token.id]);
}

pub async fn so_many_revoked_tokens_are_kept_and_no_more(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let first = f.revoked_token();
    assert_eq!(revoke(&f, &keypair, &first).await.unwrap(), Revocation::Done);
    for _ in 1..MAX_REVOKED {
        assert_eq!(revoke(&f, &keypair, &f.revoked_token()).await.unwrap(), Revocation::Done);
    }
    let before = lines(&f).await;
    let late = f.revoked_token();
    assert_eq!(revoke(&f, &keypair, &late).await.unwrap(), Revocation::Full(first.kept_until));
    assert_eq!(revoke(&f, &keypair, &first).await.unwrap(), Revocation::Done, "it is revoked already");
    assert_eq!((lines(&f).await, revoked(&f, &keypair).await.len()), (before, MAX_REVOKED));
    let other = f.keypair(account.id).await;
    assert_eq!(revoke(&f, &other, &f.revoked_token()).await.unwrap(), Revocation::Done, "another's count");
    // Once the first needs no keeping, there is room without anybody having swept.
    let stamp = Stamp { at: first.kept_until, ..by(&f, &keypair) };
    assert_eq!(f.store.revoke_token(&stamp, keypair.id, &late).await.unwrap(), Revocation::Done);
    let kept = revoked(&f, &keypair).await;
    assert!(kept.contains(&late.id) && !kept.contains(&first.id));
    assert_eq!(kept.len(), MAX_REVOKED);
}

pub async fn who_was_stopped_or_removed_revokes_nothing(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    f.store.change_keypair(&f.stamp(), keypair.owner, keypair.id, None, &stop).await.unwrap().unwrap();
    let before = lines(&f).await;
    let refused = revoke(&f, &keypair, &f.revoked_token()).await;
    assert!(matches!(refused, Err(StorageError::Fallen(Fallen::Client))), "{refused:?}");
    assert_eq!((lines(&f).await, revoked(&f, &keypair).await), (before, vec![]));
    f.store.remove_keypair(&f.stamp(), keypair.owner, keypair.id, None).await.unwrap();
    let refused = revoke(&f, &keypair, &f.revoked_token()).await;
    assert!(matches!(refused, Err(StorageError::NotFound)), "{refused:?}");
    assert_eq!(lines(&f).await, before + 1);
}

pub async fn a_token_revoked_while_its_keypair_is_removed_leaves_nothing_behind(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let before = lines(&f).await;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (f, keypair, token) = (f.clone(), keypair.clone(), f.revoked_token());
            tokio::spawn(async move { revoke(&f, &keypair, &token).await })
        })
        .collect();
    f.store.remove_keypair(&f.stamp(), keypair.owner, keypair.id, None).await.unwrap();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(revocation) => {
                assert_eq!(revocation, Revocation::Done);
                done += 1;
            }
            Err(error) => assert!(matches!(error, StorageError::NotFound), "{error:?}"),
        }
    }
    let said = f.store.events_after(before, 9).await.unwrap();
    let said: Vec<_> = said.iter().map(|event| event.action.as_str()).collect();
    assert_eq!((said.len(), said.last()), (done + 1, Some(&"keypair.removed")), "{said:?}");
    assert_eq!(f.store.check().await.unwrap(), Vec::<String>::new());
}

pub async fn revoked_tokens_go_when_they_need_no_keeping_and_with_their_keypair(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let (old, new) = (f.revoked_token(), f.revoked_token());
    let new = RevokedToken { kept_until: old.kept_until + SignedDuration::from_secs(1), ..new };
    for token in [old, new] {
        revoke(&f, &keypair, &token).await.unwrap();
    }
    f.store.sweep(old.kept_until).await.unwrap();
    assert_eq!(revoked(&f, &keypair).await, [new.id]);
    f.store.remove_keypair(&f.stamp(), keypair.owner, keypair.id, None).await.unwrap();
    f.store.create_keypair(&f.stamp(), &keypair).await.unwrap();
    assert_eq!(revoked(&f, &keypair).await, []);
}
