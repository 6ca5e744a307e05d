//! A token works if and only if its keypair and its owner are there and switched on, it has not been stopped since it
//! was issued, and its time has not run out; and it has the scopes that it was issued with and that its keypair may
//! still request. Held against random histories, through the whole router.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use domain::{EnvironmentId, KeyId, KeypairEdit, OldSecrets, Owner, Scope, Scopes, Timestamp};
use proptest::prelude::*;

use crate::api::test_harness::{TestApp, TestKey};
use crate::app::Author;
use crate::keypairs;

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Event {
    Create {
        owner: usize,
        scopes: Scopes,
    },
    Issue(usize),
    Disable(usize),
    Enable(usize),
    SetScopes(usize, Scopes),
    ExpireIn(usize, u16),
    NeverExpire(usize),
    Rotate(usize, Option<u16>),
    DeleteSecret(usize, u32),
    /// The nth of the tokens issued so far, by its own keypair.
    Revoke(usize),
    Remove(usize),
    CloseEnvironment(usize),
    Pass(u16),
}

fn scopes() -> impl Strategy<Value = Scopes> {
    let each = [Scope::ReportRead, Scope::QueriesCreate, Scope::Admin];
    proptest::sample::subsequence(each.to_vec(), 1..=3).prop_map(Scopes::from_iter)
}

fn event() -> impl Strategy<Value = Event> {
    let n = 0usize..4;
    let seconds = 1u16..1500;
    prop_oneof![
        2 => (0usize..3, scopes()).prop_map(|(owner, scopes)| Event::Create { owner, scopes }),
        6 => n.clone().prop_map(Event::Issue),
        2 => n.clone().prop_map(Event::Disable),
        2 => n.clone().prop_map(Event::Enable),
        2 => (n.clone(), scopes()).prop_map(|(n, scopes)| Event::SetScopes(n, scopes)),
        2 => (n.clone(), seconds.clone()).prop_map(|(n, s)| Event::ExpireIn(n, s)),
        1 => n.clone().prop_map(Event::NeverExpire),
        2 => (n.clone(), proptest::option::of(0u16..900)).prop_map(|(n, s)| Event::Rotate(n, s)),
        1 => (n.clone(), 1u32..4).prop_map(|(n, s)| Event::DeleteSecret(n, s)),
        3 => (0usize..16).prop_map(Event::Revoke),
        1 => n.prop_map(Event::Remove),
        1 => (0usize..2).prop_map(Event::CloseEnvironment),
        2 => seconds.prop_map(Event::Pass),
    ]
}

/// A keypair as the model has it.
struct ModelKey {
    id: KeyId,
    owner: Owner,
    exists: bool,
    enabled: bool,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
    secrets: Vec<ModelSecret>,
    made: usize,
}

#[derive(Clone)]
struct ModelSecret {
    /// Its place among all that the keypair ever had, counted apart from the server's numbers.
    place: usize,
    number: u32,
    text: String,
    expires_at: Option<Timestamp>,
}

struct ModelToken {
    key: usize,
    secret: usize,
    scopes: Scopes,
    expires_at: Timestamp,
    stopped: bool,
    text: String,
}

struct World {
    server: TestApp,
    author: Author,
    owners: Vec<Owner>,
    keys: Vec<ModelKey>,
    tokens: Vec<ModelToken>,
    closed: Vec<Owner>,
}

impl World {
    async fn new() -> Self {
        let server = TestApp::start().await;
        let account = server.account("Account").await;
        let mut owners = Vec::new();
        for name in ["One", "Two"] {
            owners.push(server.environment(account, name).await.into());
        }
        owners.push(account.into());
        let author = Author { actor: domain::Actor::Operator, address: None, standing: None };
        Self { server, author, owners, keys: Vec::new(), tokens: Vec::new(), closed: Vec::new() }
    }

    fn works(&self, key: &ModelKey) -> bool {
        key.exists && key.enabled && key.expires_at.is_none_or(|at| self.server.now() < at)
    }

    fn is_open(&self, owner: Owner) -> bool {
        !self.closed.contains(&owner)
    }

    /// Stops every token of keypairs that do not work now: what they become later revives none.
    fn note_stopped(&mut self) {
        let working: Vec<bool> = self.keys.iter().map(|key| self.works(key)).collect();
        for token in &mut self.tokens {
            token.stopped |= !working[token.key];
        }
    }

    async fn edit(&mut self, n: usize, edit: KeypairEdit) {
        let (id, owner) = (self.keys[n].id, self.keys[n].owner);
        let app = &self.server.app;
        let edited = keypairs::edit(app, &self.author, owner, id, &edit, None, None).await;
        assert_eq!(edited.is_ok(), self.keys[n].exists, "{edited:?}");
        if edited.is_ok() {
            let key = &mut self.keys[n];
            key.enabled = edit.enabled.unwrap_or(key.enabled);
            key.scopes = edit.scopes.unwrap_or(key.scopes);
            key.expires_at = edit.expires_at.unwrap_or(key.expires_at);
        }
    }

    async fn happen(&mut self, event: Event) {
        // Only keypairs that were made can be chosen.
        let chosen = |n: usize| (!self.keys.is_empty()).then(|| n % self.keys.len());
        match event {
            Event::Create { owner, scopes } => {
                let owner = self.owners[owner];
                if self.keys.len() < 4 && self.is_open(owner) {
                    let TestKey { keypair, secret } = self.server.key(owner, &scopes.to_string()).await;
                    self.keys.push(ModelKey {
                        id: keypair.id,
                        owner,
                        exists: true,
                        enabled: true,
                        scopes,
                        expires_at: None,
                        secrets: vec![ModelSecret { place: 0, number: 1, text: secret, expires_at: None }],
                        made: 1,
                    });
                }
            }
            Event::Issue(n) => {
                if let Some(n) = chosen(n) {
                    self.issue(n).await;
                }
            }
            Event::Disable(n) | Event::Enable(n) => {
                let enabled = Some(matches!(event, Event::Enable(_)));
                if let Some(n) = chosen(n) {
                    self.edit(n, KeypairEdit { enabled, ..KeypairEdit::default() }).await;
                }
            }
            Event::SetScopes(n, scopes) => {
                if let Some(n) = chosen(n) {
                    self.edit(n, KeypairEdit { scopes: Some(scopes), ..KeypairEdit::default() }).await;
                }
            }
            Event::ExpireIn(n, seconds) => {
                let at = self.server.now() + Duration::from_secs(seconds.into());
                if let Some(n) = chosen(n) {
                    self.edit(n, KeypairEdit { expires_at: Some(Some(at)), ..KeypairEdit::default() }).await;
                }
            }
            Event::NeverExpire(n) => {
                if let Some(n) = chosen(n) {
                    self.edit(n, KeypairEdit { expires_at: Some(None), ..KeypairEdit::default() }).await;
                }
            }
            Event::Rotate(n, overlap) => {
                if let Some(n) = chosen(n) {
                    self.rotate(n, overlap).await;
                }
            }
            Event::DeleteSecret(n, secret) => {
                if let Some(n) = chosen(n) {
                    let (id, owner) = (self.keys[n].id, self.keys[n].owner);
                    let app = &self.server.app;
                    let deleted = keypairs::delete_secret(app, &self.author, owner, id, secret, None).await;
                    if deleted.is_ok() {
                        self.keys[n].secrets.retain(|known| known.number != secret);
                    }
                }
            }
            Event::Revoke(n) => self.revoke(n).await,
            Event::Remove(n) => {
                if let Some(n) = chosen(n) {
                    let key = &mut self.keys[n];
                    let app = &self.server.app;
                    let removed = keypairs::remove(app, &self.author, key.owner, key.id, None).await;
                    assert_eq!(removed.is_ok(), key.exists);
                    key.exists = false;
                }
            }
            Event::CloseEnvironment(n) => {
                let owner = self.owners[n];
                let Owner::Environment(id) = owner else { return };
                if self.is_open(owner) {
                    self.close(id).await;
                }
            }
            Event::Pass(seconds) => self.server.pass(Duration::from_secs(seconds.into())),
        }
        self.note_stopped();
    }

    async fn close(&mut self, id: EnvironmentId) {
        self.server.close_environment(id).await;
        for key in &mut self.keys {
            key.exists &= key.owner != id.into();
        }
        self.closed.push(id.into());
    }

    async fn issue(&mut self, n: usize) {
        let now = self.server.now();
        let key = &self.keys[n];
        let Some(ModelSecret { place, text, expires_at: secret_expires_at, .. }) =
            key.secrets.last().cloned()
        else {
            return;
        };
        if !self.works(key) || secret_expires_at.is_some_and(|at| at <= now) {
            return;
        }
        let token = self.server.exchange_secret(&key.id.to_string(), &text, "").await;
        let whole = Timestamp::from_second(self.server.now().as_second() + 3600).unwrap();
        let expires_at = [key.expires_at, secret_expires_at]
            .into_iter()
            .flatten()
            .map(|at| Timestamp::from_second(at.as_second()).unwrap())
            .fold(whole, Timestamp::min);
        let scopes = key.scopes;
        self.tokens.push(ModelToken {
            key: n,
            secret: place,
            scopes,
            expires_at,
            stopped: false,
            text: token,
        });
    }

    /// A token's keypair revokes it, with its newest secret.
    async fn revoke(&mut self, n: usize) {
        let Some(n) = n.checked_rem(self.tokens.len()) else { return };
        let key = &self.keys[self.tokens[n].key];
        let (id, Some(secret)) = (key.id, key.secrets.last()) else { return };
        let form = format!("client_id={id}&client_secret={}&token={}", secret.text, self.tokens[n].text);
        let request = Request::post("/oauth2/revoke")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap();
        let answer = self.server.send(request).await;
        let now = self.server.now();
        let opens = self.works(key) && secret.expires_at.is_none_or(|at| now < at);
        assert_eq!(answer.status.as_u16(), if opens { 200 } else { 401 }, "{}", answer.text);
        self.tokens[n].stopped |= opens;
    }

    async fn rotate(&mut self, n: usize, overlap: Option<u16>) {
        let (id, owner) = (self.keys[n].id, self.keys[n].owner);
        let overlap = overlap.map(|s| domain::SignedDuration::from_secs(s.into()));
        let old = overlap.map_or(OldSecrets::Stay, OldSecrets::EndAfter);
        let now = self.server.now();
        let rotated = keypairs::rotate(&self.server.app, &self.author, owner, id, old, None, None).await;
        let Ok((after, secret)) = rotated else { return };
        let key = &mut self.keys[n];
        for known in &mut key.secrets {
            if let Some(at) = overlap.map(|overlap| now + overlap) {
                known.expires_at = Some(known.expires_at.map_or(at, |own| own.min(at)));
            }
        }
        let number = after.secrets.last().unwrap().n;
        let text = secret.reveal().to_owned();
        key.secrets.push(ModelSecret { place: key.made, number, text, expires_at: None });
        key.made += 1;
    }

    /// Holds every token against the server.
    async fn check(&mut self) {
        self.server.app.live.catch_up().await.unwrap();
        for n in 0..self.tokens.len() {
            let answer = self.server.get(&self.tokens[n].text, "/v1/access").await;
            // The request took a moment of the server's time.
            self.note_stopped();
            let (now, token) = (self.server.now(), &self.tokens[n]);
            let key = &self.keys[token.key];
            let lives = |secret: &ModelSecret| secret.expires_at.is_none_or(|at| now < at);
            let secret_lives = key.secrets.iter().any(|secret| secret.place == token.secret && lives(secret));
            let works = self.works(key) && !token.stopped && secret_lives && now < token.expires_at;
            assert_eq!(answer.status.as_u16(), if works { 200 } else { 401 }, "{}", answer.text);
            if works {
                let scopes = token.scopes.and(key.scopes);
                assert_eq!(answer.json()["scopes"], serde_json::to_value(scopes).unwrap());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_token_works_iff_all_that_it_stands_on_does(events in proptest::collection::vec(event(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for event in events {
                world.happen(event).await;
                world.check().await;
            }
        });
    }
}
