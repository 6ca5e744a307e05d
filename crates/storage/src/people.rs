//! Sets of people, as every backend stores them. Each respondent and each machine of an environment has a number of its
//! own, its ordinal, given on first sight: 0, 1, 2 … A set of them takes a bit or two bytes for each, and the union of
//! many days is counted without looking at anybody.

use roaring::RoaringBitmap;

use crate::{Result, StorageError};

/// How many bits of an ordinal tell the place within its chunk. A chunk is what is read and written together, and what
/// roaring calls a container.
const CHUNK_BITS: u32 = 16;

/// The longest that a stored chunk gets: a bit for each ordinal, and what roaring says before them.
const LONGEST_CHUNK: usize = (1 << CHUNK_BITS) / 8 + 16;

/// A set of people, by their ordinals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People(RoaringBitmap);

impl People {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Adds one person.
    pub fn insert(&mut self, ordinal: u32) {
        self.0.insert(ordinal);
    }

    /// Adds everybody of another set.
    pub fn add(&mut self, others: &Self) {
        self.0 |= &others.0;
    }

    /// Adds what is stored of a chunk. `Corrupt` if that is not what [`People::to_stored`] makes of it.
    pub fn add_stored(&mut self, chunk: i64, stored: &[u8]) -> Result<()> {
        self.0 |= decoded(chunk, stored).ok_or_else(|| {
            StorageError::Corrupt(format!("chunk {chunk} of the people of a day can't be understood"))
        })?;
        Ok(())
    }

    /// What is stored of a set that lies within one chunk.
    pub fn to_stored(&self) -> Vec<u8> {
        let mut stored = Vec::with_capacity(self.0.serialized_size());
        // Writing to memory can't fail.
        let _ = self.0.serialize_into(&mut stored);
        stored
    }
}

fn decoded(chunk: i64, stored: &[u8]) -> Option<RoaringBitmap> {
    if stored.len() > LONGEST_CHUNK {
        return None;
    }
    let mut rest = stored;
    let people = RoaringBitmap::deserialize_from(&mut rest).ok()?;
    let within = [people.min()?, people.max()?].map(chunk_of) == [chunk; 2];
    (within && rest.is_empty()).then_some(people)
}

/// In which chunk a person is stored.
pub fn chunk_of(ordinal: u32) -> i64 {
    i64::from(ordinal >> CHUNK_BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn chunks_of(day: &BTreeSet<u32>) -> BTreeMap<i64, People> {
        let mut chunks: BTreeMap<i64, People> = BTreeMap::new();
        for ordinal in day {
            chunks.entry(chunk_of(*ordinal)).or_default().insert(*ordinal);
        }
        chunks
    }

    /// Few people of many, nearly all of a chunk, and whatever lies around the border of two.
    fn day() -> impl Strategy<Value = BTreeSet<u32>> {
        let some = btree_set(0..300_000_u32, 0..50);
        let most = (0..200_000_u32, 4_000..70_000_u32).prop_map(|(from, many)| (from..from + many).collect());
        let border = btree_set(65_500..65_580_u32, 1..40);
        prop_oneof![some, most, border, btree_set(any::<u32>(), 1..5)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn stored_days_together_are_the_union(days in vec(day(), 0..6)) {
            let (mut people, mut expected) = (People::default(), BTreeSet::<u32>::new());
            for day in &days {
                for (chunk, part) in chunks_of(day) {
                    let stored = part.to_stored();
                    prop_assert!(stored.len() <= LONGEST_CHUNK);
                    let mut read = People::default();
                    read.add_stored(chunk, &stored).unwrap();
                    prop_assert_eq!(&read, &part);
                    people.add_stored(chunk, &stored).unwrap();
                }
                expected.extend(day);
            }
            prop_assert_eq!(people.count(), expected.len() as u64);
        }

        #[test]
        fn what_was_not_written_so_is_corrupt(
            day in btree_set(0..65_536_u32, 1..5_000),
            tampered in (any::<prop::sample::Index>(), any::<u8>()),
            longer in vec(any::<u8>(), 1..9),
        ) {
            let mut set = People::default();
            day.iter().for_each(|ordinal| set.insert(*ordinal));
            let stored = set.to_stored();
            let read = |chunk, stored: &[u8]| People::default().add_stored(chunk, stored);
            prop_assert!(matches!(read(1, &stored), Err(StorageError::Corrupt(_))), "of another chunk");
            prop_assert!(matches!(read(0, &stored[..stored.len() - 1]), Err(StorageError::Corrupt(_))));
            prop_assert!(matches!(read(0, &[&stored[..], &longer].concat()), Err(StorageError::Corrupt(_))));
            let mut other = stored.clone();
            let (place, value) = tampered;
            let place = place.index(other.len());
            other[place] = value;
            // It may be another set, but never more than a chunk holds.
            let mut read = People::default();
            if read.add_stored(0, &other).is_ok() {
                prop_assert!(read.0.max() < Some(1 << CHUNK_BITS));
            }
        }

        #[test]
        fn anything_at_all_is_read_without_panicking(bytes in vec(any::<u8>(), 0..10_000), runs in any::<bool>()) {
            let cookie = if runs { [0x3b, 0x30, 0, 0] } else { [0x3a, 0x30, 0, 0] };
            let _ = People::default().add_stored(0, &bytes);
            let _ = People::default().add_stored(0, &[&cookie[..], &bytes].concat());
        }
    }

    #[test]
    fn nobody_and_too_much_are_corrupt() {
        let mut people = People::default();
        for stored in [People::default().to_stored(), Vec::new(), vec![0; LONGEST_CHUNK + 1]] {
            assert!(matches!(people.add_stored(0, &stored), Err(StorageError::Corrupt(_))));
        }
    }
}
