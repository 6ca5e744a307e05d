//! What the API's objects look like as JSON. The command line prints the same with `--json`.

mod access;
mod account;
mod application;
mod audit_event;
mod environment;
mod keypair;
mod list;
mod owner;
mod problem;
mod query;
mod report;
mod scope;
mod usage;

pub(crate) use access::{AccessShape, ReachedEnvironment};
pub(crate) use account::AccountShape;
pub(crate) use application::ApplicationShape;
pub(crate) use audit_event::AuditEventShape;
pub(crate) use environment::EnvironmentShape;
pub(crate) use keypair::{AssertionAlgorithmName, KeypairShape, KeypairWithSecret, TokenBindingName};
pub(crate) use list::ListShape;
pub(crate) use owner::OwnerShape;
pub(crate) use problem::{FieldError, Problem};
pub(crate) use query::QueryShape;
pub(crate) use report::{QueryStatisticsShape, ReportShape};
pub(crate) use scope::ScopeName;
pub(crate) use usage::UsageShape;
