use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{
    Account, Activity, Actor, AllowedAddresses, Application, AuthorizationCode, Call, ClientId,
    CodeChallenge, CodeExchange, Comment, Email, Entropy, Environment, KeySecret, Keypair, LiveGrant, Name,
    NewKeypair, OldSecrets, Owner, PasswordHash, Query, QuestionText, RedirectUris, RevokedToken, Scope,
    Scopes, SecretHash, SignedDuration, Stamp, Standing, Timestamp, TokenBinding, TokenId, Usage, User,
    UserId, VerifyingKey, Wanted, from_millis, new_id, utc_date,
};

use crate::{Session, Storage, TokenHash};

/// A store under test, and the making of things to put into it.
#[derive(Clone)]
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Storage>,
    /// Whether the store copies itself to a file; `backup` is `NotHere` otherwise.
    pub(super) copies_itself: bool,
    ticks: Arc<AtomicU64>,
}

/// Different bytes each time, the same in every run.
struct Counter<'a>(&'a AtomicU64);

impl Entropy for Counter<'_> {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let n = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            for (byte, from) in chunk.iter_mut().zip(n.to_be_bytes()) {
                *byte = from;
            }
        }
    }
}

/// What every code here is exchanged with.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Those of RFC 8037 appendix A.2 and RFC 7517 appendix A.1.
const PUBLIC_KEYS: [&str; 2] = [
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#,
];

impl Fixture {
    /// Around a fresh store.
    pub fn new(store: Arc<dyn Storage>) -> Self {
        Self { store, copies_itself: true, ticks: Arc::new(AtomicU64::new(1)) }
    }

    /// Around a fresh store of a kind that has other tools to make copies.
    pub fn copied_by_others(store: Arc<dyn Storage>) -> Self {
        Self { copies_itself: false, ..Self::new(store) }
    }

    /// A later instant with every call.
    pub fn now(&self) -> Timestamp {
        let tick = self.ticks.fetch_add(1, Ordering::Relaxed);
        from_millis(1_770_000_000_000 + i64::try_from(tick).unwrap_or(0))
    }

    /// The operator's stamp, now.
    pub fn stamp(&self) -> Stamp {
        let at = self.now();
        Stamp {
            event: new_id(at, &Counter(&self.ticks)),
            at,
            actor: Actor::Operator,
            client: None,
            address: None,
            standing: None,
        }
    }

    /// A new identifier.
    pub fn id<K: domain::IdKind>(&self) -> type_safe_id::TypeSafeId<K> {
        new_id(self.now(), &Counter(&self.ticks))
    }

    /// A random token's hash.
    pub fn token(&self) -> [u8; 32] {
        let mut token = [0; 32];
        Counter(&self.ticks).fill(&mut token);
        token
    }

    /// What has to be kept of a revoked token of an hour.
    pub fn revoked_token(&self) -> RevokedToken {
        let kept_until = self.now() + SignedDuration::from_hours(1);
        RevokedToken { id: TokenId::generate(&Counter(&self.ticks)), kept_until }
    }

    /// An account that is not stored yet.
    pub fn unsaved_account(&self) -> Account {
        Account::new(name("Account"), self.now(), &Counter(&self.ticks))
    }

    /// An account.
    pub async fn account(&self) -> Account {
        let account = self.unsaved_account();
        self.store.create_account(&self.stamp(), &account).await.expect("an account");
        account
    }

    /// An environment that is not stored yet.
    pub fn unsaved_environment(&self, account: &Account) -> Environment {
        Environment::new(account.id, name("Environment"), self.now(), &Counter(&self.ticks))
    }

    /// An environment of the account.
    pub async fn environment(&self, account: &Account) -> Environment {
        let environment = self.unsaved_environment(account);
        self.store.create_environment(&self.stamp(), &environment).await.expect("an environment");
        environment
    }

    /// A keypair that is not stored yet, and its secret.
    pub fn unsaved_keypair(&self, owner: impl Into<Owner>) -> (Keypair, KeySecret) {
        let new = NewKeypair {
            owner: owner.into(),
            comment: Comment::new("nightly export").expect("a comment"),
            scopes: Scope::ReportRead.into(),
            expires_at: None,
            token_binding: TokenBinding::None,
            allowed_addresses: AllowedAddresses::default(),
        };
        Keypair::create(new, None, Actor::Operator, self.now(), &Counter(&self.ticks)).expect("a keypair")
    }

    /// A keypair.
    pub async fn keypair(&self, owner: impl Into<Owner>) -> Keypair {
        let (keypair, _) = self.unsaved_keypair(owner);
        self.store.create_keypair(&self.stamp(), &keypair).await.expect("a keypair");
        keypair
    }

    /// The keypair with one more secret.
    pub fn rotated(&self, keypair: &Keypair) -> Keypair {
        keypair
            .rotated(OldSecrets::Stay, None, self.now(), &Counter(&self.ticks))
            .expect("a rotated keypair")
            .0
    }

    /// The keypair with one more secret; the others end when they are idle for so many seconds.
    pub fn rotated_for_idleness(&self, keypair: &Keypair, seconds: i64) -> Keypair {
        let old = OldSecrets::EndWhenIdle(SignedDuration::from_secs(seconds));
        keypair.rotated(old, None, self.now(), &Counter(&self.ticks)).expect("a rotated keypair").0
    }

    /// The same, its other secrets retired at once.
    pub fn retired(&self, keypair: &Keypair) -> Keypair {
        let at_once = OldSecrets::EndAfter(SignedDuration::ZERO);
        keypair.rotated(at_once, None, self.now(), &Counter(&self.ticks)).expect("a rotated keypair").0
    }

    /// The keypair with one more public key, which is not stored yet: `n` says which of two.
    pub fn with_public_key(&self, keypair: &Keypair, n: usize) -> Keypair {
        let key = VerifyingKey::from_text(PUBLIC_KEYS[n], None).expect("a public key");
        keypair.with_public_key(key, None, None, self.now()).expect("a keypair with a public key")
    }

    /// One use of the keypair, now.
    pub fn usage(&self, keypair: &Keypair, activity: Activity) -> Usage {
        let last = Call { at: self.now(), address: None, program: None };
        Usage { keypair: keypair.id, day: utc_date(last.at), activity, count: 1, last }
    }

    /// A user that is not stored yet.
    pub fn unsaved_user(&self, address: &str) -> User {
        User { id: self.id(), email: email(address), created_at: self.now() }
    }

    /// A user.
    pub async fn user(&self, address: &str) -> User {
        let user = self.unsaved_user(address);
        self.store.create_user(&self.stamp(), &user, &password()).await.expect("a user");
        user
    }

    /// The hash of a random secret.
    pub fn hash(&self) -> SecretHash {
        SecretHash::from_bytes(self.token())
    }

    /// An application that is not stored yet.
    pub fn unsaved_application(&self, owner: impl Into<Owner>) -> Application {
        let uris = RedirectUris::new(["https://example.com/callback"]).expect("redirect URIs");
        Application::new(owner.into(), name("Dashboard"), uris, self.now(), &Counter(&self.ticks))
    }

    /// An application.
    pub async fn application(&self, owner: impl Into<Owner>) -> Application {
        let application = self.unsaved_application(owner);
        self.store.create_application(&self.stamp(), &application).await.expect("an application");
        application
    }

    /// A code by which the user lets the application do on its owner what authors may; it is not stored yet.
    pub fn code(&self, application: &Application, user: UserId) -> AuthorizationCode {
        AuthorizationCode {
            hash: self.hash(),
            client: ClientId::Application(application.id),
            redirect_uri: "https://example.com/callback".to_owned(),
            challenge: CodeChallenge::of(VERIFIER),
            user,
            owner: application.owner,
            scopes: Scopes::from(Scope::ReportRead).with(Scope::QueriesCreate),
            narrowed_to: None,
            created_at: self.now(),
        }
    }

    /// The hash of the token of a new session of the user.
    pub async fn session(&self, user: UserId) -> TokenHash {
        let email = self.store.user(user).await.expect("a user").email;
        let (_, verified) = self.store.user_by_email(&email).await.expect("a user");
        let (token, created_at) = (self.token(), self.now());
        let expires_at = created_at + SignedDuration::from_hours(12);
        let session = Session { token, user, created_at, expires_at };
        self.store.create_session(&session, &verified).await.expect("a session");
        token
    }

    /// The stamp of what the user does in a new session, now.
    pub async fn signed_in(&self, user: &User) -> Stamp {
        let session = SecretHash::from_bytes(self.session(user.id).await);
        let actor = Actor::User(user.id, user.email.to_string());
        Stamp { actor, standing: Some(Standing::Session(session)), ..self.stamp() }
    }

    /// Stores a code that its person allowed in a session of its own.
    pub async fn put_code(&self, code: &AuthorizationCode) {
        let session = self.session(code.user).await;
        self.store.put_code(code, &session).await.expect("a code");
    }

    /// What the code is exchanged for, and the hash of its refresh token.
    pub async fn granted(&self, code: &AuthorizationCode) -> (LiveGrant, SecretHash) {
        self.put_code(code).await;
        let exchange = own_exchange(code);
        let token = self.hash();
        let given = self.store.exchange_code(&self.stamp(), &code.hash, &exchange, self.id(), &token).await;
        (given.expect("an answer").expect("a grant"), token)
    }

    /// A query in the environment.
    pub async fn query(&self, environment: &Environment) -> Query {
        let question = QuestionText::new("How was it?").expect("a question");
        let query = Query::new(environment.id, name("Query"), question, self.now(), &Counter(&self.ticks));
        self.store.create_query(&self.stamp(), &query).await.expect("a query");
        query
    }
}

/// The exchange of the code by whoever asked for it.
pub(super) fn own_exchange(code: &AuthorizationCode) -> CodeExchange<'_> {
    CodeExchange {
        client: code.client,
        redirect_uri: &code.redirect_uri,
        verifier: VERIFIER,
        wanted: Wanted::default(),
    }
}

/// A name.
pub(super) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// An address.
pub(super) fn email(text: &str) -> Email {
    Email::new(text).expect("an address")
}

/// A password's hash.
pub(super) fn password() -> PasswordHash {
    PasswordHash::from_phc("$argon2id$of-nothing".to_owned())
}
