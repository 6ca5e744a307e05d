//! Reading the change feed: the audit log, from where it was last read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Clock, EventId, Timestamp};
use storage::{Audit, Change, StorageError};
use tokio::time::Instant;

const AT_ONCE: u32 = 500;

/// How far the feed was read, and when.
pub(super) struct Feed {
    /// Locked through a whole reading, so that whoever waits for it reads what came before.
    place: tokio::sync::Mutex<Place>,
    /// When the last whole reading began; nothing is trusted without one.
    read_at: Mutex<Option<Moment>>,
    clock: Arc<dyn Clock>,
}

/// An instant by two clocks. The one is never set, but stands still while the machine sleeps; the other goes on meanwhile.
#[derive(Clone, Copy)]
struct Moment {
    steady: Instant,
    wall: Timestamp,
}

impl Moment {
    fn now(clock: &dyn Clock) -> Self {
        Self { steady: Instant::now(), wall: clock.now() }
    }

    /// Whether it is less than `length` ago by both clocks. If one of them was set, it is not.
    fn is_within(self, length: Duration, now: Self) -> bool {
        let wall = now.wall.as_millisecond().checked_sub(self.wall.as_millisecond());
        let wall = wall.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis);
        now.steady.duration_since(self.steady) < length && wall.is_some_and(|wall| wall < length)
    }
}

/// The last line that was read. Each reading begins with it, to see that it is still there.
struct Place {
    sequence: i64,
    /// Not known before the first reading.
    event: Option<EventId>,
}

/// What the feed tells.
#[derive(Clone, Copy)]
pub(super) enum Heard<'a> {
    /// A line that was not read before.
    Change(&'a Change),
    /// The store's history is not the one that was read: it was restored, or lost its last lines when another machine took
    /// over. Whatever is known may never have happened.
    AnotherHistory,
}

impl Feed {
    /// To be read from line `sequence` on.
    pub(super) fn from(sequence: i64, clock: Arc<dyn Clock>) -> Self {
        let place = tokio::sync::Mutex::new(Place { sequence, event: None });
        Self { place, read_at: Mutex::new(None), clock }
    }

    /// Whether the last reading began less than `lease` ago.
    pub(super) fn is_fresh(&self, lease: Duration) -> bool {
        self.last_reading().is_some_and(|began| began.is_within(lease, Moment::now(&*self.clock)))
    }

    fn last_reading(&self) -> Option<Moment> {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As if it had never been read.
    pub(super) fn distrust(&self) {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Hands everything that is new since the last reading to `apply`.
    pub(super) async fn read(
        &self,
        store: &dyn Audit,
        apply: impl Fn(Heard<'_>),
    ) -> Result<(), StorageError> {
        let asked = Instant::now();
        let mut place = self.place.lock().await;
        // A reading that began after this one was asked for has read all that this one would.
        if self.last_reading().is_some_and(|began| began.steady > asked) {
            return Ok(());
        }
        let began = Moment::now(&*self.clock);
        while place.read_on(store, &apply).await? {}
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        Ok(())
    }
}

impl Place {
    /// Reads a part of the feed; whether there may be more.
    async fn read_on(&mut self, store: &dyn Audit, apply: &impl Fn(Heard<'_>)) -> Result<bool, StorageError> {
        let changes = store.changes_after(self.sequence - 1, AT_ONCE).await?;
        let read_before = changes.first().filter(|first| first.sequence == self.sequence);
        let same_history = match (self.event, read_before) {
            (None, Some(_)) => true,
            (None, None) => self.sequence == 0,
            (Some(event), Some(first)) => first.event == event,
            (Some(_), None) => false,
        };
        if !same_history {
            // In this order: a line between the two is not read, but what was loaded before it is forgotten.
            let sequence = store.last_sequence().await?;
            apply(Heard::AnotherHistory);
            *self = Self { sequence, event: None };
            return Ok(true);
        }
        for change in &changes {
            if change.sequence > self.sequence {
                apply(Heard::Change(change));
            }
            *self = Self { sequence: change.sequence, event: Some(change.event) };
        }
        Ok(changes.len() >= AT_ONCE as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use domain::{AuditEvent, ObjectRef, Owner, from_millis, new_id};

    use crate::system::SystemEntropy;

    /// A log that can be cut back and written anew.
    #[derive(Default)]
    struct Log {
        lines: Mutex<Vec<Change>>,
        /// Whether a line comes just before it is asked for its end.
        busy: bool,
    }

    impl Log {
        fn append(&self, id: &str) {
            let mut log = self.lines.lock().unwrap();
            let sequence = i64::try_from(log.len()).unwrap() + 1;
            log.push(Change {
                sequence,
                event: new_id(Timestamp::UNIX_EPOCH, &SystemEntropy),
                action: "keypair.changed".to_owned(),
                object: ObjectRef::new("keypair", id),
            });
        }

        fn cut_back(&self, lines: usize) {
            self.lines.lock().unwrap().truncate(lines);
        }

        fn len(&self) -> usize {
            self.lines.lock().unwrap().len()
        }
    }

    #[async_trait]
    impl Audit for Log {
        async fn audit_events(
            &self,
            _: Owner,
            _: Option<EventId>,
            _: u32,
        ) -> storage::Result<Vec<AuditEvent>> {
            unreachable!("the feed does not ask for it")
        }

        async fn changes_after(&self, after: i64, limit: u32) -> storage::Result<Vec<Change>> {
            let log = self.lines.lock().unwrap();
            let later = log.iter().filter(|change| change.sequence > after);
            Ok(later.take(limit as usize).cloned().collect())
        }

        async fn events_after(&self, _: i64, _: u32) -> storage::Result<Vec<AuditEvent>> {
            unreachable!("the feed does not ask for it")
        }

        async fn last_sequence(&self) -> storage::Result<i64> {
            if self.busy {
                self.append("meanwhile");
            }
            Ok(i64::try_from(self.len()).unwrap())
        }
    }

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    fn feed_from(sequence: i64) -> Feed {
        Feed::from(sequence, Arc::new(Stopped))
    }

    async fn heard(feed: &Feed, log: &Log) -> Vec<String> {
        let all = Mutex::new(Vec::new());
        let note = |heard: Heard<'_>| {
            all.lock().unwrap().push(match heard {
                Heard::Change(change) => change.object.id.clone(),
                Heard::AnotherHistory => "another history".to_owned(),
            });
        };
        feed.read(log, note).await.unwrap();
        all.into_inner().unwrap()
    }

    #[test]
    fn a_lease_ends_by_either_clock_and_when_one_is_set() {
        let lease = Duration::from_millis(800);
        let steady = Instant::now();
        let began = Moment { steady, wall: from_millis(5000) };
        let later = |steady_millis, wall| Moment {
            steady: steady + Duration::from_millis(steady_millis),
            wall: from_millis(wall),
        };
        assert!(began.is_within(lease, later(0, 5000)) && began.is_within(lease, later(799, 5799)));
        for (steady, wall, what) in [
            (800, 5799, "the time is over"),
            (0, 5800, "the machine slept"),
            (0, 65_000, "the clock was set forward"),
            (0, 4999, "the clock was set back"),
        ] {
            assert!(!began.is_within(lease, later(steady, wall)), "{what}");
        }
    }

    #[tokio::test]
    async fn each_line_is_heard_once() {
        let log = Log::default();
        let feed = feed_from(0);
        assert!(heard(&feed, &log).await.is_empty());
        log.append("a");
        assert_eq!(heard(&feed, &log).await, ["a"]);
        let many: Vec<_> = (0..1200).map(|n| n.to_string()).collect();
        many.iter().for_each(|id| log.append(id));
        assert_eq!(heard(&feed, &log).await, many);
        assert!(heard(&feed, &log).await.is_empty());
        let later = feed_from(1201);
        log.append("b");
        assert_eq!(heard(&later, &log).await, ["b"]);
    }

    #[tokio::test]
    async fn a_history_that_is_not_the_one_read_is_noticed() {
        for (kept, added) in [(2, 0), (2, 1), (2, 2), (0, 0), (0, 5)] {
            let log = Log::default();
            ["a", "b", "c"].iter().for_each(|id| log.append(id));
            let feed = feed_from(0);
            assert_eq!(heard(&feed, &log).await, ["a", "b", "c"]);
            log.cut_back(kept);
            (0..added).for_each(|_| log.append("anew"));
            assert_eq!(heard(&feed, &log).await, ["another history"], "{kept} kept, {added} added");
            log.append("d");
            assert_eq!(heard(&feed, &log).await, ["d"], "{kept} kept, {added} added");
        }
    }

    #[tokio::test]
    async fn a_history_that_is_shorter_than_at_the_start_is_noticed() {
        let log = Log::default();
        log.append("a");
        let feed = feed_from(2);
        assert_eq!(heard(&feed, &log).await, ["another history"]);
        log.append("b");
        assert_eq!(heard(&feed, &log).await, ["b"]);
    }

    #[tokio::test]
    async fn no_line_is_lost_between_two_histories() {
        let log = Log { busy: true, ..Log::default() };
        ["a", "b", "c"].iter().for_each(|id| log.append(id));
        let feed = feed_from(0);
        assert_eq!(heard(&feed, &log).await, ["a", "b", "c"]);
        log.cut_back(1);
        let lines_when_told = Mutex::new(None);
        let note = |heard: Heard<'_>| {
            assert!(matches!(heard, Heard::AnotherHistory));
            *lines_when_told.lock().unwrap() = Some(log.len());
        };
        feed.read(&log, note).await.unwrap();
        // The line that came meanwhile was not heard, so all had to be forgotten after it.
        assert_eq!((*lines_when_told.lock().unwrap(), log.len()), (Some(2), 2));
    }
}
