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
