use domain::{
    Account, Action, Actor, Comment, Environment, Keypair, KeypairEdit, KeypairRefusal, Name, Owner, Stamp,
    Standing, TokenBinding, from_millis,
};

use super::Fixture;
use crate::{KeyUse, Slice, StorageError};

async fn comment(
    f: &Fixture,
    keypair: &Keypair,
    expected_version: Option<i64>,
    comment: &str,
) -> Result<Keypair, StorageError> {
    let stamp = f.stamp();
    let edit = KeypairEdit { comment: Some(Comment::new(comment).unwrap()), ..KeypairEdit::default() };
    let decide = |before: &Keypair| Ok((before.edited(&edit, None, stamp.at)?, Action::KeypairChanged));
    let changed =
        f.store.change_keypair(&stamp, keypair.owner, keypair.id, expected_version, &decide).await?;
    Ok(changed.expect("nothing to refuse"))
}

async fn change(f: &Fixture, before: &Keypair, after: &Keypair) {
    let decide = |_: &Keypair| Ok((after.clone(), Action::KeypairChanged));
    let stamp = f.stamp();
    let changed = f.store.change_keypair(&stamp, before.owner, before.id, Some(before.version), &decide);
    assert_eq!(changed.await.unwrap().unwrap(), *after);
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

pub async fn what_was_named_by_other_rules_is_read_and_stopped(f: Fixture) {
    let text = "a\u{202E}b\u{200B}";
    let account = Account { name: Name::stored(text), ..f.unsaved_account() };
    f.store.create_account(&f.stamp(), &account).await.unwrap();
    let environment = Environment { name: Name::stored(text), ..f.unsaved_environment(&account) };
    f.store.create_environment(&f.stamp(), &environment).await.unwrap();
    let (keypair, _) = f.unsaved_keypair(environment.id);
    let keypair = Keypair { comment: Comment::stored(text), ..keypair };
    f.store.create_keypair(&f.stamp(), &keypair).await.unwrap();

    assert_eq!(f.store.account(account.id).await.unwrap(), account);
    assert_eq!(f.store.environment(environment.id).await.unwrap(), environment);
    let listed = f.store.keypairs(environment.id.into(), Slice::first(9)).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&keypair));
    assert_eq!(f.store.live_keypair(keypair.id).await.unwrap().unwrap().keypair, keypair);
    f.store.remove_keypair(&f.stamp(), environment.id.into(), keypair.id, None).await.unwrap();
    f.store.close_account(&f.stamp(), account.id).await.unwrap();
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
    let edited = comment(&f, &keypair, Some(1), "first").await.unwrap();
    assert!(matches!(comment(&f, &keypair, Some(1), "second").await, Err(StorageError::Moved)));
    let refused = f.store.remove_keypair(&f.stamp(), account.id.into(), keypair.id, Some(1)).await;
    assert!(matches!(refused, Err(StorageError::Moved)));
    assert_eq!(f.store.keypair(account.id.into(), keypair.id).await.unwrap(), edited);
}

pub async fn a_refused_edit_and_one_that_changes_nothing_leave_no_trace(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let before = f.store.last_sequence().await.unwrap();
    assert_eq!(comment(&f, &keypair, None, keypair.comment.as_str()).await.unwrap(), keypair);
    let refuse = |_: &Keypair| Err(KeypairRefusal::LastSecret);
    let refused = f.store.change_keypair(&f.stamp(), account.id.into(), keypair.id, None, &refuse).await;
    assert_eq!(refused.unwrap(), Err(KeypairRefusal::LastSecret));
    assert_eq!(f.store.last_sequence().await.unwrap(), before);
    assert_eq!(f.store.keypair(account.id.into(), keypair.id).await.unwrap(), keypair);
}

pub async fn of_edits_of_one_version_at_the_same_time_one_wins(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let (f, keypair) = (f.clone(), keypair.clone());
            tokio::spawn(async move { comment(&f, &keypair, Some(1), &format!("edit {n}")).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, StorageError::Moved), "{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(f.store.keypair(account.id.into(), keypair.id).await.unwrap().version, 2);
}

pub async fn edits_without_a_version_never_lose_a_race(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let (f, keypair) = (f.clone(), keypair.clone());
            tokio::spawn(async move { comment(&f, &keypair, None, &format!("edit {n}")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(f.store.keypair(account.id.into(), keypair.id).await.unwrap().version, 33);
}

pub async fn who_was_stopped_changes_nothing_any_more(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let caller = f.keypair(environment.id).await;
    let target = f.keypair(environment.id).await;
    let standing = Some(Standing::Client(1));
    let by_caller =
        |f: &Fixture| Stamp { actor: Actor::Keypair(caller.id), standing: standing.clone(), ..f.stamp() };
    let (allowed, _) = f.unsaved_keypair(environment.id);
    f.store.create_keypair(&by_caller(&f), &allowed).await.unwrap();

    let disable = |before: &Keypair| {
        let edit = KeypairEdit { enabled: Some(false), ..KeypairEdit::default() };
        Ok((before.edited(&edit, None, from_millis(0))?, Action::KeypairDisabled))
    };
    let stopped = f.store.change_keypair(&f.stamp(), caller.owner, caller.id, None, &disable).await;
    stopped.unwrap().unwrap();
    let before = f.store.last_sequence().await.unwrap();
    let (late, _) = f.unsaved_keypair(environment.id);
    let refused = |outcome| assert!(matches!(outcome, Err(StorageError::Fallen(_))));
    refused(f.store.create_keypair(&by_caller(&f), &late).await);
    let own = f.store.change_keypair(&by_caller(&f), caller.owner, caller.id, None, &disable).await;
    refused(own.map(drop));
    refused(f.store.remove_keypair(&by_caller(&f), target.owner, target.id, None).await);
    refused(f.store.close_environment(&by_caller(&f), environment.id, None).await.map(drop));
    f.store.remove_keypair(&f.stamp(), caller.owner, caller.id, None).await.unwrap();
    refused(f.store.create_keypair(&by_caller(&f), &late).await);
    assert_eq!(f.store.last_sequence().await.unwrap(), before + 1);
}

pub async fn what_tokens_must_be_bound_to_is_kept(f: Fixture) {
    let account = f.account().await;
    let beside = f.keypair(account.id).await;
    for token_binding in TokenBinding::ALL {
        let (keypair, _) = f.unsaved_keypair(account.id);
        let keypair = Keypair { token_binding, ..keypair };
        f.store.create_keypair(&f.stamp(), &keypair).await.unwrap();
        let mut before = keypair;
        for token_binding in TokenBinding::ALL {
            let after = Keypair { token_binding, version: before.version + 1, ..before.clone() };
            change(&f, &before, &after).await;
            assert_eq!(f.store.keypair(account.id.into(), after.id).await.unwrap(), after);
            before = after;
        }
        assert_eq!(f.store.live_keypair(before.id).await.unwrap().unwrap().keypair, before);
    }
    assert_eq!(f.store.keypair(account.id.into(), beside.id).await.unwrap(), beside);
}

pub async fn from_where_a_keypair_may_be_used_is_kept(f: Fixture) {
    let account = f.account().await;
    let beside = f.keypair(account.id).await;
    let lists = ["", "192.0.2.0/24", "2001:db8::/32 10.0.0.0/8"].map(|list| list.parse().unwrap());
    let (keypair, _) = f.unsaved_keypair(account.id);
    let mut before = Keypair { allowed_addresses: "198.51.100.7".parse().unwrap(), ..keypair };
    f.store.create_keypair(&f.stamp(), &before).await.unwrap();
    assert_eq!(f.store.keypair(account.id.into(), before.id).await.unwrap(), before);
    for allowed_addresses in lists {
        let after = Keypair { allowed_addresses, version: before.version + 1, ..before.clone() };
        change(&f, &before, &after).await;
        assert_eq!(f.store.keypair(account.id.into(), after.id).await.unwrap(), after);
        assert_eq!(f.store.live_keypair(after.id).await.unwrap().unwrap().keypair, after);
        before = after;
    }
    let line = f.store.audit_events(account.id.into(), None, 1).await.unwrap().remove(0);
    assert_eq!(line.before["allowed_addresses"], serde_json::json!(["192.0.2.0/24"]));
    assert_eq!(line.after["allowed_addresses"], serde_json::json!(["2001:db8::/32", "10.0.0.0/8"]));
    assert_eq!(f.store.keypair(account.id.into(), beside.id).await.unwrap(), beside);
}

pub async fn secrets_come_and_go_with_the_keypair(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let two = f.rotated(&keypair);
    change(&f, &keypair, &two).await;
    let found = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    assert_eq!(found, two);
    assert_eq!(found.secrets.iter().map(|secret| secret.n).collect::<Vec<_>>(), [1, 2]);
    assert_ne!(found.secrets[0].hash, found.secrets[1].hash);
    let one = two.without_secret(1, f.now()).unwrap();
    change(&f, &two, &one).await;
    assert_eq!(f.store.live_keypair(keypair.id).await.unwrap().unwrap().keypair, one);
}

pub async fn a_secrets_number_is_never_given_twice(f: Fixture) {
    let account = f.account().await;
    let one = f.keypair(account.id).await;
    let two = f.rotated(&one);
    change(&f, &one, &two).await;
    let without = two.without_secret(2, f.now()).unwrap();
    change(&f, &two, &without).await;
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
    assert!(matches!(comment(&f, &keypair, None, "after").await, Err(StorageError::NotFound)));
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
    let rotated = f.rotated(&found);
    let without = |_: &Keypair| Ok((rotated.without_secret(1, f.now())?, Action::KeypairSecretDeleted));
    f.store.change_keypair(&f.stamp(), account.id.into(), keypair.id, None, &without).await.unwrap().unwrap();
    let found = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    assert_eq!(
        found.last_used_at,
        Some(from_millis(9000)),
        "the keypair was used, though that secret is gone"
    );
    assert_eq!(found.secrets[0].last_used_at, None);
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
