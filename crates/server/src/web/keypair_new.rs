//! `…/api-management/new`: making a keypair. The answer shows its secret, once.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::{
    AllowedAddresses, Comment, Date, KeypairRefusal, NewKeypair, Owner, Scope, Scopes, Timestamp,
    TokenBinding, utc_date,
};
use jiff::ToSpan;

use super::api_management::{self, address, refused, sentence};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::keypair_made::Made;
use super::once::{Refusal, UNKNOWN};
use super::outcome::Outcome;
use super::shell::Shell;
use super::when::beginning_of;
use crate::app::App;
use crate::keypairs::{self, KeypairError};

#[derive(Template)]
#[template(path = "keypair_new.html")]
struct NewPage {
    shell: Shell,
    base: String,
    form: String,
    error: Option<&'static str>,
    comment: Field,
    scopes: Vec<ScopeChoice>,
    scopes_error: Option<String>,
    expires: Field,
    tomorrow: String,
    bindings: Vec<BindingChoice>,
    networks: Field,
}

/// What tokens may have to be bound to, as an option.
pub(super) struct BindingChoice {
    pub(super) value: &'static str,
    pub(super) label: &'static str,
    pub(super) chosen: bool,
    /// Whether no client could meet it.
    pub(super) unmet: bool,
}

/// An option for each binding.
pub(super) fn binding_choices(app: &App, chosen: TokenBinding) -> Vec<BindingChoice> {
    let choice = |binding: TokenBinding| BindingChoice {
        value: binding.name(),
        label: match binding {
            TokenBinding::None => "Not required",
            TokenBinding::Dpop => "By DPoP: the program signs each request",
            TokenBinding::Mtls => "By mTLS: the program connects with a certificate",
        },
        chosen: binding == chosen,
        unmet: !keypairs::can_be_bound(app, binding),
    };
    TokenBinding::ALL.map(choice).into()
}

/// The binding that was chosen, if the form had the choice.
pub(super) fn read_binding(fields: &Fields) -> Result<Option<TokenBinding>, PageError> {
    let chosen = fields.optional("token_binding")?.map(str::parse).transpose();
    chosen.map_err(|_| PageError::BadForm("The field “token_binding” names no binding.".to_owned()))
}

/// A scope with its checkbox.
pub(super) struct ScopeChoice {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) checked: bool,
    /// How it was used, of a keypair that has it.
    pub(super) used: Option<String>,
}

/// A checkbox for each scope that a keypair of `owner` can have.
pub(super) fn scope_choices(owner: &Owner, checked: impl Fn(Scope) -> bool) -> Vec<ScopeChoice> {
    let choice = |scope: Scope| ScopeChoice {
        name: scope.name(),
        help: scope.allows(),
        checked: checked(scope),
        used: None,
    };
    Scopes::available_to(owner).iter().map(choice).collect()
}

/// What is wrong with a day that is over.
pub(super) const DAY_IN_THE_PAST: &str = "The day must lie in the future.";

/// The first day that can be chosen for something to stop.
pub(super) fn tomorrow(app: &App) -> String {
    utc_date(app.clock.now()).saturating_add(1.day()).to_string()
}

/// Reads the day at whose beginning something stops; empty for never.
pub(super) fn read_expiry(field: &mut Field) -> Option<Option<Timestamp>> {
    if field.value.trim().is_empty() {
        return Some(None);
    }
    let day = field.value.trim().parse::<Date>().ok().and_then(beginning_of);
    if day.is_none() {
        field.error = Some("The day must be written as in 2027-01-31, and lie before 9999-12-31.".to_owned());
    }
    day.map(Some)
}

/// Reads the networks that a keypair may be used from, one a line; none for anywhere.
pub(super) fn read_networks(field: &mut Field) -> Option<AllowedAddresses> {
    let lines = field.value.lines().map(str::trim).filter(|line| !line.is_empty());
    let read = AllowedAddresses::new(lines);
    read.map_err(|error| field.error = Some(sentence(&error))).ok()
}

/// `GET …/api-management/new`
pub(super) async fn show(admin: Admin, State(app): State<Arc<App>>) -> Result<Response, PageError> {
    page(Outcome::Shown, &NewPage::new(&app, &admin, |_| false).await?)
}

/// `POST …/api-management`
pub(super) async fn create(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let owner = admin.owner();
    let chosen = |scope: Scope| fields.all("scope").any(|name| name == scope.name());
    let mut form = NewPage::new(&app, &admin, chosen).await?;
    form.comment = Field::of(fields.optional("comment")?.unwrap_or_default());
    form.expires = Field::of(fields.optional("expires")?.unwrap_or_default());
    form.networks = Field::of(fields.optional("networks")?.unwrap_or_default());
    let token_binding = read_binding(&fields)?.unwrap_or_default();
    form.bindings = binding_choices(&app, token_binding);
    let asked = Scopes::from_names(fields.all("scope")).and_then(|scopes| scopes.fit_for(&owner));
    let comment = form.comment.read("The comment", Comment::new);
    let expiry = read_expiry(&mut form.expires);
    let networks = read_networks(&mut form.networks);
    let (Some(comment), Some(expires_at), Some(allowed_addresses), Ok(scopes)) =
        (comment, expiry, networks, &asked)
    else {
        form.scopes_error = asked.err().map(|error| sentence(&error));
        return page(Outcome::Invalid, &form);
    };
    let sending = match admin.person.forms.send(&app, &fields)? {
        Ok(sending) => sending,
        Err(Refusal::Sent) => return Err(made_already(&admin)),
        Err(Refusal::Unknown) => {
            form.error = Some(UNKNOWN);
            return page(Outcome::Conflict, &form);
        }
    };
    let new = NewKeypair { owner, comment, scopes: *scopes, expires_at, token_binding, allowed_addresses };
    let (all, author) = (app.clone(), admin.author());
    match sending.finish(async move { keypairs::create(&all, &author, new, None).await }).await? {
        Ok((keypair, secret)) => {
            let note = match keypair.token_binding {
                TokenBinding::None => None,
                TokenBinding::Dpop => Some(
                    "Its tokens must be bound by DPoP, which curl knows nothing of: below it is refused.",
                ),
                TokenBinding::Mtls => {
                    Some("Its tokens must be bound to a certificate: give curl one with --cert and --key.")
                }
            };
            let note = note.map(str::to_owned);
            let made = Made::new(&app, "Keypair created", &keypair, &secret, note);
            api_management::show(&app, &admin, None, Some(made)).await
        }
        Err(KeypairError::Refused(KeypairRefusal::ExpiryInThePast)) => {
            form.expires.error = Some(DAY_IN_THE_PAST.to_owned());
            page(Outcome::Invalid, &form)
        }
        Err(error) => Err(refused(error)),
    }
}

fn made_already(admin: &Admin) -> PageError {
    PageError::MadeAlready {
        title: "This keypair was made already",
        detail: "Its secret was shown once and can't be shown again. Nothing more was made.",
        list: address(admin),
    }
}

impl NewPage {
    async fn new(app: &App, admin: &Admin, chosen: impl Fn(Scope) -> bool) -> Result<Self, PageError> {
        Ok(Self {
            shell: admin.shell(app, "api").await?,
            base: address(admin),
            form: admin.person.forms.issue(app),
            error: None,
            comment: Field::default(),
            scopes: scope_choices(&admin.owner(), chosen),
            scopes_error: None,
            expires: Field::default(),
            bindings: binding_choices(app, TokenBinding::None),
            networks: Field::default(),
            tomorrow: tomorrow(app),
        })
    }
}
