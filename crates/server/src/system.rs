//! The machine's own time and randomness: the one place that asks for them.

use domain::{Clock, Entropy, Timestamp, truncated_to_millis};

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        truncated_to_millis(Timestamp::now())
    }
}

/// The machine's source of randomness.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "without randomness nothing may go on")]
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).expect("the machine has a source of randomness");
    }
}
