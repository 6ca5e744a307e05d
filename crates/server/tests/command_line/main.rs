//! The command line as an operator's scripts see it: the binary, its exit codes, what it prints.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test that can't go on fails, and its modules are seen by nobody else"
)]

mod applications;
mod backup;
mod database;
mod demo;
mod keypairs;
mod login;
mod master_key;
mod objects;
mod operator;
mod people;
mod refusals;
mod server;
mod signing_keys;
mod strange_server;
mod tokens;
