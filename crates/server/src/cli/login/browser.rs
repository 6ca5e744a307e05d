//! Opening an address in the person's browser.

use std::process::{Command, Stdio};

/// What the system opens addresses with.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Opens the address, if the system knows how. It was printed in any case.
pub(super) fn open(address: &str) {
    let opened = Command::new(OPENER)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // Nobody waits for a browser to end; the system takes care of it when this program has ended.
    drop(opened);
}
