use domain::{ChainHash, ClientId, Grant, ObjectRef, Owner, Role, Stamp};
use jiff::SignedDuration;

use super::Fixture;
use super::fixture::{email, name, password};
use crate::{Invitation, Session, SigningKey, SigningKeyChange, StorageError};

pub async fn the_log_is_a_chain_in_the_order_of_commits(f: Fixture) {
    let began = f.store.last_sequence().await.unwrap();
    let account = f.account().await;
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let (f, account) = (f.clone(), account.clone());
            tokio::spawn(async move { f.environment(&account).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let events = f.store.events_after(began, 100).await.unwrap();
    assert_eq!(events.len(), 13);
    assert_eq!(f.store.last_sequence().await.unwrap(), began + 13);
    let mut previous = ChainHash::default();
    for (event, sequence) in events.iter().zip(began + 1..) {
        assert_eq!(event.sequence, sequence);
        assert_eq!(event.previous, previous);
        assert_eq!(event.hash, event.expected_hash());
        previous = event.hash;
    }
    let mut forged = events[3].clone();
    forged.object.id = "another".to_owned();
    assert_ne!(forged.hash, forged.expected_hash());
    assert_eq!(f.store.events_after(began + 2, 1).await.unwrap()[0].sequence, began + 3);
}

pub async fn the_log_keeps_the_application_that_was_used(f: Fixture) {
    let account = f.account().await;
    let application = f.application(account.id).await;
    let used = [Some(ClientId::Application(application.id)), None, Some(ClientId::CommandLine)];
    let began = f.store.last_sequence().await.unwrap();
    for client in used {
        let (keypair, _) = f.unsaved_keypair(account.id);
        f.store.create_keypair(&Stamp { client, ..f.stamp() }, &keypair).await.unwrap();
    }
    f.store.remove_application(&f.stamp(), account.id.into(), application.id).await.unwrap();
    let events = f.store.events_after(began, 3).await.unwrap();
    assert_eq!(events.iter().map(|event| event.stamp.client).collect::<Vec<_>>(), used);
    let of_owner = f.store.audit_events(account.id.into(), None, 4).await.unwrap();
    assert!(of_owner.iter().skip(1).rev().map(|event| event.stamp.client).eq(used));
    for event in &events {
        assert_eq!(event.hash, event.expected_hash());
    }
    let mut without = events[0].clone();
    without.stamp.client = None;
    assert_ne!(without.hash, without.expected_hash());
}

pub async fn the_feed_names_what_each_line_touched(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    let began = f.store.last_sequence().await.unwrap();
    assert!(f.store.changes_after(began, 9).await.unwrap().is_empty());
    let keypair = f.keypair(environment.id).await;
    let user = f.user("admin@example.com").await;
    let changes = f.store.changes_after(began, 9).await.unwrap();
    let said: Vec<_> = changes.iter().map(|change| (change.sequence, change.action.as_str())).collect();
    assert_eq!(said, [(began + 1, "keypair.created"), (began + 2, "user.created")]);
    let touched: Vec<_> = changes.iter().map(|change| change.object.clone()).collect();
    assert_eq!(touched, [ObjectRef::new("keypair", keypair.id), ObjectRef::new("user", user.id)]);
    let events = f.store.events_after(began, 9).await.unwrap();
    assert!(changes.iter().map(|change| change.event).eq(events.iter().map(|event| event.stamp.event)));
    assert_eq!(f.store.changes_after(began, 1).await.unwrap(), changes[..1]);
    assert_eq!(f.store.changes_after(began + 1, 9).await.unwrap(), changes[1..]);
}

pub async fn logs_belong_to_their_owner(f: Fixture) {
    let account = f.account().await;
    let (here, there) = (f.environment(&account).await, f.environment(&account).await);
    let keypair = f.keypair(here.id).await;
    f.keypair(there.id).await;
    let log = |owner: Owner, before| {
        let f = f.clone();
        async move {
            let events = f.store.audit_events(owner, before, 50).await.unwrap();
            events.into_iter().map(|event| (event.action, event.object.id)).collect::<Vec<_>>()
        }
    };
    let of_here = log(here.id.into(), None).await;
    assert_eq!(
        of_here,
        [
            ("keypair.created".to_owned(), keypair.id.to_string()),
            ("environment.created".to_owned(), here.id.to_string())
        ]
    );
    let of_account = log(account.id.into(), None).await;
    assert_eq!(of_account.len(), 3, "{of_account:?}");
    let newest = f.store.audit_events(account.id.into(), None, 1).await.unwrap()[0].stamp.event;
    assert_eq!(log(account.id.into(), Some(newest)).await.len(), 2);
    let another_s = f.store.audit_events(there.id.into(), None, 1).await.unwrap()[0].stamp.event;
    for none_of_it in [another_s, f.id()] {
        assert_eq!(
            log(here.id.into(), Some(none_of_it)).await,
            [],
            "what is no line of it is no place in it"
        );
    }
}

pub async fn what_happens_to_an_environment_stands_in_both_logs(f: Fixture) {
    let account = f.account().await;
    let environment = f.environment(&account).await;
    f.store.rename_environment(&f.stamp(), environment.id, None, &name("Other")).await.unwrap();
    f.store.close_environment(&f.stamp(), environment.id, None).await.unwrap();
    let all = ["environment.closed", "environment.renamed", "environment.created"];
    for owner in [Owner::from(account.id), Owner::from(environment.id)] {
        // In parts of one, so that each part has to find its place in either half of the log.
        let mut before = None;
        for expected in all {
            let part = f.store.audit_events(owner, before, 1).await.unwrap();
            assert_eq!(part.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), [expected]);
            before = part.first().map(|event| event.stamp.event);
        }
    }
}

pub async fn a_refused_change_leaves_no_line(f: Fixture) {
    let account = f.account().await;
    f.store.rename_account(&f.stamp(), account.id, None, &name("Other")).await.unwrap();
    let before = f.store.last_sequence().await.unwrap();
    assert!(f.store.rename_account(&f.stamp(), account.id, Some(1), &name("Late")).await.is_err());
    assert!(f.store.close_account(&f.stamp(), f.id()).await.is_err());
    let (keypair, _) = f.unsaved_keypair(f.unsaved_account().id);
    assert!(f.store.create_keypair(&f.stamp(), &keypair).await.is_err());
    assert_eq!(f.store.last_sequence().await.unwrap(), before);
}

pub(super) fn signing_key(f: &Fixture, kid: &str) -> SigningKey {
    let created_at = f.now();
    SigningKey {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        sealed: kid.as_bytes().to_vec(),
        public_jwk: "{}".to_owned(),
        created_at,
        signs_from: created_at + SignedDuration::from_mins(10),
    }
}

pub(super) async fn add_signing_key(f: &Fixture, key: &SigningKey) -> Vec<SigningKey> {
    let add = |_: &[SigningKey]| SigningKeyChange { add: Some(key.clone()), ..SigningKeyChange::default() };
    f.store.change_signing_keys(&f.stamp(), &add).await.unwrap()
}

fn kids(keys: &[SigningKey]) -> Vec<&str> {
    keys.iter().map(|key| key.kid.as_str()).collect()
}

/// What the log says of signing keys: what was done to which.
async fn signing_key_lines(f: &Fixture) -> Vec<(String, String)> {
    let changes = f.store.changes_after(0, 100).await.unwrap();
    let of_keys = changes.into_iter().filter(|change| change.object.kind == "signing_key");
    of_keys.map(|change| (change.action, change.object.id)).collect()
}

pub async fn of_signing_keys_that_are_made_together_one_is_kept(f: Fixture) {
    assert!(f.store.signing_keys().await.unwrap().is_empty());
    let first = signing_key(&f, "first");
    let tasks: Vec<_> = (0..6)
        .map(|n| {
            let (f, key) = (f.clone(), signing_key(&f, &format!("kid{n}")));
            tokio::spawn(async move {
                // As nodes do that find the newest too old, or none at all.
                let unless_younger = |known: &[SigningKey]| {
                    let younger = known.iter().any(|known| known.created_at > first.created_at);
                    SigningKeyChange { add: (!younger).then(|| key.clone()), ..SigningKeyChange::default() }
                };
                f.store.change_signing_keys(&f.stamp(), &unless_younger).await.unwrap()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    let kept = f.store.signing_keys().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].sealed, kept[0].kid.as_bytes());
    for keys in answers {
        assert_eq!(kids(&keys), kids(&kept));
    }
    assert_eq!(signing_key_lines(&f).await, [("signing_key.created".to_owned(), kept[0].kid.clone())]);
}

pub async fn signing_keys_are_kept_in_the_order_in_which_they_sign(f: Fixture) {
    let (one, two) = (signing_key(&f, "one"), signing_key(&f, "two"));
    let at_once = SigningKey { signs_from: two.created_at, ..two };
    add_signing_key(&f, &one).await;
    let both = add_signing_key(&f, &at_once).await;
    assert_eq!(kids(&both), ["two", "one"]);
    let kept = f.store.signing_keys().await.unwrap();
    assert_eq!(kids(&kept), ["two", "one"]);
    let times = |key: &SigningKey| (key.created_at, key.signs_from);
    assert_eq!(kept.iter().map(times).collect::<Vec<_>>(), [times(&at_once), times(&one)]);
}

pub async fn signing_keys_go_as_others_come_or_not_at_all(f: Fixture) {
    for kid in ["a", "b", "c"] {
        add_signing_key(&f, &signing_key(&f, kid)).await;
    }
    let (before, new) = (f.store.last_sequence().await.unwrap(), signing_key(&f, "new"));
    let nothing = |known: &[SigningKey]| {
        assert_eq!(kids(known), ["a", "b", "c"]);
        SigningKeyChange { add: None, remove: vec!["another".to_owned()] }
    };
    assert_eq!(kids(&f.store.change_signing_keys(&f.stamp(), &nothing).await.unwrap()), ["a", "b", "c"]);
    let there =
        |_: &[SigningKey]| SigningKeyChange { add: Some(signing_key(&f, "a")), remove: vec!["b".to_owned()] };
    let refused = f.store.change_signing_keys(&f.stamp(), &there).await;
    assert!(matches!(refused, Err(StorageError::Exists)), "{refused:?}");
    assert_eq!(kids(&f.store.signing_keys().await.unwrap()), ["a", "b", "c"]);
    assert_eq!(f.store.last_sequence().await.unwrap(), before);

    let instead = |known: &[SigningKey]| SigningKeyChange {
        add: Some(new.clone()),
        remove: known.iter().map(|key| key.kid.clone()).filter(|kid| kid != "b").collect(),
    };
    assert_eq!(kids(&f.store.change_signing_keys(&f.stamp(), &instead).await.unwrap()), ["b", "new"]);
    let lines = signing_key_lines(&f).await.split_off(3);
    let lines: Vec<_> = lines.iter().map(|(action, kid)| (action.as_str(), kid.as_str())).collect();
    assert_eq!(
        lines,
        [("signing_key.created", "new"), ("signing_key.removed", "a"), ("signing_key.removed", "c")]
    );
}

pub async fn what_is_sealed_is_sealed_anew_whole_or_not_at_all(f: Fixture) {
    add_signing_key(&f, &signing_key(&f, "kid")).await;
    f.store.sealed_or("name", b"value").await.unwrap();
    let before = f.store.last_sequence().await.unwrap();
    let fails = |name: &str, _: &[u8]| (name == "kid").then(|| b"lost".to_vec());
    let refused = f.store.reseal(&f.stamp(), &fails).await;
    assert!(matches!(&refused, Err(StorageError::Corrupt(why)) if why.contains("name")), "{refused:?}");
    assert_eq!(f.store.signing_keys().await.unwrap()[0].sealed, b"kid");
    assert_eq!(f.store.last_sequence().await.unwrap(), before);

    let anew = |name: &str, sealed: &[u8]| Some([name.as_bytes(), b" ", sealed].concat());
    assert_eq!(f.store.reseal(&f.stamp(), &anew).await.unwrap(), 2);
    assert_eq!(f.store.signing_keys().await.unwrap()[0].sealed, b"kid kid");
    assert_eq!(f.store.sealed("name").await.unwrap().unwrap(), b"name value");
    let changes = f.store.changes_after(before, 9).await.unwrap();
    assert_eq!(
        changes.iter().map(|change| change.action.as_str()).collect::<Vec<_>>(),
        ["master_key.rotated"]
    );
}

pub async fn what_is_sealed_stays(f: Fixture) {
    assert_eq!(f.store.sealed("a").await.unwrap(), None);
    assert_eq!(f.store.sealed_or("a", b"first").await.unwrap(), b"first");
    assert_eq!(f.store.sealed_or("a", b"second").await.unwrap(), b"first");
    assert_eq!(f.store.sealed("a").await.unwrap().unwrap(), b"first");
    assert_eq!(f.store.sealed("b").await.unwrap(), None);
}

pub async fn a_sweep_takes_only_what_has_run_out(f: Fixture) {
    let account = f.account().await;
    let user = f.user("admin@example.com").await;
    let now = f.now();
    let later = now + SignedDuration::from_hours(1);
    let mut tokens = Vec::new();
    for expires_at in [now, later] {
        let token = f.token();
        let session = Session { token, user: user.id, created_at: now, expires_at };
        f.store.create_session(&session, &password()).await.unwrap();
        tokens.push(token);
    }
    for (address, expires_at) in [("old@example.com", now), ("new@example.com", later)] {
        let grant = Grant { on: account.id.into(), role: Role::Reader };
        let invitation = Invitation { token: f.token(), email: email(address), grant, expires_at };
        f.store.create_invitation(&f.stamp(), &invitation).await.unwrap();
    }
    f.store.sweep(now).await.unwrap();
    let early = now - SignedDuration::from_secs(1);
    assert!(matches!(f.store.session(&tokens[0], early).await, Err(StorageError::NotFound)));
    assert!(f.store.session(&tokens[1], early).await.is_ok());
    let left = f.store.invitations(account.id.into(), early).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].email.as_str(), "new@example.com");
}

pub async fn a_backup_is_a_store(f: Fixture) {
    f.account().await;
    let folder = std::env::temp_dir().join(format!("feedback-backup-{}", f.unsaved_account().id));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("backup");
    let written = f.store.backup(&file).await;
    if f.copies_itself {
        written.unwrap();
        assert!(std::fs::metadata(&file).unwrap().len() > 0);
        assert!(matches!(f.store.backup(&file).await, Err(StorageError::Exists)));
    } else {
        assert!(matches!(written, Err(StorageError::NotHere(_))));
        assert!(!file.exists());
    }
    assert!(f.store.check().await.unwrap().is_empty());
    assert!(f.store.ping().await.is_ok());
    // What was only read by the backup can still be written, and only through the writer.
    f.account().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

pub async fn a_restored_store_outlives_every_token_from_before(f: Fixture) {
    let account = f.account().await;
    let keypair = f.keypair(account.id).await;
    let user = f.user("admin@example.com").await;
    let session = Session {
        token: f.token(),
        user: user.id,
        created_at: f.now(),
        expires_at: f.now() + SignedDuration::from_hours(1),
    };
    f.store.create_session(&session, &password()).await.unwrap();
    f.store.outlive_copies(&f.stamp()).await.unwrap();
    let first = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    assert!(first.generation > 1_000_000 && first.enabled);
    assert!(matches!(f.store.session(&session.token, f.now()).await, Err(StorageError::NotFound)));
    f.store.outlive_copies(&f.stamp()).await.unwrap();
    let second = f.store.keypair(account.id.into(), keypair.id).await.unwrap();
    assert!(second.generation > first.generation);
}
