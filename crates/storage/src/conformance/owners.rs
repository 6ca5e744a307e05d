use domain::{Grant, Role, State};

use super::Fixture;
use super::fixture::{email, name};
use crate::{Invitation, Slice, StorageError};

pub async fn accounts_are_kept_renamed_and_listed(f: Fixture) {
    let first = f.account().await;
    let second = f.account().await;
    let renamed = f.store.rename_account(&f.stamp(), first.id, Some(1), &name("Other")).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version), ("Other", 2));
    assert_eq!(f.store.account(first.id).await.unwrap(), renamed);
    assert_eq!(f.store.accounts(Slice::first(1)).await.unwrap(), vec![renamed.clone()]);
    let rest = Slice { after: Some(first.id), limit: 5 };
    assert_eq!(f.store.accounts(rest).await.unwrap(), [second]);
    let environment = f.environment(&renamed).await;
    assert_eq!(f.store.environment(environment.id).await.unwrap(), environment);
    assert!(matches!(f.store.account(f.id()).await, Err(StorageError::NotFound)));
    assert!(matches!(f.store.environment(f.id()).await, Err(StorageError::NotFound)));
}

pub async fn a_rename_of_what_moved_on_is_refused(f: Fixture) {
    let account = f.account().await;
    f.store.rename_account(&f.stamp(), account.id, None, &name("First")).await.unwrap();
    let late = f.store.rename_account(&f.stamp(), account.id, Some(1), &name("Second")).await;
    assert!(matches!(late, Err(StorageError::Moved)));
    let environment = f.environment(&account).await;
    f.store.rename_environment(&f.stamp(), environment.id, None, &name("First")).await.unwrap();
    let late = f.store.rename_environment(&f.stamp(), environment.id, Some(1), &name("Second")).await;
    assert!(matches!(late, Err(StorageError::Moved)));
    let late = f.store.close_environment(&f.stamp(), environment.id, Some(environment.version)).await;
    assert!(matches!(late, Err(StorageError::Moved)));
    assert_eq!(f.store.environment(environment.id).await.unwrap().name.as_str(), "First");
}

pub async fn closing_an_environment_ends_its_keypairs_roles_and_invitations(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let other = f.environment(&account).await;
    let (doomed, kept) = (f.keypair(environment.id).await, f.keypair(other.id).await);
    let of_account = f.keypair(account.id).await;
    let user = f.user("reader@example.com").await;
    for on in [environment.id, other.id] {
        let grant = Grant { on: on.into(), role: Role::Reader };
        f.store.grant_role(&f.stamp(), user.id, grant).await.unwrap();
    }
    let token = f.token();
    let invitation = Invitation {
        token,
        email: email("new@example.com"),
        grant: Grant { on: environment.id.into(), role: Role::Reader },
        expires_at: f.now() + jiff::SignedDuration::from_hours(1),
    };
    f.store.create_invitation(&f.stamp(), &invitation).await.unwrap();

    let closed = f.store.close_environment(&f.stamp(), environment.id, None).await.unwrap();
    assert!(!closed.state.is_open());
    assert_eq!(f.store.environment(environment.id).await.unwrap(), closed);
    assert!(f.store.live_keypair(doomed.id).await.unwrap().is_none());
    assert!(f.store.live_keypair(kept.id).await.unwrap().is_some());
    assert!(f.store.live_keypair(of_account.id).await.unwrap().is_some());
    let grants = f.store.grants_of(user.id).await.unwrap();
    assert_eq!(grants, [Grant { on: other.id.into(), role: Role::Reader }]);
    assert!(matches!(f.store.invitation(&token, f.now()).await, Err(StorageError::NotFound)));
    let open = f.store.open_environments(account.id, Slice::first(9)).await.unwrap();
    assert_eq!(open, [other]);
    assert_eq!(f.store.environments(account.id, Slice::first(9)).await.unwrap().len(), 2);
    let again = f.store.close_environment(&f.stamp(), environment.id, None).await;
    assert!(matches!(again, Err(StorageError::Closed)));
}

pub async fn closing_an_account_ends_everything_below_it(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let stranger = f.account().await;
    let keypairs = [f.keypair(account.id).await, f.keypair(environment.id).await];
    let strangers = f.keypair(stranger.id).await;
    let user = f.user("admin@example.com").await;
    let grant = Grant { on: account.id.into(), role: Role::Administrator };
    f.store.grant_role(&f.stamp(), user.id, grant).await.unwrap();

    let closed = f.store.close_account(&f.stamp(), account.id).await.unwrap();
    assert!(matches!(closed.state, State::Closed(_)));
    for keypair in keypairs {
        assert!(f.store.live_keypair(keypair.id).await.unwrap().is_none());
    }
    assert!(!f.store.environment(environment.id).await.unwrap().state.is_open());
    assert!(f.store.grants_of(user.id).await.unwrap().is_empty());
    assert!(f.store.live_keypair(strangers.id).await.unwrap().is_some());
    assert!(matches!(f.store.close_account(&f.stamp(), account.id).await, Err(StorageError::Closed)));
}

pub async fn nothing_is_made_in_what_is_closed(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let user = f.user("reader@example.com").await;
    f.store.close_environment(&f.stamp(), environment.id, None).await.unwrap();
    let (keypair, _) = f.unsaved_keypair(environment.id);
    let refused = f.store.create_keypair(&f.stamp(), &keypair).await;
    assert!(matches!(refused, Err(StorageError::Closed)));
    let grant = Grant { on: environment.id.into(), role: Role::Reader };
    assert!(matches!(f.store.grant_role(&f.stamp(), user.id, grant).await, Err(StorageError::Closed)));
    let refused = f.store.rename_environment(&f.stamp(), environment.id, None, &name("Other")).await;
    assert!(matches!(refused, Err(StorageError::Closed)));

    f.store.close_account(&f.stamp(), account.id).await.unwrap();
    let late = f.unsaved_environment(&account);
    assert!(matches!(f.store.create_environment(&f.stamp(), &late).await, Err(StorageError::Closed)));
    let (keypair, _) = f.unsaved_keypair(account.id);
    assert!(matches!(f.store.create_keypair(&f.stamp(), &keypair).await, Err(StorageError::Closed)));
    let nowhere = f.unsaved_account();
    let (keypair, _) = f.unsaved_keypair(nowhere.id);
    assert!(matches!(f.store.create_keypair(&f.stamp(), &keypair).await, Err(StorageError::NotFound)));
}

pub async fn a_keypair_made_while_its_owner_closes_does_not_outlive_it(f: Fixture) {
    for _ in 0..10 {
        let account = f.account().await;
        let environment = f.environment(&account).await;
        let made: Vec<_> = (0..8).map(|_| f.unsaved_keypair(environment.id).0).collect();
        let tasks: Vec<_> = made
            .iter()
            .cloned()
            .map(|keypair| {
                let f = f.clone();
                tokio::spawn(async move { f.store.create_keypair(&f.stamp(), &keypair).await })
            })
            .collect();
        f.store.close_account(&f.stamp(), account.id).await.unwrap();
        for task in tasks {
            assert!(matches!(task.await.unwrap(), Ok(()) | Err(StorageError::Closed)));
        }
        for keypair in made {
            assert!(f.store.live_keypair(keypair.id).await.unwrap().is_none());
        }
    }
}
