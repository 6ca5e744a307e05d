//! Randomness that repeats itself, for data that looks the same at every start. Never for secrets.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::Entropy;

/// A generator of the same bytes for the same seed (SplitMix64).
pub(super) struct Seeded(AtomicU64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Seeded {
    /// The generator that starts at `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, but not including, 1.
    pub(super) fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number from 0 up to, but not including, `below`.
    pub(super) fn below(&self, below: usize) -> usize {
        (self.unit() * below as f64) as usize
    }

    /// Whether what happens with this probability happens.
    pub(super) fn happens(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of several.
    pub(super) fn one_of<T: Copy>(&self, items: &[T]) -> Option<T> {
        items.get(self.below(items.len())).copied()
    }

    /// The place of a weight, the heavier the likelier.
    pub(super) fn weighted(&self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        weights
            .iter()
            .position(|weight| {
                left -= weight;
                left < 0.0
            })
            .unwrap_or_default()
    }
}

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            for (to, from) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_another_another() {
        let bytes = |seed| (&Seeded::new(seed) as &dyn Entropy).bytes::<20>();
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn weights_count() {
        let random = Seeded::new(7);
        let heavy = (0..1000).filter(|_| random.weighted(&[1.0, 9.0]) == 1).count();
        assert!((850..950).contains(&heavy), "{heavy}");
    }
}
