use domain::{Application, Grant, Owner, Role};
use serde_json::Value;

use super::Fixture;
use crate::{ApplicationInUse, Record, Slice, StorageError};

async fn person_with(f: &Fixture, address: &str, on: Owner, role: Role) -> domain::User {
    let user = f.user(address).await;
    f.store.grant_role(&f.stamp(), user.id, Grant { on, role }).await.unwrap();
    user
}

pub async fn applications_are_kept_and_belong_to_their_owner(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let before = f.store.last_sequence().await.unwrap();
    let application = f.application(account.id).await;
    let other = f.application(environment.id).await;
    let found = f.store.application(account.id.into(), application.id, f.now()).await.unwrap();
    assert_eq!(found, ApplicationInUse { application: application.clone(), people: 0 });
    assert_eq!(f.store.live_application(other.id).await.unwrap(), Some(other.clone()));
    assert_eq!(f.store.live_application(f.id()).await.unwrap(), None);
    for (owner, id) in [(account.id.into(), other.id), (environment.id.into(), application.id)] {
        let refused = f.store.application(owner, id, f.now()).await;
        assert!(matches!(refused, Err(StorageError::NotFound)));
        let refused = f.store.remove_application(&f.stamp(), owner, id).await;
        assert!(matches!(refused, Err(StorageError::NotFound)));
    }
    let lines = f.store.events_after(before, 9).await.unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].action.as_str(), lines[0].owner), ("application.created", Some(account.id.into())));
    assert_eq!((&lines[0].before, &lines[0].after), (&Value::Null, &application.record()));
    f.store.remove_application(&f.stamp(), account.id.into(), application.id).await.unwrap();
    assert_eq!(f.store.live_application(application.id).await.unwrap(), None);
    assert!(f.store.live_application(other.id).await.unwrap().is_some());
    let again = f.store.remove_application(&f.stamp(), account.id.into(), application.id).await;
    assert!(matches!(again, Err(StorageError::NotFound)));
    let last = f.store.audit_events(account.id.into(), None, 1).await.unwrap().remove(0);
    assert_eq!((last.action.as_str(), last.before), ("application.removed", application.record()));
}

pub async fn applications_are_listed_newest_first_in_parts(f: Fixture) {
    let account = f.account().await;
    let mut made: Vec<Application> = Vec::new();
    for _ in 0..3 {
        made.insert(0, f.application(account.id).await);
    }
    let list = async |after, limit| {
        let slice = Slice { after, limit };
        let part = f.store.applications(account.id.into(), slice, f.now()).await.unwrap();
        part.into_iter().map(|found| found.application).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 2).await, made[..2]);
    assert_eq!(list(Some(made[1].id), 2).await, made[2..]);
    let user = person_with(&f, "reader@example.com", account.id.into(), Role::Reader).await;
    for _ in 0..2 {
        f.granted(&f.code(&made[0], user.id)).await;
    }
    let slice = Slice::first(9);
    let counted = f.store.applications(account.id.into(), slice, f.now()).await.unwrap();
    assert_eq!(counted.iter().map(|found| found.people).collect::<Vec<_>>(), [1, 0, 0]);
    let late = f.now() + jiff::SignedDuration::from_hours(31 * 24);
    assert_eq!(f.store.application(account.id.into(), made[0].id, late).await.unwrap().people, 0);
}

pub async fn only_administrators_register_and_remove_applications(f: Fixture) {
    let account = f.account().await;
    let application = f.application(account.id).await;
    let author = person_with(&f, "author@example.com", account.id.into(), Role::Author).await;
    let stamp = f.signed_in(&author).await;
    let before = f.store.last_sequence().await.unwrap();
    let refused = f.store.create_application(&stamp, &f.unsaved_application(account.id)).await;
    assert!(matches!(refused, Err(StorageError::NotAllowed)));
    let refused = f.store.remove_application(&stamp, account.id.into(), application.id).await;
    assert!(matches!(refused, Err(StorageError::NotAllowed)));
    assert_eq!(f.store.last_sequence().await.unwrap(), before);
    assert!(f.store.live_application(application.id).await.unwrap().is_some());
}

pub async fn applications_end_with_their_owner(f: Fixture) {
    let account = f.account().await;
    let (one, two) = (f.environment(&account).await, f.environment(&account).await);
    let of_account = f.application(account.id).await;
    let (of_one, of_two) = (f.application(one.id).await, f.application(two.id).await);
    let strangers = f.application(f.account().await.id).await;
    f.store.close_environment(&f.stamp(), one.id, None).await.unwrap();
    assert_eq!(f.store.live_application(of_one.id).await.unwrap(), None);
    assert!(f.store.live_application(of_account.id).await.unwrap().is_some());
    let late = f.store.create_application(&f.stamp(), &f.unsaved_application(one.id)).await;
    assert!(matches!(late, Err(StorageError::Closed)));
    f.store.close_account(&f.stamp(), account.id).await.unwrap();
    for application in [of_account, of_two] {
        assert_eq!(f.store.live_application(application.id).await.unwrap(), None);
    }
    assert!(f.store.live_application(strangers.id).await.unwrap().is_some());
    let nowhere = f.unsaved_application(f.unsaved_account().id);
    let refused = f.store.create_application(&f.stamp(), &nowhere).await;
    assert!(matches!(refused, Err(StorageError::NotFound)));
}
