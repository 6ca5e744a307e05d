//! The Web UI: server-rendered pages, one file each, usable without JavaScript and with no request to another host.

mod access;
mod account;
mod administration;
mod api_management;
mod applications;
pub(crate) mod assets;
mod audit_log;
mod authorize;
mod chart;
mod credentials;
mod door;
mod dress;
mod environment;
mod failure;
mod form;
mod home;
mod invitation;
mod keypair;
mod keypair_edit;
mod keypair_made;
mod keypair_new;
mod keypair_public_keys;
mod keypair_remove;
mod keypair_rotate;
mod keypair_try;
mod leaked_secret;
mod once;
mod outcome;
mod part;
mod places;
mod plot;
mod profile;
mod proof;
mod queries;
mod query;
mod query_edit;
mod report;
mod routes;
mod session;
mod set_up;
mod settings;
mod shell;
mod sign_in;
mod throttle;
mod token_reach;
mod usage;
mod usage_chart;
mod users;
mod when;

#[cfg(test)]
mod tests;

pub(crate) use routes::router;
pub(crate) use set_up::make_link as make_set_up_link;
