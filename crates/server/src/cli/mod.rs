//! The command line.

use std::process::ExitCode;
use std::sync::Arc;

use crate::app::{App, Missing};
use crate::config::{Config, Flags};

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let config = Config::load(&Flags::default()).expect("config");
        let listener = tokio::net::TcpListener::bind(config.listen).await.expect("bind");
        let config = config.bound(listener.local_addr().expect("addr"));
        let app = App::open(config, Missing::Create).await.expect("open");
        crate::serve::serve(Arc::new(app), listener, crate::serve::stop_signal().expect("signal"))
            .await
            .expect("serve");
    });
    ExitCode::SUCCESS
}
