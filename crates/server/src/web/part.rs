//! Long lists, shown in parts.

use std::str::FromStr;

use serde::Deserialize;

use super::failure::PageError;

/// Which part of a list is asked for.
#[derive(Deserialize)]
pub(super) struct Part {
    after: Option<String>,
}

impl Part {
    /// The item that the part before ended with; none for the first part. `NotFound` if that is no identifier.
    pub(super) fn after<Id: FromStr>(&self) -> Result<Option<Id>, PageError> {
        self.after.as_deref().map(str::parse).transpose().map_err(|_| PageError::NotFound)
    }
}

/// Cuts what was found to `most` items; asked for one more, that tells whether others follow. If so, the last that stays.
pub(super) fn cut<T>(found: &mut Vec<T>, most: u32) -> Option<&T> {
    let more = found.len() > most as usize;
    found.truncate(most as usize);
    found.last().filter(|_| more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::KeyId;

    #[test]
    fn nothing_comes_after_what_is_no_identifier() {
        let after = |text: &str| Part { after: Some(text.to_owned()) }.after::<KeyId>();
        for nonsense in ["", "nonsense", "env_01jx1m2q6fe8gtvdb2v3cx2xkq"] {
            assert!(matches!(after(nonsense), Err(PageError::NotFound)), "{nonsense}");
        }
        assert!(after("key_01jx1m2q6fe8gtvdb2v3cx2xkq").unwrap().is_some());
        assert!(Part { after: None }.after::<KeyId>().unwrap().is_none());
    }

    #[test]
    fn a_part_is_followed_by_another_only_if_something_is_left_for_it() {
        for (found, kept, last) in [(0, 0, None), (2, 2, None), (3, 3, None), (4, 3, Some(3))] {
            let mut items: Vec<u32> = (1..=found).collect();
            assert_eq!(cut(&mut items, 3).copied(), last, "{found}");
            assert_eq!(items.len(), kept, "{found}");
        }
    }
}
