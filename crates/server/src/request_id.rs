//! A name for each request, which the client, the problem that it is shown and the log agree on.

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::Entropy;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The request's name: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId([u8; 16]);

impl RequestId {
    /// The name of the request that is being answered here.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// The same future, in which this is the current name.
    pub(crate) fn around<F: Future>(self, answer: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, answer)
    }

    /// The same work, for a task of its own: the name that is current here is current there.
    pub(crate) fn handed_on<F: Future>(work: F) -> impl Future<Output = F::Output> {
        let current = Self::current();
        async move {
            match current {
                Some(id) => id.around(work).await,
                None => work.await,
            }
        }
    }

    /// The digits.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names for requests: each differs from the others of this run, and begins at random so that runs hardly share any.
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        Self(AtomicU64::new(u64::from_be_bytes(entropy.bytes())))
    }

    /// The next name.
    pub(crate) fn next(&self) -> RequestId {
        // Steps of an odd number go through all values; of this one, far apart, so that people can tell neighbours.
        let id = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut digits = [b'0'; 16];
        // There is room for all of them.
        let _ = write!(digits.as_mut_slice(), "{id:016x}");
        RequestId(digits)
    }
}
