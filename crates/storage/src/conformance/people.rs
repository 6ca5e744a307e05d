use domain::{Grant, PasswordHash, Place, Role};
use jiff::SignedDuration;
use serde_json::Value;

use super::Fixture;
use super::fixture::{email, password};
use crate::{Invitation, NewPerson, Record, Session, Slice, StorageError};

pub async fn users_sign_in_by_address_and_are_unique(f: Fixture) {
    let user = f.user("admin@example.com").await;
    let (found, hash) = f.store.user_by_email(&email("ADMIN@example.com")).await.unwrap();
    assert_eq!((found, hash), (user.clone(), password()));
    assert_eq!(f.store.user(user.id).await.unwrap(), user);
    assert_eq!(f.store.users(Slice::first(9)).await.unwrap(), [user]);
    let twin = f.unsaved_user("admin@example.com");
    let refused = f.store.create_user(&f.stamp(), &twin, &password()).await;
    assert!(matches!(refused, Err(StorageError::Exists)));
    assert!(matches!(f.store.user(f.id()).await, Err(StorageError::NotFound)));
    assert!(f.store.email_is_known(&email("admin@example.com")).await.unwrap());
    assert!(!f.store.email_is_known(&email("other@example.com")).await.unwrap());
}

fn session(f: &Fixture, user: domain::UserId) -> Session {
    let created_at = f.now();
    Session { token: f.token(), user, created_at, expires_at: created_at + SignedDuration::from_hours(1) }
}

pub async fn a_changed_password_ends_sessions(f: Fixture) {
    let user = f.user("admin@example.com").await;
    let session = session(&f, user.id);
    f.store.create_session(&session, &password()).await.unwrap();
    assert_eq!(f.store.session(&session.token, f.now()).await.unwrap().1, user);
    let other = PasswordHash::from_phc("$argon2id$of-something-else".to_owned());
    f.store.set_password(&f.stamp(), user.id, &other).await.unwrap();
    assert!(matches!(f.store.session(&session.token, f.now()).await, Err(StorageError::NotFound)));
    assert_eq!(f.store.user_by_email(&user.email).await.unwrap().1, other);
    assert!(matches!(f.store.set_password(&f.stamp(), f.id(), &other).await, Err(StorageError::NotFound)));
}

pub async fn a_session_begins_only_while_the_password_stands(f: Fixture) {
    let user = f.user("admin@example.com").await;
    let verified = f.store.user_by_email(&user.email).await.unwrap().1;
    let other = PasswordHash::from_phc("$argon2id$of-something-else".to_owned());
    f.store.set_password(&f.stamp(), user.id, &other).await.unwrap();
    let late = session(&f, user.id);
    assert!(matches!(f.store.create_session(&late, &verified).await, Err(StorageError::NotFound)));
    assert!(matches!(f.store.session(&late.token, f.now()).await, Err(StorageError::NotFound)));
    f.store.create_session(&late, &other).await.unwrap();
    assert!(f.store.session(&late.token, f.now()).await.is_ok());
}

pub async fn sessions_run_out_and_end(f: Fixture) {
    let user = f.user("admin@example.com").await;
    let (one, two) = (session(&f, user.id), session(&f, user.id));
    f.store.create_session(&one, &password()).await.unwrap();
    f.store.create_session(&two, &password()).await.unwrap();
    assert!(matches!(f.store.session(&one.token, one.expires_at).await, Err(StorageError::NotFound)));
    f.store.delete_session(&two.token).await.unwrap();
    assert!(matches!(f.store.session(&two.token, f.now()).await, Err(StorageError::NotFound)));
    assert!(f.store.session(&one.token, f.now()).await.is_ok());
    f.store.remove_user(&f.stamp(), user.id).await.unwrap();
    assert!(matches!(f.store.session(&one.token, f.now()).await, Err(StorageError::NotFound)));
    assert!(matches!(f.store.create_session(&one, &password()).await, Err(StorageError::NotFound)));
}

pub async fn the_last_administrator_of_an_account_stays(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let (first, second) = (f.user("first@example.com").await, f.user("second@example.com").await);
    let on = |on: domain::Owner, role| Grant { on, role };
    let administrator = on(account.id.into(), Role::Administrator);
    f.store.grant_role(&f.stamp(), first.id, administrator).await.unwrap();
    f.store.grant_role(&f.stamp(), second.id, on(account.id.into(), Role::Reader)).await.unwrap();
    let explicit = on(environment.id.into(), Role::Administrator);
    f.store.grant_role(&f.stamp(), first.id, explicit).await.unwrap();

    let demoted = f.store.grant_role(&f.stamp(), first.id, on(account.id.into(), Role::Author)).await;
    assert!(matches!(demoted, Err(StorageError::LastAdministrator)));
    let revoked = f.store.revoke_role(&f.stamp(), first.id, account.id.into()).await;
    assert!(matches!(revoked, Err(StorageError::LastAdministrator)));
    let removed = f.store.remove_user(&f.stamp(), first.id).await;
    assert!(matches!(removed, Err(StorageError::LastAdministrator)));
    assert_eq!(f.store.grants_of(first.id).await.unwrap().len(), 2);
    f.store.revoke_role(&f.stamp(), first.id, environment.id.into()).await.unwrap();

    f.store.grant_role(&f.stamp(), second.id, administrator).await.unwrap();
    f.store.revoke_role(&f.stamp(), first.id, account.id.into()).await.unwrap();
    let again = f.store.revoke_role(&f.stamp(), first.id, account.id.into()).await;
    assert!(matches!(again, Err(StorageError::NotFound)));
    f.store.close_account(&f.stamp(), account.id).await.unwrap();
    f.store.remove_user(&f.stamp(), second.id).await.unwrap();
}

pub async fn a_removed_user_leaves_a_line_wherever_there_was_a_role(f: Fixture) {
    let account = f.account().await;
    let (here, there) = (f.environment(&account).await, f.environment(&account).await);
    let user = f.user("leaving@example.com").await;
    let grants = [
        Grant { on: account.id.into(), role: Role::Author },
        Grant { on: here.id.into(), role: Role::Administrator },
    ];
    for grant in grants {
        f.store.grant_role(&f.stamp(), user.id, grant).await.unwrap();
    }
    let invite = |address: &str| Invitation {
        token: f.token(),
        email: email(address),
        grant: Grant { on: there.id.into(), role: Role::Reader },
        expires_at: f.now() + SignedDuration::from_hours(1),
    };
    let (open, anothers) = (invite("leaving@example.com"), invite("another@example.com"));
    for invitation in [&open, &anothers] {
        f.store.create_invitation(&f.stamp(), invitation).await.unwrap();
    }
    let began = f.store.last_sequence().await.unwrap();
    f.store.remove_user(&f.stamp(), user.id).await.unwrap();

    for grant in grants {
        let last = f.store.audit_events(grant.on, None, 1).await.unwrap().remove(0);
        assert_eq!(
            (last.action.as_str(), last.object.id, last.owner),
            ("role.revoked", user.id.to_string(), Some(grant.on))
        );
        assert_eq!((last.before, last.after), (grant.record(), Value::Null));
    }
    let last = f.store.audit_events(there.id.into(), None, 1).await.unwrap().remove(0);
    assert_eq!((last.action.as_str(), last.before), ("invitation.revoked", open.record()));
    assert!(matches!(f.store.invitation(&open.token, f.now()).await, Err(StorageError::NotFound)));
    assert!(f.store.invitation(&anothers.token, f.now()).await.is_ok());
    let lines = f.store.events_after(began, 9).await.unwrap();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines.iter().filter(|line| line.action == "user.removed").count(), 1);
}

pub async fn of_two_administrators_that_leave_at_once_one_stays(f: Fixture) {
    for n in 0..10 {
        let account = f.account().await;
        let mut leaving = Vec::new();
        for m in 0..2 {
            let user = f.user(&format!("admin{n}-{m}@example.com")).await;
            let grant = Grant { on: account.id.into(), role: Role::Administrator };
            f.store.grant_role(&f.stamp(), user.id, grant).await.unwrap();
            let f = f.clone();
            leaving.push(async move { f.store.revoke_role(&f.stamp(), user.id, account.id.into()).await });
        }
        let tasks: Vec<_> = leaving.into_iter().map(tokio::spawn).collect();
        let mut left = 0;
        for task in tasks {
            left += usize::from(task.await.unwrap().is_ok());
        }
        assert_eq!(left, 1);
        assert_eq!(f.store.members(Place::Account(account.id)).await.unwrap().len(), 1);
    }
}

pub async fn members_are_explicit_and_inherited(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let user = f.user("admin@example.com").await;
    let inherited = Grant { on: account.id.into(), role: Role::Administrator };
    let explicit = Grant { on: environment.id.into(), role: Role::Reader };
    f.store.grant_role(&f.stamp(), user.id, inherited).await.unwrap();
    f.store.grant_role(&f.stamp(), user.id, explicit).await.unwrap();
    let below = f.store.members(Place::Environment(environment.id, account.id)).await.unwrap();
    assert_eq!(below.iter().map(|member| member.grant).collect::<Vec<_>>(), [inherited, explicit]);
    let above = f.store.members(Place::Account(account.id)).await.unwrap();
    assert_eq!(above.iter().map(|member| member.grant).collect::<Vec<_>>(), [inherited]);
    let nobody = f.store.grant_role(&f.stamp(), f.id(), explicit).await;
    assert!(matches!(nobody, Err(StorageError::NotFound)));
}

pub async fn a_persons_places_are_listed_once_each_in_parts(f: Fixture) {
    let (above, beside, stranger) = (f.account().await, f.account().await, f.account().await);
    let user = f.user("reader@example.com").await;
    let [first, second, closed] =
        [f.environment(&above).await, f.environment(&above).await, f.environment(&above).await];
    let [explicit, hidden] = [f.environment(&beside).await, f.environment(&beside).await];
    f.environment(&stranger).await;
    f.store.close_environment(&f.stamp(), closed.id, None).await.unwrap();
    for on in [above.id.into(), first.id.into(), explicit.id.into()] {
        f.store.grant_role(&f.stamp(), user.id, Grant { on, role: Role::Reader }).await.unwrap();
    }
    let whole = f.store.places_of(user.id, Slice::first(9)).await.unwrap();
    let places: Vec<_> = whole.iter().map(|named| named.place).collect();
    let expected = [
        Place::Account(above.id),
        Place::Environment(first.id, above.id),
        Place::Environment(second.id, above.id),
        Place::Environment(explicit.id, beside.id),
    ];
    assert_eq!(places, expected);
    assert!(!places.contains(&Place::Environment(hidden.id, beside.id)));
    assert_eq!((&whole[0].account, &whole[0].environment), (&above.name, &None));
    assert_eq!((&whole[3].account, &whole[3].environment), (&beside.name, &Some(explicit.name)));
    let (mut parts, mut after) = (Vec::new(), None);
    loop {
        let part = f.store.places_of(user.id, Slice { after, limit: 1 }).await.unwrap();
        let Some(last) = part.last() else { break };
        after = Some(last.place);
        parts.extend(part);
    }
    assert_eq!(parts, whole);
    f.store.close_account(&f.stamp(), above.id).await.unwrap();
    assert_eq!(f.store.places_of(user.id, Slice::first(9)).await.unwrap(), whole[3..]);
}

pub async fn an_invitation_is_taken_up_once_by_its_person(f: Fixture) {
    let account = f.account().await;
    let grant = Grant { on: account.id.into(), role: Role::Author };
    let invite = |address: &str| Invitation {
        token: f.token(),
        email: email(address),
        grant,
        expires_at: f.now() + SignedDuration::from_hours(1),
    };
    let (replaced, invitation) = (invite("new@example.com"), invite("new@example.com"));
    f.store.create_invitation(&f.stamp(), &replaced).await.unwrap();
    f.store.create_invitation(&f.stamp(), &invitation).await.unwrap();
    assert!(matches!(f.store.invitation(&replaced.token, f.now()).await, Err(StorageError::NotFound)));
    assert_eq!(f.store.invitations(account.id.into(), f.now()).await.unwrap().len(), 1);
    let late = f.store.invitation(&invitation.token, invitation.expires_at).await;
    assert!(matches!(late, Err(StorageError::NotFound)));

    let stranger = f.user("other@example.com").await;
    let known = NewPerson::Known(stranger.id);
    let refused = f.store.accept_invitation(&f.stamp(), &invitation.token, &known).await;
    assert!(matches!(refused, Err(StorageError::NotFound)));
    let user = f.unsaved_user("new@example.com");
    let new = NewPerson::New(user.clone(), password());
    f.store.accept_invitation(&f.stamp(), &invitation.token, &new).await.unwrap();
    assert_eq!(f.store.grants_of(user.id).await.unwrap(), [grant]);
    let again = f.store.accept_invitation(&f.stamp(), &invitation.token, &NewPerson::Known(user.id)).await;
    assert!(matches!(again, Err(StorageError::NotFound)));

    let weaker = Invitation { grant: Grant { role: Role::Reader, ..grant }, ..invite("new@example.com") };
    f.store.create_invitation(&f.stamp(), &weaker).await.unwrap();
    f.store.accept_invitation(&f.stamp(), &weaker.token, &NewPerson::Known(user.id)).await.unwrap();
    assert_eq!(f.store.grants_of(user.id).await.unwrap(), [grant], "the mightier role stays");

    let revoked = invite("third@example.com");
    f.store.create_invitation(&f.stamp(), &revoked).await.unwrap();
    f.store.revoke_invitation(&f.stamp(), account.id.into(), &revoked.email).await.unwrap();
    let line = f.store.audit_events(account.id.into(), None, 1).await.unwrap().remove(0);
    assert_eq!((line.action.as_str(), line.before), ("invitation.revoked", revoked.record()));
    assert!(matches!(f.store.invitation(&revoked.token, f.now()).await, Err(StorageError::NotFound)));
    let again = f.store.revoke_invitation(&f.stamp(), account.id.into(), &revoked.email).await;
    assert!(matches!(again, Err(StorageError::NotFound)));
}

pub async fn the_set_up_link_works_once(f: Fixture) {
    let (old, token) = (f.token(), f.token());
    assert!(f.store.put_setup_link(&old).await.unwrap());
    assert!(f.store.put_setup_link(&token).await.unwrap());
    assert!(!f.store.setup_link_is_valid(&old).await.unwrap());
    assert!(f.store.setup_link_is_valid(&token).await.unwrap());
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let f = f.clone();
            let (account, user) = (f.unsaved_account(), f.unsaved_user(&format!("admin{n}@example.com")));
            tokio::spawn(async move {
                let done = f.store.set_up(&f.stamp(), &token, &account, &user, &password()).await;
                (done, account, user)
            })
        })
        .collect();
    let mut set_up = Vec::new();
    for task in tasks {
        let (done, account, user) = task.await.unwrap();
        match done {
            Ok(()) => set_up.push((account, user)),
            Err(error) => assert!(matches!(error, StorageError::NotFound), "{error}"),
        }
    }
    let [(account, user)] = &set_up[..] else { panic!("set up {} times", set_up.len()) };
    let administrator = Grant { on: account.id.into(), role: Role::Administrator };
    assert_eq!(f.store.grants_of(user.id).await.unwrap(), [administrator]);
    assert!(!f.store.setup_link_is_valid(&token).await.unwrap());
    assert!(!f.store.put_setup_link(&token).await.unwrap(), "there is a user");
}

pub async fn an_invitation_falls_with_whoever_made_it_and_with_a_demotion(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let (owner, admin) = (f.user("owner@example.com").await, f.user("admin@example.com").await);
    let administrator = Grant { on: account.id.into(), role: Role::Administrator };
    for user in [&owner, &admin] {
        f.store.grant_role(&f.stamp(), user.id, administrator).await.unwrap();
    }
    let by_admin = f.signed_in(&admin).await;
    let to_self = |on: domain::Owner| Invitation {
        token: f.token(),
        email: admin.email.clone(),
        grant: Grant { on, role: Role::Administrator },
        expires_at: f.now() + SignedDuration::from_hours(1),
    };
    let kept = [to_self(account.id.into()), to_self(environment.id.into())];
    for (n, invitation) in (0..).zip(&kept) {
        f.store.create_invitation(&by_admin.further(n), invitation).await.unwrap();
    }
    assert!(f.store.invitation(&kept[1].token, f.now()).await.is_ok());

    f.store.revoke_role(&f.stamp(), admin.id, account.id.into()).await.unwrap();
    for invitation in &kept {
        let shown = f.store.invitation(&invitation.token, f.now()).await;
        assert!(matches!(shown, Err(StorageError::NotFound)));
        let known = NewPerson::Known(admin.id);
        let taken = f.store.accept_invitation(&f.stamp(), &invitation.token, &known).await;
        assert!(matches!(taken, Err(StorageError::NotFound)));
    }
    assert!(f.store.invitations(environment.id.into(), f.now()).await.unwrap().is_empty());
    let late = f.store.create_invitation(&by_admin.further(9), &to_self(environment.id.into())).await;
    assert!(matches!(late, Err(StorageError::NotAllowed)));
    let back = f.store.grant_role(&by_admin.further(10), admin.id, administrator).await;
    assert!(matches!(back, Err(StorageError::NotAllowed)));

    f.store.grant_role(&f.stamp(), admin.id, administrator).await.unwrap();
    let again = f.store.invitation(&kept[1].token, f.now()).await;
    assert!(matches!(again, Err(StorageError::NotFound)), "it ended with the demotion, for good");
}
