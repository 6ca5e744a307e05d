use domain::{
    Actor, AuthorizationCode, ClientId, CodeExchange, Fallen, GrantRefusal, LiveGrant, PasswordHash, Role,
    Wanted,
};
use jiff::SignedDuration;

use super::Fixture;
use super::application_grants::{World, anonymous};
use super::fixture::own_exchange;
use crate::{StorageError, TokenHash};

pub async fn a_code_is_exchanged_for_what_was_granted(f: Fixture) {
    let world = World::new(f).await;
    let (code, token) = (world.code(), world.f.hash());
    let before = world.now_at().await;
    world.f.put_code(&code).await;
    assert_eq!(world.now_at().await, before, "nothing was granted yet");
    let live = world.exchange(&code, &token).await.unwrap();
    let LiveGrant { grant, user, account, role } = live.clone();
    assert_eq!((user, account, role), (world.user.clone(), world.account.id, Role::Author));
    assert_eq!((grant.client, grant.owner, grant.scopes), (code.client, code.owner, code.scopes));
    assert_eq!((grant.user, grant.refresh_token, grant.narrowed_to), (world.user.id, 1, None));
    assert_eq!(world.f.store.live_grant(grant.id, world.f.now()).await.unwrap(), Some(live));
    assert_eq!(world.f.store.grant_of(&token).await.unwrap(), Some(grant.clone()));
    assert_eq!(world.f.store.live_grant(world.f.id(), world.f.now()).await.unwrap(), None);
    let person = Actor::User(world.user.id, world.user.email.to_string());
    assert_eq!(world.lines_since(before).await, [("grant.created".to_owned(), person)]);
    assert_eq!(world.application_in_last_line().await, Some(code.client));
    let line = world.f.store.audit_events(grant.owner, None, 1).await.unwrap().remove(0);
    assert_eq!((line.object.id, line.stamp.address), (grant.id.to_string(), Some("192.0.2.7".to_owned())));
}

pub async fn a_code_is_nobody_elses(f: Fixture) {
    let world = World::new(f).await;
    let (code, next) = (world.code(), world.f.hash());
    world.f.put_code(&code).await;
    let before = world.now_at().await;
    let right = own_exchange(&code);
    let other = "another-verifier-that-is-long-enough-to-be-one";
    for wrong in [
        CodeExchange { client: ClientId::CommandLine, ..right },
        CodeExchange { redirect_uri: "https://example.com/other", ..right },
        CodeExchange { verifier: other, ..right },
    ] {
        let refused =
            world.f.store.exchange_code(&world.f.stamp(), &code.hash, &wrong, world.f.id(), &next).await;
        assert_eq!(refused.unwrap(), Err(GrantRefusal::Unknown), "{wrong:?}");
    }
    let unknown = AuthorizationCode { hash: world.f.hash(), ..code.clone() };
    assert_eq!(world.exchange(&unknown, &next).await, Err(GrantRefusal::Unknown));
    let late = AuthorizationCode {
        hash: world.f.hash(),
        created_at: world.f.now() - SignedDuration::from_secs(61),
        ..code.clone()
    };
    world.f.put_code(&late).await;
    assert_eq!(world.exchange(&late, &next).await, Err(GrantRefusal::Unknown));
    assert_eq!(world.now_at().await, before);
    assert!(world.exchange(&code, &next).await.is_ok(), "whoever asked for it still gets it");
}

pub async fn a_code_that_comes_once_more_ends_what_it_gave(f: Fixture) {
    let world = World::new(f).await;
    let (code, token) = (world.code(), world.f.hash());
    world.f.put_code(&code).await;
    let live = world.exchange(&code, &token).await.unwrap();
    let before = world.now_at().await;
    // Whoever it is: also with the wrong verifier.
    let exchange = CodeExchange {
        client: ClientId::CommandLine,
        redirect_uri: "",
        verifier: "",
        wanted: Wanted::default(),
    };
    let stamp = anonymous(&world.f);
    let again =
        world.f.store.exchange_code(&stamp, &code.hash, &exchange, world.f.id(), &world.f.hash()).await;
    assert_eq!(again.unwrap(), Err(GrantRefusal::Reused));
    assert!(!world.is_live(&live).await);
    assert_eq!(world.refresh(&token, &world.f.hash()).await, Err(GrantRefusal::Unknown));
    assert_eq!(world.exchange(&code, &world.f.hash()).await, Err(GrantRefusal::Reused));
    assert_eq!(world.lines_since(before).await, [("grant.reused".to_owned(), Actor::Anonymous)]);
    assert_eq!(world.application_in_last_line().await, Some(live.grant.client), "not who it says it is");
}

pub async fn of_the_same_code_at_the_same_time_one_is_exchanged_and_ends(f: Fixture) {
    let world = World::new(f).await;
    for _ in 0..5 {
        let code = world.code();
        world.f.put_code(&code).await;
        let before = world.now_at().await;
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (f, code) = (world.f.clone(), code.clone());
                tokio::spawn(async move {
                    let exchange = own_exchange(&code);
                    f.store.exchange_code(&anonymous(&f), &code.hash, &exchange, f.id(), &f.hash()).await
                })
            })
            .collect();
        let mut given = Vec::new();
        for task in tasks {
            match task.await.unwrap().unwrap() {
                Ok(live) => given.push(live),
                Err(refusal) => assert_eq!(refusal, GrantRefusal::Reused),
            }
        }
        assert_eq!(given.len(), 1);
        assert!(!world.is_live(&given[0]).await);
        let lines = world.lines_since(before).await;
        assert_eq!(
            lines.iter().map(|line| line.0.as_str()).collect::<Vec<_>>(),
            ["grant.created", "grant.reused"]
        );
    }
}

pub async fn a_code_is_kept_only_while_its_session_stands(f: Fixture) {
    let world = World::new(f).await;
    let f = &world.f;
    let other = PasswordHash::from_phc("$argon2id$of-something-else".to_owned());
    let refused = async |code: &AuthorizationCode, session: &TokenHash| {
        let put = f.store.put_code(code, session).await;
        assert!(matches!(put, Err(StorageError::Fallen(Fallen::Session))), "{put:?}");
        assert_eq!(world.exchange(code, &f.hash()).await, Err(GrantRefusal::Unknown));
    };
    refused(&world.code(), &f.token()).await;
    let stranger = f.user("stranger@example.com").await;
    refused(&world.code(), &f.session(stranger.id).await).await;
    let session = f.session(world.user.id).await;
    let late = f.now() + SignedDuration::from_hours(12);
    refused(&AuthorizationCode { created_at: late, ..world.code() }, &session).await;
    f.store.put_code(&world.code(), &session).await.unwrap();
    f.store.delete_session(&session).await.unwrap();
    refused(&world.code(), &session).await;
    let session = f.session(world.user.id).await;
    f.store.set_password(&f.stamp(), world.user.id, &other).await.unwrap();
    refused(&world.code(), &session).await;
}

pub async fn a_code_allowed_while_the_password_changes_does_not_outlive_it(f: Fixture) {
    let world = World::new(f).await;
    for n in 0..5 {
        let session = world.f.session(world.user.id).await;
        let codes: Vec<_> = (0..6).map(|_| world.code()).collect();
        let allowing: Vec<_> = codes
            .iter()
            .cloned()
            .map(|code| {
                let f = world.f.clone();
                tokio::spawn(async move { f.store.put_code(&code, &session).await })
            })
            .collect();
        let other = PasswordHash::from_phc(format!("$argon2id$of-{n}"));
        world.f.store.set_password(&world.f.stamp(), world.user.id, &other).await.unwrap();
        for task in allowing {
            let put = task.await.unwrap();
            assert!(matches!(put, Ok(()) | Err(StorageError::Fallen(Fallen::Session))), "{put:?}");
        }
        for code in codes {
            assert_eq!(world.exchange(&code, &world.f.hash()).await, Err(GrantRefusal::Unknown));
        }
    }
}
