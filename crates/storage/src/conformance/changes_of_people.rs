use domain::{
    Account, Action, Application, Comment, Environment, Grant, Keypair, KeypairEdit, Query, QuestionText,
    Role, Stamp, User, UserId, usage_from,
};
use jiff::SignedDuration;

use super::Fixture;
use super::fixture::{email, name};
use crate::{Invitation, StorageError};

/// Which verb was tried, and what came of it.
pub(super) type Attempt = (&'static str, Result<(), StorageError>);

/// Something of the account for each verb to change.
struct Targets {
    environment: Environment,
    closing: Environment,
    query: Query,
    keypair: Keypair,
    leaving: Keypair,
    application: Application,
    member: User,
    guest: Invitation,
}

fn invitation(f: &Fixture, account: &Account) -> Invitation {
    let guest: UserId = f.id();
    Invitation {
        token: f.token(),
        email: email(&format!("{guest}@example.com")),
        grant: Grant { on: account.id.into(), role: Role::Reader },
        expires_at: f.now() + SignedDuration::from_hours(1),
    }
}

impl Targets {
    async fn new(f: &Fixture, account: &Account) -> Self {
        let environment = f.environment(account).await;
        let member: UserId = f.id();
        let member = f.user(&format!("{member}@example.com")).await;
        let grant = Grant { on: environment.id.into(), role: Role::Reader };
        f.store.grant_role(&f.stamp(), member.id, grant).await.unwrap();
        let guest = invitation(f, account);
        f.store.create_invitation(&f.stamp(), &guest).await.unwrap();
        Self {
            closing: f.environment(account).await,
            query: f.query(&environment).await,
            keypair: f.keypair(environment.id).await,
            leaving: f.keypair(environment.id).await,
            application: f.application(account.id).await,
            environment,
            member,
            guest,
        }
    }
}

/// What came of each change to an account that a person can try to make, by this stamp, except to close the account.
pub(super) async fn attempts(f: &Fixture, account: &Account, stamp: &Stamp) -> Vec<Attempt> {
    let targets = Targets::new(f, account).await;
    let (store, own, of) = (&f.store, account.id.into(), targets.environment.id);
    let on = of.into();
    let text = f.now().to_string();
    let comment = |before: &Keypair| {
        let comment = Some(Comment::new(&text).unwrap());
        let edit = KeypairEdit { comment, ..KeypairEdit::default() };
        Ok((before.edited(&edit, None, before.created_at)?, Action::KeypairChanged))
    };
    let by_use = |before: &Keypair, _| comment(before);
    let rename = |before: &Query| before.edited(Some(name(&text)), None);
    let (keypair, _) = f.unsaved_keypair(account.id);
    let question = QuestionText::new("How was it?").unwrap();
    let query = Query { id: f.id(), question, ..targets.query.clone() };
    let author = Grant { on, role: Role::Author };
    let (from, member) = (usage_from(f.now(), 7), targets.member.id);
    let (edited, application, asked) = (targets.keypair.id, targets.application.id, targets.query.id);
    let mut n = 0;
    let mut next = || {
        n += 1;
        stamp.further(n)
    };
    vec![
        ("create_keypair", store.create_keypair(&next(), &keypair).await),
        ("change_keypair", store.change_keypair(&next(), on, edited, None, &comment).await.map(drop)),
        (
            "change_keypair_by_use",
            store.change_keypair_by_use(&next(), on, edited, from, &by_use).await.map(drop),
        ),
        ("remove_keypair", store.remove_keypair(&next(), on, targets.leaving.id, None).await),
        ("create_environment", store.create_environment(&next(), &f.unsaved_environment(account)).await),
        ("rename_environment", store.rename_environment(&next(), of, None, &name(&text)).await.map(drop)),
        ("close_environment", store.close_environment(&next(), targets.closing.id, None).await.map(drop)),
        (CREATE_QUERY, store.create_query(&next(), &query).await),
        (
            "change_query",
            store.change_query(&next(), Action::QueryChanged, of, asked, None, &rename).await.map(drop),
        ),
        ("rename_account", store.rename_account(&next(), account.id, None, &name(&text)).await.map(drop)),
        ("create_application", store.create_application(&next(), &f.unsaved_application(own)).await),
        ("remove_application", store.remove_application(&next(), own, application).await),
        ("grant_role", store.grant_role(&next(), member, author).await),
        ("revoke_role", store.revoke_role(&next(), member, on).await),
        ("create_invitation", store.create_invitation(&next(), &invitation(f, account)).await),
        ("revoke_invitation", store.revoke_invitation(&next(), own, &targets.guest.email).await),
    ]
}

/// The one verb that asks for less than an administrator.
pub(super) const CREATE_QUERY: &str = "create_query";

/// The same, and to close the account, for whoever may do none of it.
pub(super) async fn refusals(f: &Fixture, account: &Account, stamp: &Stamp) -> Vec<Attempt> {
    let mut tried = attempts(f, account, stamp).await;
    tried.push(("close_account", f.store.close_account(&stamp.further(99), account.id).await.map(drop)));
    tried
}
