use domain::{
    Account, Fallen, Grant, GrantTokenClaims, LiveGrant, Outlived, PasswordHash, Role, Scope, Scopes,
    SigningKeyHash, Stamp, Standing, User,
};
use jiff::SignedDuration;

use super::Fixture;
use super::changes_of_people::{CREATE_QUERY, attempts, refusals};
use super::server::{add_signing_key, signing_key};
use crate::StorageError;

const KID: &str = "kid";

async fn administrator(f: &Fixture, account: &Account, address: &str) -> User {
    let user = f.user(address).await;
    give(f, account, &user, Role::Administrator).await;
    user
}

async fn give(f: &Fixture, account: &Account, user: &User, role: Role) {
    let grant = Grant { on: account.id.into(), role };
    f.store.grant_role(&f.stamp(), user.id, grant).await.unwrap();
}

fn password() -> PasswordHash {
    PasswordHash::from_phc("$argon2id$of-something-else".to_owned())
}

pub async fn a_session_that_ended_changes_nothing(f: Fixture) {
    let account = f.account().await;
    administrator(&f, &account, "stays@example.com").await;
    for n in 0..4 {
        let user = administrator(&f, &account, &format!("{n}@example.com")).await;
        let token = f.session(user.id).await;
        let standing = Some(Standing::Session(domain::SecretHash::from_bytes(token)));
        let now = || Stamp { standing: standing.clone(), event: f.id(), at: f.now(), ..stamp_of(&f, &user) };
        for (verb, done) in attempts(&f, &account, &now()).await {
            assert!(done.is_ok(), "{n} {verb}: {done:?}");
        }
        let mut at = None;
        match n {
            0 => f.store.delete_session(&token).await.unwrap(),
            1 => f.store.set_password(&f.stamp(), user.id, &password()).await.unwrap(),
            2 => f.store.remove_user(&f.stamp(), user.id).await.unwrap(),
            _ => at = Some(f.now() + SignedDuration::from_hours(12)),
        }
        let late = Stamp { at: at.unwrap_or_else(|| f.now()), ..now() };
        for (verb, refused) in refusals(&f, &account, &late).await {
            let fallen = matches!(refused, Err(StorageError::Fallen(Fallen::Session)));
            assert!(fallen, "{n} {verb}: {refused:?}");
        }
        let refused = f.store.set_password(&late, user.id, &password()).await;
        assert!(matches!(refused, Err(StorageError::Fallen(Fallen::Session))), "{n}: {refused:?}");
        let refused = f.store.revoke_grant(&late, user.id, f.id()).await;
        assert!(matches!(refused, Err(StorageError::Fallen(Fallen::Session))), "{n}: {refused:?}");
    }
}

fn stamp_of(f: &Fixture, user: &User) -> Stamp {
    Stamp { actor: domain::Actor::User(user.id, user.email.to_string()), ..f.stamp() }
}

pub async fn a_person_without_a_session_or_token_changes_nothing(f: Fixture) {
    let account = f.account().await;
    let (user, other) = (
        administrator(&f, &account, "a@example.com").await,
        administrator(&f, &account, "b@example.com").await,
    );
    for (verb, refused) in refusals(&f, &account, &stamp_of(&f, &user)).await {
        assert!(matches!(refused, Err(StorageError::NotAllowed)), "{verb}: {refused:?}");
    }
    let by_another = Stamp { standing: f.signed_in(&other).await.standing, ..stamp_of(&f, &user) };
    for (verb, refused) in refusals(&f, &account, &by_another).await {
        assert!(matches!(refused, Err(StorageError::Fallen(Fallen::Session))), "{verb}: {refused:?}");
    }
    let (_, claims) = token(&f, &account, &other).await;
    for (verb, refused) in refusals(&f, &account, &by_token(&f, &user, claims)).await {
        let fallen = matches!(refused, Err(StorageError::Fallen(Fallen::Outlived(Outlived::Grant, None))));
        assert!(fallen, "{verb}: {refused:?}");
    }
    let own = f.signed_in(&user).await;
    let refused = f.store.set_password(&own, other.id, &password()).await;
    assert!(matches!(refused, Err(StorageError::NotAllowed)), "another's password");
    f.store.set_password(&own, user.id, &password()).await.unwrap();
}

pub async fn a_person_changes_what_the_role_there_allows(f: Fixture) {
    let (account, elsewhere) = (f.account().await, f.account().await);
    let sibling = f.environment(&account).await;
    for (n, (on, role)) in [
        (account.id.into(), Role::Administrator),
        (account.id.into(), Role::Author),
        (account.id.into(), Role::Reader),
        (sibling.id.into(), Role::Administrator),
        (elsewhere.id.into(), Role::Administrator),
    ]
    .into_iter()
    .enumerate()
    {
        let user = f.user(&format!("{n}@example.com")).await;
        f.store.grant_role(&f.stamp(), user.id, Grant { on, role }).await.unwrap();
        let stamp = f.signed_in(&user).await;
        if n == 0 {
            for (verb, done) in attempts(&f, &account, &stamp).await {
                assert!(done.is_ok(), "{verb}: {done:?}");
            }
            continue;
        }
        for (verb, done) in refusals(&f, &account, &stamp).await {
            let may = verb == CREATE_QUERY && role == Role::Author;
            let right = if may { done.is_ok() } else { matches!(done, Err(StorageError::NotAllowed)) };
            assert!(right, "{role} on {on}: {verb}: {done:?}");
        }
    }
}

pub async fn after_a_session_ended_no_change_is_its_own(f: Fixture) {
    let account = f.account().await;
    let user = administrator(&f, &account, "person@example.com").await;
    for _ in 0..10 {
        let token = f.session(user.id).await;
        let standing = Some(Standing::Session(domain::SecretHash::from_bytes(token)));
        let making: Vec<_> = (0..8)
            .map(|_| {
                let stamp = Stamp { standing: standing.clone(), ..stamp_of(&f, &user) };
                let (f, (keypair, _)) = (f.clone(), f.unsaved_keypair(account.id));
                tokio::spawn(async move { f.store.create_keypair(&stamp, &keypair).await })
            })
            .collect();
        f.store.delete_session(&token).await.unwrap();
        let ended = f.store.last_sequence().await.unwrap();
        for task in making {
            let made = task.await.unwrap();
            assert!(matches!(made, Ok(()) | Err(StorageError::Fallen(Fallen::Session))), "{made:?}");
        }
        assert_eq!(f.store.last_sequence().await.unwrap(), ended);
    }
}

/// A grant of the person's with every scope of an account, and what a token of it stands on.
async fn token(f: &Fixture, account: &Account, user: &User) -> (LiveGrant, GrantTokenClaims) {
    if f.store.signing_keys().await.unwrap().is_empty() {
        add_signing_key(f, &signing_key(f, KID)).await;
    }
    let application = f.application(account.id).await;
    let scopes: Scopes = Scope::ALL.into_iter().collect();
    let code = domain::AuthorizationCode { scopes, ..f.code(&application, user.id) };
    let (live, _) = f.granted(&code).await;
    let claims = GrantTokenClaims {
        id: f.revoked_token().id,
        grant: live.grant.id,
        user: user.id,
        client: live.grant.client,
        owner: live.grant.owner,
        scopes,
        expires_at: f.now() + SignedDuration::from_mins(15),
    };
    (live, claims)
}

fn by_token(f: &Fixture, user: &User, claims: GrantTokenClaims) -> Stamp {
    let (signed_by, needs) = (SigningKeyHash::of(KID), Scope::AccountAdmin.into());
    Stamp { standing: Some(Standing::Grant { claims, signed_by, needs }), ..stamp_of(f, user) }
}

pub async fn a_token_of_an_ended_grant_changes_nothing(f: Fixture) {
    let account = f.account().await;
    administrator(&f, &account, "stays@example.com").await;
    for n in 0..7 {
        let user = administrator(&f, &account, &format!("{n}@example.com")).await;
        let (live, claims) = token(&f, &account, &user).await;
        for (verb, done) in attempts(&f, &account, &by_token(&f, &user, claims)).await {
            assert!(done.is_ok(), "{n} {verb}: {done:?}");
        }
        let mut late = by_token(&f, &user, claims);
        let mut why = Fallen::Outlived(Outlived::Grant, None);
        match n {
            0 => f.store.revoke_grant(&stamp_of(&f, &user), user.id, live.grant.id).await.unwrap(),
            1 => f.store.set_password(&f.stamp(), user.id, &password()).await.unwrap(),
            2 => f.store.remove_user(&f.stamp(), user.id).await.unwrap(),
            3 => f.store.revoke_role(&f.stamp(), user.id, account.id.into()).await.unwrap(),
            4 => {
                give(&f, &account, &user, Role::Author).await;
                why = Fallen::Lacks(Scope::AccountAdmin.into(), None);
            }
            5 => {
                late.at = claims.expires_at;
                why = Fallen::Outlived(Outlived::Expired, None);
            }
            _ => {
                let needs = Scope::AccountAdmin.into();
                let signed_by = SigningKeyHash::of("another");
                late.standing = Some(Standing::Grant { claims, signed_by, needs });
                why = Fallen::Outlived(Outlived::SigningKey, None);
            }
        }
        for (verb, refused) in refusals(&f, &account, &late).await {
            let same = matches!(&refused, Err(StorageError::Fallen(fallen)) if *fallen == why);
            assert!(same, "{n} {verb}: {refused:?}");
        }
    }
}

pub async fn after_the_line_that_ends_a_grant_none_is_its_own(f: Fixture) {
    let account = f.account().await;
    let user = administrator(&f, &account, "person@example.com").await;
    for _ in 0..5 {
        let (live, claims) = token(&f, &account, &user).await;
        let making: Vec<_> = (0..8)
            .map(|_| {
                let (f, stamp) = (f.clone(), by_token(&f, &user, claims));
                let (keypair, _) = f.unsaved_keypair(account.id);
                tokio::spawn(async move { f.store.create_keypair(&stamp, &keypair).await })
            })
            .collect();
        let before = f.store.last_sequence().await.unwrap();
        f.store.revoke_grant(&f.stamp(), user.id, live.grant.id).await.unwrap();
        for task in making {
            let made = task.await.unwrap();
            assert!(matches!(made, Ok(()) | Err(StorageError::Fallen(_))), "{made:?}");
        }
        let lines = f.store.events_after(before, 99).await.unwrap();
        assert_eq!(lines.last().map(|line| line.action.as_str()), Some("grant.revoked"));
    }
}
