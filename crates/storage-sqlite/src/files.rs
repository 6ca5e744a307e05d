//! Files that only their owner may read, whatever the folder that they stand in.

use std::fs::OpenOptions;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;

/// Opens for writing; a file that is made is private from its first moment. SQLite gives the files that it makes beside a
/// database the database's mode.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    options.mode(0o600);
    options
}
