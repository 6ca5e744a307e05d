//! `/oauth2/authorize`: an application asks a person to let it act in the person's name (RFC 6749 §4.1).

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect, Response};
use domain::{AuthorizationCode, Client, Name, Owner, Role, Scopes, UserId, effective_role};
use storage::{NamedPlace, Slice};

use super::access::Public;
use super::dress::{page, with_form_action};
use super::failure::{PageError, encoded};
use super::form::Fields;
use super::outcome::Outcome;
use super::session::SignedIn;
use crate::app::App;
use crate::oauth::authorization_request::{Asked, AuthorizationRequest, Refusal, Unanswerable};
use crate::oauth::{AUTHORIZATION_PATH, authorization_code};

/// The most places that a person is given to choose from.
const LISTED: usize = 200;

/// How many are read from the store at a time.
const PART: u32 = 500;

#[derive(Template)]
#[template(path = "authorize.html")]
struct ConsentPage {
    application: Named,
    user: String,
    place: String,
    /// The account, of an environment.
    account: Option<String>,
    role: Role,
    scopes: Scopes,
    request: String,
    owner: String,
}

#[derive(Template)]
#[template(path = "authorize_where.html")]
struct WherePage {
    application: Named,
    user: String,
    choices: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "authorize_nothing.html")]
struct NothingPage {
    application: Named,
    user: String,
    request: String,
}

#[derive(Template)]
#[template(path = "authorize_refused.html")]
struct RefusedPage {
    application: Named,
    why: String,
    back: String,
}

/// An application as people see it.
struct Named {
    name: String,
    /// Our own command line.
    is_ours: bool,
    /// Where the answer goes: as much of it as says whose it is.
    answers: String,
}

/// A place to choose.
struct Choice {
    href: String,
    account: String,
    environment: Option<String>,
    role: Role,
}

/// A place where the person can let the application do some of what it asks.
struct Candidate {
    named: NamedPlace,
    role: Role,
    scopes: Scopes,
    /// The one environment that it asks for, if it does.
    narrowed_to: Option<Name>,
}

impl Named {
    fn new(request: &AuthorizationRequest) -> Self {
        let is_ours = matches!(request.client, Client::CommandLine);
        let answers = request.redirect_uri.split(['?', '#']).next().unwrap_or_default();
        Self { name: request.client.name().to_owned(), is_ours, answers: answers.to_owned() }
    }
}

/// `GET /oauth2/authorize`
pub(super) async fn show(
    _: Public,
    State(app): State<Arc<App>>,
    uri: Uri,
    person: Result<SignedIn, PageError>,
) -> Result<Response, PageError> {
    let query = uri.query().unwrap_or_default();
    let request = AuthorizationRequest::read(&app, query).await?;
    let (person, asked) = match (person, &request.asked) {
        (Ok(person), Ok(asked)) => (person, asked),
        // Only a person whom it may ask at all is led to where the application says (RFC 9700 §4.11.2).
        (Ok(person), Err(refusal)) if may_ask(&app, person.user.id, &request.client).await? => {
            return Ok(led_to(&request.refused(&app, refusal)));
        }
        (Ok(_) | Err(PageError::SignedOut(_)), Err(refusal)) => {
            let back = request.refused(&app, refusal);
            let why = refusal.description.clone();
            return page(Outcome::Unreadable, &RefusedPage { application: Named::new(&request), why, back });
        }
        (Err(error), _) => return Err(error),
    };
    let user = person.user.id;
    let mut found = Vec::new();
    if asked.owner.is_some() {
        found = candidates(&app, user, &request.client, Some(asked), asked.owner).await?;
    }
    if found.is_empty() {
        found = candidates(&app, user, &request.client, Some(asked), None).await?;
        // One environment alone is the same from its account. Whoever has a role there has it in the environment, too.
        if let Some(only) = asked.narrowed_to {
            found.retain(|candidate| candidate.named.place.owner() == Owner::Environment(only));
        }
    }
    match found.as_slice() {
        [] => nothing(&request, &person, query),
        [only] => consent(&request, &person, query, only),
        choices => {
            let choices = choices.iter().map(|candidate| Choice::new(query, candidate)).collect();
            let user = person.user.email.to_string();
            page(Outcome::Shown, &WherePage { application: Named::new(&request), user, choices })
        }
    }
}

/// `POST /oauth2/authorize`
pub(super) async fn decide(
    person: SignedIn,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let query = fields.one("request")?;
    let request = AuthorizationRequest::read(&app, query).await?;
    let Ok(asked) = &request.asked else {
        return Err(PageError::BadForm(
            "The request of the application is not the one that was shown.".to_owned(),
        ));
    };
    match fields.one("decision")? {
        "allow" => {}
        "deny" => return Ok(led_to(&request.refused(&app, &Refusal::denied()))),
        _ => return Err(PageError::BadForm("The field “decision” is neither allow nor deny.".to_owned())),
    }
    let owner = fields.one("owner")?.parse::<Owner>();
    let owner = owner.map_err(|_| PageError::BadForm("The field “owner” names no place.".to_owned()))?;
    let shown: Scopes = fields
        .one("scopes")?
        .parse()
        .map_err(|error| PageError::BadForm(format!("The field “scopes” is wrong: {error}.")))?;
    let found = candidates(&app, person.user.id, &request.client, Some(asked), Some(owner)).await?;
    // What the person could not give yet when the page was shown, the person did not allow.
    let allowed = found.first().map(|candidate| (candidate, candidate.scopes.and(shown)));
    let Some((candidate, scopes)) = allowed.filter(|(_, scopes)| !scopes.is_empty()) else {
        return nothing(&request, &person, query);
    };
    let code = authorization_code::generate(&app);
    let stored = AuthorizationCode {
        hash: authorization_code::hash(&code),
        client: request.client.id(),
        redirect_uri: request.redirect_uri.clone(),
        challenge: asked.challenge,
        user: person.user.id,
        owner: candidate.named.place.owner(),
        scopes,
        narrowed_to: asked.narrowed_to,
        created_at: app.clock.now(),
    };
    app.store.put_code(&stored, &person.session).await?;
    Ok(led_to(&request.granted(&app, &code)))
}

/// Whether the person has a role anywhere that the application may act at. Our own command line answers on the person's
/// own machine, so it may ask everybody.
async fn may_ask(app: &App, user: UserId, client: &Client) -> Result<bool, PageError> {
    let is_ours = matches!(client, Client::CommandLine);
    Ok(is_ours || !candidates(app, user, client, None, None).await?.is_empty())
}

/// Where the person can let the application do some of what it asks, or anything at all, at most as many as can be listed;
/// with `only`, there or nowhere.
async fn candidates(
    app: &App,
    user: UserId,
    client: &Client,
    asked: Option<&Asked>,
    only: Option<Owner>,
) -> Result<Vec<Candidate>, PageError> {
    let target = match asked.and_then(|asked| asked.narrowed_to) {
        None => None,
        Some(id) => match app.live.environment(id).await? {
            Some(environment) => Some(environment),
            None => return Ok(Vec::new()),
        },
    };
    let grants = app.store.grants_of(user).await?;
    let (mut found, mut slice) = (Vec::new(), Slice::first(PART));
    loop {
        let part = app.store.places_of(user, slice).await?;
        slice.after = part.last().map(|last| last.place);
        let ended = part.len() < PART as usize;
        for named in part {
            let owner = named.place.owner();
            let fits = client.may_act_at(named.place)
                && only.is_none_or(|only| only == owner)
                && target.as_ref().is_none_or(|environment| owner.reaches(environment));
            let Some(role) = effective_role(&grants, named.place).filter(|_| fits) else { continue };
            // Narrowed to an environment, a token administers no account.
            let held = role.scopes(&target.as_ref().map_or(owner, |environment| environment.id.into()));
            let scopes = asked.and_then(|asked| asked.scopes).map_or(held, |asked| asked.and(held));
            if !scopes.is_empty() {
                let narrowed_to = target.as_ref().map(|environment| environment.name.clone());
                found.push(Candidate { named, role, scopes, narrowed_to });
            }
        }
        if ended || found.len() >= LISTED {
            found.truncate(LISTED);
            return Ok(found);
        }
    }
}

fn consent(
    request: &AuthorizationRequest,
    person: &SignedIn,
    query: &str,
    candidate: &Candidate,
) -> Result<Response, PageError> {
    let NamedPlace { place, account, environment } = &candidate.named;
    let environment = candidate.narrowed_to.as_ref().or(environment.as_ref());
    let view = ConsentPage {
        application: Named::new(request),
        user: person.user.email.to_string(),
        place: environment.unwrap_or(account).to_string(),
        account: environment.map(|_| account.to_string()),
        role: candidate.role,
        scopes: candidate.scopes,
        request: query.to_owned(),
        owner: place.owner().to_string(),
    };
    Ok(with_form_action(page(Outcome::Shown, &view)?, request.form_action()))
}

fn nothing(request: &AuthorizationRequest, person: &SignedIn, query: &str) -> Result<Response, PageError> {
    let user = person.user.email.to_string();
    let view = NothingPage { application: Named::new(request), user, request: query.to_owned() };
    Ok(with_form_action(page(Outcome::Shown, &view)?, request.form_action()))
}

fn led_to(uri: &str) -> Response {
    Redirect::to(uri).into_response()
}

impl Choice {
    fn new(query: &str, candidate: &Candidate) -> Self {
        let NamedPlace { place, account, environment } = &candidate.named;
        // The choice stands in place of one that can't be had.
        let others: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("owner=")).collect();
        let owner = encoded(&place.owner().to_string());
        Self {
            href: format!("{AUTHORIZATION_PATH}?{}&owner={owner}", others.join("&")),
            account: account.to_string(),
            environment: environment.as_ref().map(ToString::to_string),
            role: candidate.role,
        }
    }
}

impl From<Unanswerable> for PageError {
    fn from(unanswerable: Unanswerable) -> Self {
        match unanswerable {
            Unanswerable::Unavailable(error) => error.into(),
            other => Self::Unanswerable(other.to_string()),
        }
    }
}
