//! What each page asks of whoever comes, taken from its handler's own arguments: a handler that asks nothing, not even
//! [`Public`], can't be registered.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, header};
use axum::routing::{self, MethodRouter};
use domain::Role;

use super::failure::PageError;
use crate::app::App;

/// What a page asks of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing.
    Public,
    /// To be signed in.
    SignedIn,
    /// At least this role at the account or environment in the address.
    At(Role),
}

/// A value that lets a handler be called. Every page's handler takes one first.
pub(super) trait Guard: FromRequestParts<Arc<App>> {
    /// What it asks.
    const ACCESS: Access;
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses an act that names neither where it comes from nor how: no browser that people still use sends one. Guards ask it
/// last, so that whoever may not pass hears no more than that.
pub(super) fn not_forged(act: &Parts) -> Result<(), PageError> {
    let safe = matches!(act.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let has = |name| act.headers.get(name).is_some_and(|value| !value.is_empty());
    let named = has(SEC_FETCH_SITE) || has(header::ORIGIN);
    if safe || named { Ok(()) } else { Err(PageError::CrossSite) }
}

/// Open to everybody.
pub(super) struct Public(());

impl Guard for Public {
    const ACCESS: Access = Access::Public;
}

impl FromRequestParts<Arc<App>> for Public {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, PageError> {
        not_forged(parts).map(Self)
    }
}

/// The arguments of a handler that takes a [`Guard`] first.
pub(super) trait Guarded {
    /// What the handler asks.
    const ACCESS: Access;
}

macro_rules! guarded {
    ($(($($rest:ident),*))*) => {$(
        impl<M, G: Guard, $($rest),*> Guarded for (M, G, $($rest,)*) {
            const ACCESS: Access = G::ACCESS;
        }
    )*};
}

guarded! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) }

/// An address with a method, what it asks, and who answers.
pub(super) struct Page {
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the comparison with the committed table"))]
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) access: Access,
    pub(super) route: MethodRouter<Arc<App>>,
}

/// A page that is read.
pub(super) fn get<H, T>(path: impl Into<String>, handler: H) -> Page
where
    H: Handler<T, Arc<App>>,
    T: Guarded + 'static,
{
    Page { method: Method::GET, path: path.into(), access: T::ACCESS, route: routing::get(handler) }
}

/// An act.
pub(super) fn post<H, T>(path: impl Into<String>, handler: H) -> Page
where
    H: Handler<T, Arc<App>>,
    T: Guarded + 'static,
{
    Page { method: Method::POST, path: path.into(), access: T::ACCESS, route: routing::post(handler) }
}
