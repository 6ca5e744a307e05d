//! Forms whose answer is shown once: each can be sent once, so that a reload of the answer makes nothing more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use quick_cache::unsync::Cache;
use storage::TokenHash;

use super::failure::PageError;
use super::form::Fields;
use super::session::new_token;
use crate::app::App;
use crate::crypto::sha256;
use crate::request_id::RequestId;

/// The hidden field that carries a form's token.
const FIELD: &str = "form";
const LASTS_SECONDS: i64 = 60 * 60;
const REMEMBERED: usize = 10_000;

type Key = [u8; 32];

#[derive(Clone, Copy)]
struct Issued {
    at: i64,
    sent: bool,
}

/// The forms that were issued; in memory, bounded, on each node of its own. A form that is not remembered is shown
/// again instead of being acted on.
pub(super) struct Once(Mutex<Cache<Key, Issued>>);

impl Once {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Cache::new(REMEMBERED)))
    }

    fn lock(&self) -> MutexGuard<'_, Cache<Key, Issued>> {
        // Each entry is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(&self, key: Key, now: Timestamp) {
        self.lock().insert(key, Issued { at: now.as_second(), sent: false });
    }

    fn send(&self, key: Key, now: Timestamp) -> Result<(), Refusal> {
        let mut forms = self.lock();
        let mut form = forms.get_mut(&key).ok_or(Refusal::Unknown)?;
        if form.at + LASTS_SECONDS <= now.as_second() {
            return Err(Refusal::Unknown);
        }
        if std::mem::replace(&mut form.sent, true) { Err(Refusal::Sent) } else { Ok(()) }
    }

    fn take_back(&self, key: Key) {
        if let Some(mut form) = self.lock().get_mut(&key) {
            form.sent = false;
        }
    }
}

/// Why a form is not acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was sent before.
    Sent,
    /// It was not issued in this session, or too long ago.
    Unknown,
}

/// Said above a form that is shown again because it is not known.
pub(super) const UNKNOWN: &str =
    "Nothing was made: this form was open for too long, or sent before. Send it again if you mean it.";

/// The forms of one session.
pub(super) struct Forms {
    once: Arc<Once>,
    session: TokenHash,
}

impl Forms {
    /// Those of `session`.
    pub(super) fn new(once: Arc<Once>, session: TokenHash) -> Self {
        Self { once, session }
    }

    /// A token for a form that is shown now.
    pub(super) fn issue(&self, app: &App) -> String {
        let token = new_token(app);
        self.once.issue(self.key(&token), app.clock.now());
        token
    }

    /// Takes a form that was sent, if this is the first time.
    pub(super) fn send(&self, app: &App, fields: &Fields) -> Result<Result<Sending, Refusal>, PageError> {
        let key = self.key(fields.one(FIELD)?);
        let sending = self.once.send(key, app.clock.now());
        Ok(sending.map(|()| Sending { once: self.once.clone(), key }))
    }

    fn key(&self, token: &str) -> Key {
        sha256(&[self.session.as_slice(), token.as_bytes()].concat())
    }
}

/// A form that is being acted on.
pub(super) struct Sending {
    once: Arc<Once>,
    key: Key,
}

impl Sending {
    /// Does the work to its end, also if nobody waits for the answer any more. If it fails, the form can be sent again.
    pub(super) async fn finish<T, E>(
        self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Result<T, E>, PageError>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let working = async move {
            let done = work.await;
            if done.is_err() {
                self.once.take_back(self.key);
            }
            done
        };
        tokio::spawn(RequestId::handed_on(working)).await.map_err(|error| {
            tracing::error!(%error, "a form could not be acted on");
            PageError::Internal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_taken_once_and_for_a_while() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let once = Once::new();
        assert_eq!(once.send([1; 32], at(0)), Err(Refusal::Unknown));
        once.issue([1; 32], at(0));
        assert_eq!(once.send([1; 32], at(10)), Ok(()));
        assert_eq!(once.send([1; 32], at(10)), Err(Refusal::Sent));
        once.take_back([1; 32]);
        assert_eq!(once.send([1; 32], at(10)), Ok(()));
        once.issue([2; 32], at(0));
        assert_eq!(once.send([2; 32], at(LASTS_SECONDS)), Err(Refusal::Unknown));
    }

    #[test]
    fn of_many_at_once_one_is_taken() {
        let once = Once::new();
        let now = Timestamp::from_second(0).unwrap();
        once.issue([1; 32], now);
        let taken = std::thread::scope(|scope| {
            let running: Vec<_> = (0..16).map(|_| scope.spawn(|| once.send([1; 32], now).is_ok())).collect();
            running.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
        });
        assert_eq!(taken, 1);
    }
}
