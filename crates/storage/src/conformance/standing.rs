use domain::{
    Action, Actor, AllowedAddresses, Comment, Environment, Fallen, Keypair, KeypairEdit, KeypairStatus,
    Outlived, Query, Scope, Scopes, SigningKeyHash, Stamp, Standing, TokenBinding, TokenClaims,
};
use jiff::SignedDuration;

use super::Fixture;
use super::fixture::name;
use super::server::{add_signing_key, signing_key};
use crate::{SigningKeyChange, StorageError};

const KID: &str = "kid";

/// The numbers of the caller's secret and public key.
const SECRET: u32 = 1;
const PUBLIC_KEY: u32 = 2;

/// A program with a token that may do everything, and what it may do that to.
struct World {
    caller: Keypair,
    token: TokenClaims,
    environment: Environment,
    query: Query,
    target: Keypair,
}

impl World {
    async fn new(f: &Fixture) -> Self {
        if f.store.signing_keys().await.unwrap().is_empty() {
            add_signing_key(f, &signing_key(f, KID)).await;
        }
        let account = f.account().await;
        let environment = f.environment(&account).await;
        let (keypair, _) = f.unsaved_keypair(account.id);
        let keypair = Keypair { scopes: Scope::ALL.into_iter().collect(), ..keypair };
        let caller = f.with_public_key(&keypair, 0);
        f.store.create_keypair(&f.stamp(), &caller).await.unwrap();
        let token = TokenClaims {
            id: f.revoked_token().id,
            keypair: caller.id,
            owner: caller.owner,
            scopes: caller.scopes,
            generation: caller.generation,
            secret: SECRET,
            expires_at: f.now() + SignedDuration::from_hours(1),
            confirmation: None,
        };
        let (query, target) = (f.query(&environment).await, f.keypair(environment.id).await);
        Self { caller, token, environment, query, target }
    }

    /// The stamp of a change that the program makes with its token, and that rests on these scopes.
    fn stamp(&self, f: &Fixture, needs: impl Into<Scopes>) -> Stamp {
        let signed_by = SigningKeyHash::of(KID);
        let standing = Standing::Token { claims: self.token, signed_by, needs: needs.into(), networks: None };
        Stamp { actor: Actor::Keypair(self.caller.id), standing: Some(standing), ..f.stamp() }
    }

    /// What came of each change that the program tries to make.
    async fn attempts(&self, f: &Fixture) -> Vec<(&'static str, Result<(), StorageError>)> {
        let (store, environment) = (&f.store, &self.environment);
        let (admin, account_admin) = (|| self.stamp(f, Scope::Admin), || self.stamp(f, Scope::AccountAdmin));
        let text = f.now().to_string();
        let comment = |before: &Keypair| {
            let comment = Some(Comment::new(&text).unwrap());
            let edit = KeypairEdit { comment, ..KeypairEdit::default() };
            Ok((before.edited(&edit, None, before.created_at)?, Action::KeypairChanged))
        };
        let rename = |before: &Query| before.edited(Some(name(&text)), None);
        let (keypair, _) = f.unsaved_keypair(environment.id);
        let another = Environment { id: f.id(), ..environment.clone() };
        let query = Query { id: f.id(), ..self.query.clone() };
        let (target, of) = (self.target.id, environment.id);
        let queries_create = self.stamp(f, Scope::QueriesCreate);
        vec![
            ("create_keypair", store.create_keypair(&admin(), &keypair).await),
            (
                "change_keypair",
                store.change_keypair(&admin(), of.into(), target, None, &comment).await.map(drop),
            ),
            ("create_environment", store.create_environment(&account_admin(), &another).await),
            (
                "rename_environment",
                store.rename_environment(&account_admin(), of, None, &name(&text)).await.map(drop),
            ),
            ("create_query", store.create_query(&queries_create, &query).await),
            (
                "change_query",
                store
                    .change_query(&admin(), Action::QueryChanged, of, self.query.id, None, &rename)
                    .await
                    .map(drop),
            ),
        ]
    }

    /// The same for what destroys its object, which therefore is not tried before the program was stopped.
    async fn destructive_attempts(&self, f: &Fixture) -> Vec<(&'static str, Result<(), StorageError>)> {
        let environment = &self.environment;
        let (admin, account_admin) = (self.stamp(f, Scope::Admin), self.stamp(f, Scope::AccountAdmin));
        let (target, of) = (self.target.id, environment.id);
        vec![
            ("remove_keypair", f.store.remove_keypair(&admin, of.into(), target, None).await),
            ("close_environment", f.store.close_environment(&account_admin, of, None).await.map(drop)),
        ]
    }

    async fn edit(&self, f: &Fixture, edit: KeypairEdit) {
        let at = f.now();
        let decide = |before: &Keypair| Ok((before.edited(&edit, None, at)?, Action::KeypairChanged));
        let stamp = f.stamp();
        let changed = f.store.change_keypair(&stamp, self.caller.owner, self.caller.id, None, &decide);
        changed.await.unwrap().unwrap();
    }

    async fn change(
        &self,
        f: &Fixture,
        change: impl Fn(&Keypair) -> Result<Keypair, domain::KeypairRefusal> + Send + Sync,
    ) {
        let decide = |before: &Keypair| Ok((change(before)?, Action::KeypairChanged));
        let stamp = f.stamp();
        let changed = f.store.change_keypair(&stamp, self.caller.owner, self.caller.id, None, &decide);
        changed.await.unwrap().unwrap();
    }
}

/// Sees that the program could change everything, stops it by `stop`, and sees that it changes nothing any more.
async fn falls(
    f: &Fixture,
    world: World,
    stop: impl AsyncFnOnce(&World),
    why: impl Fn(&Fallen) -> bool,
    cause: &str,
) {
    for (verb, outcome) in world.attempts(f).await {
        assert!(outcome.is_ok(), "{cause}: before, {verb}: {outcome:?}");
    }
    stop(&world).await;
    let before = f.store.last_sequence().await.unwrap();
    let mut attempts = world.attempts(f).await;
    attempts.extend(world.destructive_attempts(f).await);
    for (verb, outcome) in attempts {
        assert!(
            matches!(&outcome, Err(StorageError::Fallen(fallen)) if why(fallen)),
            "{cause}: {verb}: {outcome:?}"
        );
    }
    assert_eq!(f.store.last_sequence().await.unwrap(), before, "{cause}");
}

fn outlived(why: Outlived) -> impl Fn(&Fallen) -> bool {
    move |fallen| *fallen == Fallen::Outlived(why, None)
}

fn switch(enabled: bool) -> KeypairEdit {
    KeypairEdit { enabled: Some(enabled), ..KeypairEdit::default() }
}

pub async fn a_token_of_a_stopped_keypair_changes_nothing(f: Fixture) {
    let disable = async |world: &World| world.edit(&f, switch(false)).await;
    let why = outlived(Outlived::Keypair(KeypairStatus::Disabled));
    falls(&f, World::new(&f).await, disable, why, "disabled").await;

    let restart = async |world: &World| {
        world.edit(&f, switch(false)).await;
        world.edit(&f, switch(true)).await;
    };
    falls(&f, World::new(&f).await, restart, outlived(Outlived::Generation), "enabled again").await;

    let expire = async |world: &World| {
        let at = f.now() + SignedDuration::from_millis(1);
        let edit = KeypairEdit { expires_at: Some(Some(at)), ..KeypairEdit::default() };
        world.change(&f, |before| before.edited(&edit, None, before.created_at)).await;
    };
    let why = outlived(Outlived::Keypair(KeypairStatus::Expired));
    falls(&f, World::new(&f).await, expire, why, "expired").await;

    let remove = async |world: &World| {
        f.store.remove_keypair(&f.stamp(), world.caller.owner, world.caller.id, None).await.unwrap();
    };
    falls(&f, World::new(&f).await, remove, outlived(Outlived::Removed), "removed").await;

    let close = async |world: &World| {
        f.store.close_account(&f.stamp(), world.environment.account).await.unwrap();
    };
    falls(&f, World::new(&f).await, close, outlived(Outlived::Removed), "closed").await;
}

pub async fn a_token_of_a_secret_or_public_key_that_ended_changes_nothing(f: Fixture) {
    let gone = || outlived(Outlived::Secret);
    let delete = async |world: &World| {
        let at = f.now();
        world.change(&f, |before| before.without_secret(SECRET, at)).await;
    };
    falls(&f, World::new(&f).await, delete, gone(), "secret deleted").await;

    let retire = async |world: &World| {
        let retired = f.retired(&world.caller);
        world.change(&f, |_| Ok(retired.clone())).await;
    };
    falls(&f, World::new(&f).await, retire, gone(), "secret ran out").await;

    let refuse = async |world: &World| {
        let edit = KeypairEdit { accepts_secrets: Some(false), ..KeypairEdit::default() };
        world.edit(&f, edit).await;
    };
    falls(&f, World::new(&f).await, refuse, gone(), "secrets refused").await;

    let delete = async |world: &World| {
        let at = f.now();
        world.change(&f, |before| before.without_public_key(PUBLIC_KEY, at)).await;
    };
    let mut world = World::new(&f).await;
    world.token.secret = PUBLIC_KEY;
    falls(&f, world, delete, gone(), "public key deleted").await;
}

pub async fn a_token_that_was_revoked_or_is_not_bound_changes_nothing(f: Fixture) {
    let revoke = async |world: &World| {
        let revoked = world.token.revoked();
        f.store.revoke_token(&f.stamp(), world.caller.id, &revoked).await.unwrap();
    };
    falls(&f, World::new(&f).await, revoke, outlived(Outlived::Revoked), "revoked").await;

    let bind = async |world: &World| {
        let edit = KeypairEdit { token_binding: Some(TokenBinding::Dpop), ..KeypairEdit::default() };
        world.edit(&f, edit).await;
    };
    falls(&f, World::new(&f).await, bind, outlived(Outlived::NotBound), "not bound").await;
}

pub async fn a_token_of_a_removed_signing_key_changes_nothing(f: Fixture) {
    let replace = async |_: &World| {
        let change = |_: &[crate::SigningKey]| SigningKeyChange {
            add: Some(signing_key(&f, "new")),
            remove: vec![KID.to_owned()],
        };
        f.store.change_signing_keys(&f.stamp(), &change).await.unwrap();
    };
    falls(&f, World::new(&f).await, replace, outlived(Outlived::SigningKey), "signing key").await;
}

pub async fn a_change_rests_on_its_scopes_and_on_no_other(f: Fixture) {
    let narrow = async |world: &World| {
        let edit = KeypairEdit { scopes: Some(Scope::ReportRead.into()), ..KeypairEdit::default() };
        world.edit(&f, edit).await;
    };
    let lacks = |fallen: &Fallen| matches!(fallen, Fallen::Lacks(_, None));
    falls(&f, World::new(&f).await, narrow, lacks, "scope taken").await;

    let world = World::new(&f).await;
    let edit = KeypairEdit {
        scopes: Some([Scope::Admin, Scope::QueriesCreate, Scope::AccountAdmin].into_iter().collect()),
        ..KeypairEdit::default()
    };
    world.edit(&f, edit).await;
    for (verb, outcome) in world.attempts(&f).await {
        assert!(outcome.is_ok(), "{verb}: {outcome:?}");
    }
    let (keypair, _) = f.unsaved_keypair(world.environment.id);
    let anywhere = AllowedAddresses::default();
    let handing_on = world.stamp(&f, Scope::Admin).handing_on(keypair.scopes, &anywhere);
    let refused = f.store.create_keypair(&handing_on, &keypair).await;
    let lost = Fallen::Lacks(Scope::ReportRead.into(), None);
    assert!(matches!(refused, Err(StorageError::Fallen(fallen)) if fallen == lost), "{refused:?}");
}

pub async fn a_change_that_hands_on_networks_rests_on_them(f: Fixture) {
    let world = World::new(&f).await;
    let (anywhere, here) = (AllowedAddresses::default(), AllowedAddresses::new(["192.0.2.0/24"]).unwrap());
    let stamp = |world: &World, networks: &AllowedAddresses| Stamp {
        address: Some("192.0.2.7".to_owned()),
        ..world.stamp(&f, Scope::Admin).handing_on(Scope::Admin.into(), networks)
    };
    let (keypair, _) = f.unsaved_keypair(world.environment.id);
    f.store.create_keypair(&stamp(&world, &anywhere), &keypair).await.unwrap();
    world.edit(&f, KeypairEdit { allowed_addresses: Some(here.clone()), ..KeypairEdit::default() }).await;
    let (keypair, _) = f.unsaved_keypair(world.environment.id);
    let refused = f.store.create_keypair(&stamp(&world, &anywhere), &keypair).await;
    assert!(matches!(refused, Err(StorageError::Fallen(Fallen::Networks))), "{refused:?}");
    let elsewhere = Stamp { address: Some("198.51.100.7".to_owned()), ..stamp(&world, &here) };
    let refused = f.store.create_keypair(&elsewhere, &keypair).await;
    assert!(
        matches!(refused, Err(StorageError::Fallen(Fallen::Outlived(Outlived::Elsewhere, None)))),
        "{refused:?}"
    );
    f.store.create_keypair(&stamp(&world, &here), &keypair).await.unwrap();
}

pub async fn a_program_shows_a_token_of_its_own(f: Fixture) {
    let (world, other) = (World::new(&f).await, World::new(&f).await);
    let before = f.store.last_sequence().await.unwrap();
    let (keypair, _) = f.unsaved_keypair(world.environment.id);
    let nothing = Stamp { standing: None, ..world.stamp(&f, Scope::Admin) };
    let refused = f.store.create_keypair(&nothing, &keypair).await;
    assert!(matches!(refused, Err(StorageError::NotAllowed)), "{refused:?}");
    let another_s = Stamp { actor: Actor::Keypair(other.caller.id), ..world.stamp(&f, Scope::Admin) };
    let refused = f.store.create_keypair(&another_s, &keypair).await;
    assert!(matches!(refused, Err(StorageError::Fallen(_))), "{refused:?}");
    assert_eq!(f.store.last_sequence().await.unwrap(), before);
}

pub async fn after_the_line_that_stops_a_program_none_is_its_own(f: Fixture) {
    let world = World::new(&f).await;
    let before = f.store.last_sequence().await.unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (keypair, _) = f.unsaved_keypair(world.environment.id);
            let (f, stamp) = (f.clone(), world.stamp(&f, Scope::Admin));
            tokio::spawn(async move { f.store.create_keypair(&stamp, &keypair).await })
        })
        .collect();
    world.edit(&f, switch(false)).await;
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => made += 1,
            Err(error) => assert!(matches!(error, StorageError::Fallen(_)), "{error:?}"),
        }
    }
    let lines = f.store.events_after(before, 99).await.unwrap();
    assert_eq!(lines.len(), made + 1);
    assert_eq!(lines.last().unwrap().object.id, world.caller.id.to_string(), "the stop is the last line");
}
