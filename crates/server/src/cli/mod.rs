//! The command line: runs the server, and is the operator's own hands on the store.

mod account;
mod application;
mod arguments;
mod ask;
mod backup;
mod check;
mod demo;
mod environment;
mod failure;
mod key;
mod key_usage;
mod login;
mod logs;
mod master_key;
mod output;
mod owners;
mod public_key;
mod serve;
mod signing_key;
mod store;
mod token;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::{Failure, Result};

/// Feedback: the Authorization Server, the Feedback API and the Web UI in one program
#[derive(Debug, Parser)]
#[command(name = "feedback", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; the first start makes the data folder and prints a link for the first administrator
    Serve(serve::Serve),
    /// Try it all: a server with weeks of made-up data in a throwaway folder, shown step by step
    Demo(demo::Demo),
    /// Accounts: the customers, which own environments
    Account(account::Account),
    /// Environments: where feedback is collected
    Environment(environment::Environment),
    /// Users: the people who sign in to the Web UI, and their roles
    User(user::User),
    /// API keypairs: what programs get access tokens with
    Key(key::Key),
    /// Applications: programs that people can let act in their names
    Application(application::Application),
    /// The keys that sign access tokens
    SigningKey(signing_key::SigningKey),
    /// The key that everything secret in the store is sealed under
    MasterKey(master_key::MasterKey),
    /// Copy the store to a new file, also while the server runs
    Backup(backup::Backup),
    /// Put a copy made by `backup` into an empty data folder, or make a restored database one of its own
    Restore(backup::Restore),
    /// Verify the settings, the store, its audit log and its keys
    Check(check::Check),
    /// Log in to a server as yourself: opens the browser, where you allow it
    Login(login::Login),
    /// End what `login` allowed
    Logout(login::Logout),
    /// Print an access token of your login; or, on the store, see what a token is and end it
    Token(token::Token),
    /// Ask the Feedback API with your login
    Api(login::Api),
}

impl Command {
    /// Whether failures are told as JSON, too.
    fn as_json(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Demo(_) | Self::Api(_) => false,
            Self::Account(account) => account.common.json,
            Self::Environment(environment) => environment.common.json,
            Self::User(user) => user.common.json,
            Self::Key(key) => key.common.json,
            Self::SigningKey(signing_key) => signing_key.common.json,
            Self::MasterKey(master_key) => master_key.common.json,
            Self::Backup(backup) => backup.common.json,
            Self::Restore(restore) => restore.common.json,
            Self::Check(check) => check.common.json,
            Self::Application(application) => application.common.json,
            Self::Login(login) => login.json,
            Self::Logout(logout) => logout.json,
            Self::Token(token) => token.as_json(),
        }
    }

    async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Serve(serve) => serve.run().await?,
            Self::Demo(demo) => demo.run().await?,
            Self::Account(account) => account.run().await?,
            Self::Environment(environment) => environment.run().await?,
            Self::User(user) => user.run().await?,
            Self::Key(key) => key.run().await?,
            Self::SigningKey(signing_key) => signing_key.run().await?,
            Self::MasterKey(master_key) => master_key.run().await?,
            Self::Backup(backup) => backup.run().await?,
            Self::Restore(restore) => restore.run().await?,
            Self::Check(check) => return check.run().await,
            Self::Application(application) => application.run().await?,
            Self::Login(login) => login.run().await?,
            Self::Logout(logout) => logout.run().await?,
            Self::Token(token) => token.run().await?,
            Self::Api(api) => return api.run().await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs what the arguments say.
pub(crate) fn main() -> ExitCode {
    let command = Cli::parse().command;
    let as_json = command.as_json();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Each worker takes from the queue that all share first: there is what has waited for longest.
        .global_queue_interval(1)
        .build()
        .map_err(|error| Failure::new(format!("can't start: {error}")))
        .and_then(|runtime| runtime.block_on(command.run()));
    outcome.unwrap_or_else(|failure| {
        output::failure(&failure, as_json);
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
