use domain::{
    Account, Actor, Application, AuthorizationCode, ClientId, Environment, Fallen, Grant, GrantRefusal,
    LiveGrant, PasswordHash, Role, Scope, ScopeError, SecretHash, Stamp, User, Wanted,
};
use jiff::SignedDuration;

use super::Fixture;
use super::fixture::own_exchange;
use crate::StorageError;

/// An account with an environment, an application, and a person who administers all of it.
pub(super) struct World {
    pub(super) f: Fixture,
    pub(super) account: Account,
    pub(super) environment: Environment,
    pub(super) application: Application,
    pub(super) user: User,
}

pub(super) fn anonymous(f: &Fixture) -> Stamp {
    Stamp { actor: Actor::Anonymous, address: Some("192.0.2.7".to_owned()), ..f.stamp() }
}

impl World {
    pub(super) async fn new(f: Fixture) -> Self {
        let account = f.account().await;
        let environment = f.environment(&account).await;
        let application = f.application(account.id).await;
        let user = f.user("person@example.com").await;
        let world = Self { f, account, environment, application, user };
        world.give(Role::Author).await;
        world
    }

    async fn give(&self, role: Role) {
        let grant = Grant { on: self.account.id.into(), role };
        self.f.store.grant_role(&self.f.stamp(), self.user.id, grant).await.unwrap();
    }

    async fn take(&self) {
        self.f.store.revoke_role(&self.f.stamp(), self.user.id, self.account.id.into()).await.unwrap();
    }

    pub(super) fn code(&self) -> AuthorizationCode {
        self.f.code(&self.application, self.user.id)
    }

    fn client(&self) -> ClientId {
        ClientId::Application(self.application.id)
    }

    /// Exchanges a code as whoever asked for it; the answer's refresh token has `next` for a hash.
    pub(super) async fn exchange(
        &self,
        code: &AuthorizationCode,
        next: &SecretHash,
    ) -> Result<LiveGrant, GrantRefusal> {
        let exchange = own_exchange(code);
        let stamp = anonymous(&self.f);
        self.f.store.exchange_code(&stamp, &code.hash, &exchange, self.f.id(), next).await.unwrap()
    }

    pub(super) async fn refresh(
        &self,
        token: &SecretHash,
        next: &SecretHash,
    ) -> Result<LiveGrant, GrantRefusal> {
        self.refresh_for(token, next, &Wanted::default()).await
    }

    async fn refresh_for(
        &self,
        token: &SecretHash,
        next: &SecretHash,
        wanted: &Wanted<'_>,
    ) -> Result<LiveGrant, GrantRefusal> {
        let stamp = anonymous(&self.f);
        self.f.store.refresh_grant(&stamp, self.client(), token, wanted, next).await.unwrap()
    }

    /// A grant, and its refresh token.
    async fn granted(&self) -> (LiveGrant, SecretHash) {
        self.f.granted(&self.code()).await
    }

    pub(super) async fn is_live(&self, live: &LiveGrant) -> bool {
        self.f.store.live_grant(live.grant.id, self.f.now()).await.unwrap().is_some()
    }

    /// The actions of the lines since then, and who made each.
    pub(super) async fn lines_since(&self, before: i64) -> Vec<(String, Actor)> {
        let lines = self.f.store.events_after(before, 99).await.unwrap();
        lines.into_iter().map(|line| (line.action, line.stamp.actor)).collect()
    }

    /// The application that the last line of the log names beside the actor.
    pub(super) async fn application_in_last_line(&self) -> Option<ClientId> {
        let last = self.now_at().await;
        self.f.store.events_after(last - 1, 1).await.unwrap().remove(0).stamp.client
    }

    pub(super) async fn now_at(&self) -> i64 {
        self.f.store.last_sequence().await.unwrap()
    }
}

pub async fn refresh_tokens_take_turns(f: Fixture) {
    let world = World::new(f).await;
    let (live, first) = world.granted().await;
    let before = world.now_at().await;
    let (second, third) = (world.f.hash(), world.f.hash());
    let refreshed = world.refresh(&first, &second).await.unwrap();
    assert_eq!((refreshed.grant.id, refreshed.grant.refresh_token), (live.grant.id, 2));
    assert!(refreshed.grant.last_used_at > live.grant.last_used_at);
    assert!(refreshed.grant.expires_at > live.grant.expires_at);
    assert_eq!(
        world.f.store.live_grant(live.grant.id, world.f.now()).await.unwrap(),
        Some(refreshed.clone())
    );
    assert_eq!(world.refresh(&second, &third).await.unwrap().grant.refresh_token, 3);
    assert_eq!(world.now_at().await, before, "what happens all the time is in no log");
    for token in [first, second, third] {
        assert_eq!(world.f.store.grant_of(&token).await.unwrap().map(|grant| grant.id), Some(live.grant.id));
    }
}

pub async fn a_refresh_token_that_comes_once_more_ends_the_grant(f: Fixture) {
    let world = World::new(f).await;
    let (live, first) = world.granted().await;
    let (other, others) = world.granted().await;
    let second = world.f.hash();
    world.refresh(&first, &second).await.unwrap();
    let before = world.now_at().await;
    assert_eq!(world.refresh(&first, &world.f.hash()).await, Err(GrantRefusal::Reused));
    assert!(!world.is_live(&live).await);
    assert_eq!(world.refresh(&second, &world.f.hash()).await, Err(GrantRefusal::Unknown));
    assert_eq!(world.lines_since(before).await, [("grant.reused".to_owned(), Actor::Anonymous)]);
    assert_eq!(world.application_in_last_line().await, Some(live.grant.client));
    assert!(world.is_live(&other).await);
    assert!(world.refresh(&others, &world.f.hash()).await.is_ok());
}

pub async fn of_the_same_refresh_token_at_the_same_time_one_works_and_the_grant_ends(f: Fixture) {
    let world = World::new(f).await;
    for _ in 0..5 {
        let (live, token) = world.granted().await;
        let client = world.client();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let f = world.f.clone();
                tokio::spawn(async move {
                    let wanted = Wanted::default();
                    f.store.refresh_grant(&anonymous(&f), client, &token, &wanted, &f.hash()).await
                })
            })
            .collect();
        let mut given = 0;
        for task in tasks {
            match task.await.unwrap().unwrap() {
                Ok(_) => given += 1,
                Err(refusal) => {
                    assert!(matches!(refusal, GrantRefusal::Reused | GrantRefusal::Unknown), "{refusal:?}");
                }
            }
        }
        assert_eq!(given, 1);
        assert!(!world.is_live(&live).await);
    }
}

pub async fn a_refused_refresh_uses_nothing_up(f: Fixture) {
    let world = World::new(f).await;
    let (live, token) = world.granted().await;
    let next = world.f.hash();
    let more = Wanted { scopes: Some(Scope::Admin.into()), environment: None };
    let refused = world.refresh_for(&token, &next, &more).await;
    assert_eq!(refused, Err(GrantRefusal::Scopes(ScopeError::NotGranted(Scope::Admin.into()))));
    let elsewhere = world.f.environment(&world.f.account().await).await;
    let wanted = Wanted { scopes: None, environment: Some(&elsewhere) };
    assert_eq!(world.refresh_for(&token, &next, &wanted).await, Err(GrantRefusal::Target));
    let stamp = anonymous(&world.f);
    let (everything, other) = (Wanted::default(), ClientId::CommandLine);
    let refused = world.f.store.refresh_grant(&stamp, other, &token, &everything, &next).await.unwrap();
    assert_eq!(refused, Err(GrantRefusal::Unknown));
    assert_eq!(world.refresh(&world.f.hash(), &next).await, Err(GrantRefusal::Unknown));
    let less = Wanted { scopes: Some(Scope::ReportRead.into()), environment: Some(&world.environment) };
    let refreshed = world.refresh_for(&token, &next, &less).await.unwrap();
    assert_eq!(refreshed.grant.scopes, live.grant.scopes, "one token has less, not the grant");
}

pub async fn a_grant_is_worth_what_the_persons_role_is(f: Fixture) {
    let world = World::new(f).await;
    let (live, token) = world.granted().await;
    let scopes = async || {
        let live = world.f.store.live_grant(live.grant.id, world.f.now()).await.unwrap();
        live.map(|live| live.scopes().to_string())
    };
    assert_eq!(scopes().await.unwrap(), "feedback-report:read feedback-queries:create");
    world.give(Role::Reader).await;
    assert_eq!(scopes().await.unwrap(), "feedback-report:read");
    let next = world.f.hash();
    assert_eq!(world.refresh(&token, &next).await.unwrap().scopes(), Scope::ReportRead.into());
    world.give(Role::Administrator).await;
    assert_eq!(
        scopes().await.unwrap(),
        "feedback-report:read feedback-queries:create",
        "no more than granted"
    );
    let another = world.f.user("another@example.com").await;
    let administrator = Grant { on: world.account.id.into(), role: Role::Administrator };
    world.f.store.grant_role(&world.f.stamp(), another.id, administrator).await.unwrap();
    world.take().await;
    assert_eq!(scopes().await, None);
    let before = world.now_at().await;
    assert_eq!(world.refresh(&next, &world.f.hash()).await, Err(GrantRefusal::NoRole));
    assert_eq!(world.lines_since(before).await, [("grant.revoked".to_owned(), Actor::Anonymous)]);
    world.give(Role::Reader).await;
    assert_eq!(scopes().await, None, "it was ended");

    let code = world.code();
    world.f.put_code(&code).await;
    world.take().await;
    let before = world.now_at().await;
    assert_eq!(world.exchange(&code, &world.f.hash()).await, Err(GrantRefusal::NoRole));
    assert_eq!(world.now_at().await, before);
}

pub async fn a_role_on_an_environment_is_enough_there(f: Fixture) {
    let world = World::new(f).await;
    world.take().await;
    let code = AuthorizationCode { owner: world.environment.id.into(), ..world.code() };
    world.f.put_code(&code).await;
    let on = world.environment.id.into();
    let grant = Grant { on, role: Role::Reader };
    world.f.store.grant_role(&world.f.stamp(), world.user.id, grant).await.unwrap();
    let live = world.exchange(&code, &world.f.hash()).await.unwrap();
    assert_eq!((live.role, live.account), (Role::Reader, world.account.id));
    world.give(Role::Author).await;
    let now = world.f.store.live_grant(live.grant.id, world.f.now()).await.unwrap().unwrap();
    assert_eq!(now.role, Role::Author, "the mightier of both");
}

pub async fn grants_end_with_whatever_they_rest_on(f: Fixture) {
    let world = World::new(f).await;
    let f = &world.f;
    let of_environment = f.application(world.environment.id).await;
    let on_environment =
        AuthorizationCode { owner: world.environment.id.into(), ..f.code(&of_environment, world.user.id) };
    let other = PasswordHash::from_phc("$argon2id$of-something-else".to_owned());
    // Each with a grant, and with a code that was not exchanged yet.
    for n in 0..4 {
        let code = match n {
            0 | 1 => world.code(),
            _ => AuthorizationCode { hash: f.hash(), ..on_environment.clone() },
        };
        let (live, token) = f.granted(&code).await;
        let pending = AuthorizationCode { hash: f.hash(), created_at: f.now(), ..code.clone() };
        f.put_code(&pending).await;
        assert!(world.is_live(&live).await, "{n}");
        match n {
            0 => f.store.set_password(&f.stamp(), world.user.id, &other).await.unwrap(),
            1 => {
                let (owner, id) = (world.application.owner, world.application.id);
                f.store.remove_application(&f.stamp(), owner, id).await.unwrap();
            }
            2 => f.store.outlive_copies(&f.stamp()).await.unwrap(),
            _ => drop(f.store.close_environment(&f.stamp(), world.environment.id, None).await.unwrap()),
        }
        assert!(!world.is_live(&live).await, "{n}");
        assert_eq!(f.store.grant_of(&token).await.unwrap(), None, "{n}");
        assert_eq!(world.exchange(&pending, &f.hash()).await, Err(GrantRefusal::Unknown), "{n}");
    }
    let again = f.environment(&world.account).await;
    let by_command_line = AuthorizationCode {
        hash: f.hash(),
        client: ClientId::CommandLine,
        owner: again.id.into(),
        created_at: f.now(),
        ..on_environment.clone()
    };
    let (live, _) = f.granted(&by_command_line).await;
    f.store.close_account(&f.stamp(), world.account.id).await.unwrap();
    assert!(!world.is_live(&live).await);

    let elsewhere = f.account().await;
    let grant = Grant { on: elsewhere.id.into(), role: Role::Reader };
    f.store.grant_role(&f.stamp(), world.user.id, grant).await.unwrap();
    let code = AuthorizationCode { hash: f.hash(), owner: elsewhere.id.into(), ..by_command_line };
    let (live, token) = f.granted(&AuthorizationCode { created_at: f.now(), ..code.clone() }).await;
    let session = f.session(world.user.id).await;
    f.store.remove_user(&f.stamp(), world.user.id).await.unwrap();
    assert!(!world.is_live(&live).await);
    assert_eq!(f.store.grant_of(&token).await.unwrap(), None);
    let late = AuthorizationCode { hash: f.hash(), ..code };
    let refused = f.store.put_code(&late, &session).await;
    assert!(matches!(refused, Err(StorageError::Fallen(Fallen::Session))));
}

pub async fn what_is_for_one_environment_ends_with_it(f: Fixture) {
    let world = World::new(f).await;
    let f = &world.f;
    let code = |only: &Environment| AuthorizationCode { narrowed_to: Some(only.id), ..world.code() };
    let sibling = f.environment(&world.account).await;
    let (ends, token) = f.granted(&code(&world.environment)).await;
    let ((stays, _), (all, _)) = (f.granted(&code(&sibling)).await, world.granted().await);
    let pending = code(&world.environment);
    f.put_code(&pending).await;
    f.store.close_environment(&f.stamp(), world.environment.id, None).await.unwrap();
    assert!(!world.is_live(&ends).await && world.is_live(&stays).await && world.is_live(&all).await);
    assert_eq!(f.store.grant_of(&token).await.unwrap(), None);
    assert_eq!(world.exchange(&pending, &f.hash()).await, Err(GrantRefusal::Unknown));
    // Also one that was on its way when the environment closed.
    let late = code(&world.environment);
    f.put_code(&late).await;
    assert_eq!(world.exchange(&late, &f.hash()).await, Err(GrantRefusal::Unknown));
}

pub async fn a_grant_made_while_its_application_is_removed_does_not_outlive_it(f: Fixture) {
    let world = World::new(f).await;
    for _ in 0..5 {
        let application = world.f.application(world.account.id).await;
        let code = world.f.code(&application, world.user.id);
        world.f.put_code(&code).await;
        let exchanging = {
            let (f, code) = (world.f.clone(), code.clone());
            tokio::spawn(async move {
                let exchange = own_exchange(&code);
                f.store.exchange_code(&anonymous(&f), &code.hash, &exchange, f.id(), &f.hash()).await
            })
        };
        let owner = world.account.id.into();
        world.f.store.remove_application(&world.f.stamp(), owner, application.id).await.unwrap();
        if let Ok(live) = exchanging.await.unwrap().unwrap() {
            assert!(!world.is_live(&live).await);
        }
        // A code that comes late is none of an application that there is.
        let late = world.f.code(&application, world.user.id);
        world.f.put_code(&late).await;
        assert_eq!(world.exchange(&late, &world.f.hash()).await, Err(GrantRefusal::Unknown));
    }
}

pub async fn people_see_and_end_what_they_granted(f: Fixture) {
    let world = World::new(f).await;
    let f = &world.f;
    let (first, token) = world.granted().await;
    let by_command_line = AuthorizationCode {
        client: ClientId::CommandLine,
        owner: world.environment.id.into(),
        ..world.code()
    };
    let (second, _) = f.granted(&by_command_line).await;
    let list = async |user| f.store.grants_by(user, f.now(), 9).await.unwrap();
    let listed = list(world.user.id).await;
    assert_eq!(listed.iter().map(|named| &named.grant).collect::<Vec<_>>(), [&second.grant, &first.grant]);
    assert_eq!((&listed[0].application, &listed[0].place.account), (&None, &world.account.name));
    assert_eq!(listed[0].place.environment.as_ref(), Some(&world.environment.name));
    assert_eq!(listed[1].application.as_ref(), Some(&world.application.name));
    assert_eq!(listed[1].place.environment, None);
    assert_eq!(f.store.grants_by(world.user.id, f.now(), 1).await.unwrap().len(), 1);
    let stranger = f.user("stranger@example.com").await;
    assert!(list(stranger.id).await.is_empty());
    let stamp = Stamp { actor: Actor::User(stranger.id, stranger.email.to_string()), ..f.stamp() };
    let refused = f.store.revoke_grant(&stamp, stranger.id, first.grant.id).await;
    assert!(matches!(refused, Err(StorageError::NotFound)));
    let before = world.now_at().await;
    let person = Actor::User(world.user.id, world.user.email.to_string());
    let stamp = Stamp { actor: person.clone(), ..f.stamp() };
    f.store.revoke_grant(&stamp, world.user.id, first.grant.id).await.unwrap();
    assert!(!world.is_live(&first).await && world.is_live(&second).await);
    assert_eq!(world.refresh(&token, &f.hash()).await, Err(GrantRefusal::Unknown));
    assert_eq!(world.lines_since(before).await, [("grant.revoked".to_owned(), person)]);
    let again = f.store.revoke_grant(&stamp, world.user.id, first.grant.id).await;
    assert!(matches!(again, Err(StorageError::NotFound)));
    assert_eq!(list(world.user.id).await.len(), 1);
    let late = f.now() + SignedDuration::from_hours(31 * 24);
    assert!(f.store.grants_by(world.user.id, late, 9).await.unwrap().is_empty());
}

pub async fn with_a_grant_go_the_codes_on_their_way_to_its_client(f: Fixture) {
    let world = World::new(f).await;
    let f = &world.f;
    let (granted, _) = world.granted().await;
    let (on_its_way, stranger) = (world.code(), f.user("stranger@example.com").await);
    let role = Grant { on: world.account.id.into(), role: Role::Author };
    f.store.grant_role(&f.stamp(), stranger.id, role).await.unwrap();
    let another_persons = f.code(&world.application, stranger.id);
    let to_another_client = AuthorizationCode { client: ClientId::CommandLine, ..world.code() };
    for code in [&on_its_way, &another_persons, &to_another_client] {
        f.put_code(code).await;
    }
    f.store.revoke_grant(&f.stamp(), world.user.id, granted.grant.id).await.unwrap();
    assert_eq!(world.exchange(&on_its_way, &f.hash()).await, Err(GrantRefusal::Unknown));
    for code in [another_persons, to_another_client] {
        assert!(world.exchange(&code, &f.hash()).await.is_ok());
    }
}

pub async fn codes_and_grants_go_when_their_time_is_over(f: Fixture) {
    let world = World::new(f).await;
    let f = &world.f;
    let (live, token) = world.granted().await;
    let code = world.code();
    f.put_code(&code).await;
    f.store.sweep(f.now()).await.unwrap();
    assert!(world.is_live(&live).await);
    let late = live.grant.expires_at;
    assert_eq!(f.store.live_grant(live.grant.id, late).await.unwrap(), None);
    let stamp = Stamp { at: late, ..anonymous(f) };
    let everything = Wanted::default();
    let refused = f.store.refresh_grant(&stamp, world.client(), &token, &everything, &f.hash()).await;
    assert_eq!(refused.unwrap(), Err(GrantRefusal::Unknown));
    assert!(f.store.grant_of(&token).await.unwrap().is_some());
    f.store.sweep(late).await.unwrap();
    assert_eq!(f.store.grant_of(&token).await.unwrap(), None);
    assert_eq!(world.exchange(&code, &f.hash()).await, Err(GrantRefusal::Unknown));
    assert!(f.store.check().await.unwrap().is_empty());
}
