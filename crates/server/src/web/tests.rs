//! The whole Web UI, called in-process.
