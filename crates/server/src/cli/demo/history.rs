//! What happened at the demo's customer: who was let in, what was asked, which keypairs came and went.

use domain::{
    Account, Action, Actor, Comment, Email, Environment, Grant, Keypair, KeypairEdit, MAX_BATCH, Name,
    NewKeypair, Owner, PasswordHash, Query, QuestionText, Role, Scope, SecretHash, SignedDuration, Stamp,
    Standing, Timestamp, User, new_id,
};
use storage::{KeyUse, Session};

use super::answers::{self, DAYS, Days};
use super::company::{ACCOUNT, Asked, DOMAIN, SITES};
use super::entropy::Seeded;
use super::usage;
use crate::app::{App, Author};
use crate::cli::failure::{About, Failure, Result};
use crate::cli::store;
use crate::passwords::Password;

/// What was made: enough to show it around.
pub(super) struct History {
    pub(super) account: Account,
    pub(super) environments: Vec<Environment>,
    pub(super) people: Vec<Person>,
    pub(super) responses: usize,
}

/// Somebody who can sign in.
pub(super) struct Person {
    pub(super) email: Email,
    pub(super) password: String,
    pub(super) role: Role,
    pub(super) on: Name,
}

/// Writes the weeks up to now into an empty store.
pub(super) async fn write(app: &App) -> Result<History> {
    let days = Days::until(app.clock.now());
    let random = Seeded::new(0xfeed_bac4);
    let mut made = found(app, days, &random).await?;
    let administrator = let_in(app, days, &random, &mut made).await?;
    let pilot = make_keypairs(app, days, &made, &administrator).await?;
    let asked = ask(app, days, &random, &made.environments, &administrator).await?;
    for (site, environment) in SITES.iter().zip(&made.environments) {
        let responses = answers::of(app, days, site, environment, &asked, &random);
        made.responses += responses.len();
        for batch in responses.chunks(MAX_BATCH) {
            app.store.add_responses(environment.id, batch).await.about("environment")?;
        }
    }
    disable(app, days, &pilot, &administrator).await?;
    close(app, days, &random, asked, &administrator).await?;
    Ok(made)
}

fn stamp(random: &Seeded, at: Timestamp, by: &Author) -> Stamp {
    Stamp {
        event: new_id(at, random),
        at,
        actor: by.actor.clone(),
        client: None,
        address: None,
        standing: by.standing.clone(),
    }
}

fn text<T>(text: std::result::Result<T, domain::TextError>) -> Result<T> {
    text.map_err(Failure::new)
}

async fn found(app: &App, days: Days, random: &Seeded) -> Result<History> {
    let at = days.at(0, 8 * 60);
    let account = Account::new(text(Name::new(ACCOUNT))?, at, random);
    app.store.create_account(&stamp(random, at, &store::operator()), &account).await.about("account")?;
    let mut environments = Vec::new();
    for (site, minute) in SITES.iter().zip(8 * 60 + 2..) {
        let at = days.at(0, minute);
        let environment = Environment::new(account.id, text(Name::new(site.name))?, at, random);
        let made = app.store.create_environment(&stamp(random, at, &store::operator()), &environment).await;
        made.about("environment")?;
        environments.push(environment);
    }
    Ok(History { account, environments, people: Vec::new(), responses: 0 })
}

/// Makes the people; answers the administrator.
async fn let_in(app: &App, days: Days, random: &Seeded, made: &mut History) -> Result<Author> {
    let mut administrator = store::operator();
    for (role, minute) in Role::ALL.into_iter().zip(8 * 60 + 10..) {
        let at = days.at(0, minute);
        let (on, name) = match (role, made.environments.first()) {
            (Role::Reader, Some(environment)) => (Owner::from(environment.id), environment.name.clone()),
            _ => (Owner::from(made.account.id), made.account.name.clone()),
        };
        let email = text(Email::new(&format!("{}@{DOMAIN}", short_name(role))))?;
        let password = passphrase(app);
        let user = User { id: new_id(at, random), email: email.clone(), created_at: at };
        let hash: PasswordHash = app.passwords.hash(&Password::typed(password.clone()), &*app.entropy).await;
        app.store.create_user(&stamp(random, at, &administrator), &user, &hash).await.about("user")?;
        let stamp = stamp(random, at, &administrator);
        app.store.grant_role(&stamp, user.id, Grant { on, role }).await.about("user")?;
        if role == Role::Administrator {
            administrator = sign_in(app, days, &user, &hash).await?;
        }
        made.people.push(Person { email, password, role, on: name });
    }
    Ok(administrator)
}

/// The person as whoever makes the changes up to now, in a session that nobody has the token of.
async fn sign_in(app: &App, days: Days, user: &User, hash: &PasswordHash) -> Result<Author> {
    let token = app.entropy.bytes();
    let expires_at = days.now + SignedDuration::from_hours(24);
    let session = Session { token, user: user.id, created_at: user.created_at, expires_at };
    app.store.create_session(&session, hash).await.about("user")?;
    let standing = Some(Standing::Session(SecretHash::from_bytes(token)));
    Ok(Author { actor: Actor::User(user.id, user.email.to_string()), address: None, standing })
}

fn short_name(role: Role) -> &'static str {
    match role {
        Role::Administrator => "admin",
        Role::Author => "author",
        Role::Reader => "reader",
    }
}

/// A password that is easy to type, of the machine's own randomness.
fn passphrase(app: &App) -> String {
    const ONSETS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 4] = b"aeio";
    let random: [u8; 12] = app.entropy.bytes();
    let mut text = String::new();
    for (i, byte) in random.into_iter().enumerate() {
        if i > 0 && i % 3 == 0 {
            text.push('-');
        }
        let letter = |of: &[u8], n: u8| of.get(usize::from(n) % of.len()).copied().map_or('a', char::from);
        text.push(letter(ONSETS, byte >> 4));
        text.push(letter(VOWELS, byte));
    }
    text
}

/// Makes the keypairs that were there before today; answers the one that is going to be disabled.
async fn make_keypairs(app: &App, days: Days, made: &History, by: &Author) -> Result<Keypair> {
    let warehouse = NewKeypair {
        owner: made.account.id.into(),
        comment: text(Comment::new("Nightly export to the data warehouse"))?,
        // One of them is more than it needs, as often.
        scopes: [Scope::ReportRead, Scope::QueriesCreate].into_iter().collect(),
        expires_at: None,
        token_binding: domain::TokenBinding::None,
        allowed_addresses: domain::AllowedAddresses::default(),
    };
    let warehouse = make_keypair(app, days.at(0, 9 * 60 + 20), warehouse, by).await?;
    let last_night = days.at(DAYS - 1, 2 * 60).min(days.now);
    let used = KeyUse { keypair: warehouse.id, secret: 1, at: last_night };
    app.store.note_uses(&[used]).await.about("keypair")?;
    app.store.add_usage(&usage::nightly(&warehouse, days)).await.about("keypair")?;
    let pilot = NewKeypair {
        owner: made.environments.last().map_or(made.account.id.into(), |environment| environment.id.into()),
        comment: text(Comment::new("Pilot of the collection kiosks"))?,
        scopes: Scope::ResponsesCreate.into(),
        expires_at: None,
        token_binding: domain::TokenBinding::None,
        allowed_addresses: domain::AllowedAddresses::default(),
    };
    let pilot = make_keypair(app, days.at(0, 14 * 60 + 5), pilot, by).await?;
    let used = KeyUse { keypair: pilot.id, secret: 1, at: days.at(30, 16 * 60) };
    app.store.note_uses(&[used]).await.about("keypair")?;
    Ok(pilot)
}

async fn make_keypair(app: &App, at: Timestamp, new: NewKeypair, by: &Author) -> Result<Keypair> {
    let (keypair, _) =
        Keypair::create(new, None, by.actor.clone(), at, &*app.entropy).map_err(Failure::new)?;
    let stamp = app.stamp(by, at);
    app.store.create_keypair(&stamp, &keypair).await.about("keypair")?;
    Ok(keypair)
}

async fn disable(app: &App, days: Days, keypair: &Keypair, by: &Author) -> Result<()> {
    let at = days.at(31, 9 * 60);
    let edit = KeypairEdit { enabled: Some(false), ..KeypairEdit::default() };
    let stamp = app.stamp(by, at);
    let decide = |before: &Keypair| Ok((before.edited(&edit, None, at)?, Action::KeypairDisabled));
    let changed = app.store.change_keypair(&stamp, keypair.owner, keypair.id, None, &decide).await;
    changed.about("keypair")?.map_err(Failure::new)?;
    Ok(())
}

/// Asks every query of every site, in the order of time.
async fn ask(
    app: &App,
    days: Days,
    random: &Seeded,
    environments: &[Environment],
    by: &Author,
) -> Result<Vec<(Query, &'static Asked)>> {
    let mut all: Vec<(&Environment, &'static Asked)> = SITES
        .iter()
        .zip(environments)
        .flat_map(|(site, environment)| site.queries.iter().map(move |asked| (environment, asked)))
        .collect();
    all.sort_by_key(|(_, asked)| asked.opened);
    let mut queries = Vec::new();
    for (environment, asked) in all {
        let at = days.at(asked.opened, 15 * 60 + 10 + queries.len() as i64);
        let title = text(Name::new(asked.title))?;
        let question = text(QuestionText::new(asked.question))?;
        let query = Query::new(environment.id, title, question, at, random);
        app.store.create_query(&stamp(random, at, by), &query).await.about("query")?;
        queries.push((query, asked));
    }
    Ok(queries)
}

async fn close(
    app: &App,
    days: Days,
    random: &Seeded,
    mut asked: Vec<(Query, &Asked)>,
    by: &Author,
) -> Result<()> {
    asked.sort_by_key(|(_, asked)| asked.closed);
    for (query, asked) in asked {
        let Some(day) = asked.closed else { continue };
        let at = days.at(day, 0);
        let stamp = stamp(random, at, by);
        let decide = |before: &Query| before.closed(at);
        let closed =
            app.store.change_query(&stamp, Action::QueryClosed, query.environment, query.id, None, &decide);
        closed.await.about("query")?;
    }
    Ok(())
}
