//! `feedback`: the Authorization Server, the Feedback API and the Web UI in one binary, and the operator's own hands
//! on the store.

mod api;
mod app;
mod cli;
mod client_address;
mod client_certificate;
mod config;
mod crypto;
mod database_url;
mod failures;
mod keypairs;
mod leaked_secret;
mod live;
mod master_key;
mod metrics;
mod oauth;
mod overload;
mod own_attempt;
mod passwords;
mod queries;
mod request_id;
mod retirement;
mod router;
mod serve;
mod signing;
mod surface;
mod surroundings;
mod system;
#[cfg(test)]
mod test_data;
mod tls;
mod web;
mod whole_body;

fn main() -> std::process::ExitCode {
    cli::main()
}
