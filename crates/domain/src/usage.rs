use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use jiff::{Timestamp, ToSpan, civil::Date};

use crate::{Comment, KeyId, Owner, Scope, Scopes, utc_date};

/// For how many days usage is kept, today included: those that are shown, and some for clocks and sweeps.
pub const USAGE_KEPT: i32 = 35;

/// How many days are shown, today included.
pub const USAGE_SHOWN: i32 = 30;

/// In how many days, today included, something must have been done to be missed if it can't be done any more.
pub const USAGE_RECENT: i32 = 7;

/// The day in UTC, at `now`, with which the last `days` days begin.
pub fn usage_from(now: Timestamp, days: i32) -> Date {
    utc_date(now).saturating_sub((days - 1).days())
}

/// The name of an operation of the API. Another version of Feedback may have other operations.
pub type OperationId = Cow<'static, str>;

/// What a program does with a keypair, as far as it is told apart where it is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    /// It obtained a token.
    Token,
    /// A request of this operation was let in; by this scope, if the operation asks for one.
    Request(OperationId, Option<Scope>),
    /// A request of this operation was refused, since its token lacked the scope.
    Refused(OperationId),
}

impl Activity {
    /// As a store keeps it: its kind, the operation, and the scope; empty where there is none.
    pub fn parts(&self) -> (&'static str, &str, &'static str) {
        match self {
            Self::Token => ("token", "", ""),
            Self::Request(operation, scope) => ("request", operation, scope.map_or("", Scope::name)),
            Self::Refused(operation) => ("refused", operation, ""),
        }
    }

    /// The activity that a store kept as [`parts`](Self::parts).
    pub fn from_parts(kind: &str, operation: &str, scope: &str) -> Option<Self> {
        match (kind, operation, scope) {
            ("token", "", "") => Some(Self::Token),
            ("request", operation, "") => Some(Self::Request(operation.to_owned().into(), None)),
            ("request", operation, scope) => {
                Some(Self::Request(operation.to_owned().into(), Some(scope.parse().ok()?)))
            }
            ("refused", operation, "") => Some(Self::Refused(operation.to_owned().into())),
            _ => None,
        }
    }
}

/// By which one of the scopes that do a token is let in: the first of them in the order of [`Scope::ALL`], which is the
/// weakest. One is enough, so what is never it can be taken away without a request being refused for that.
pub fn let_in_by(any_of: &[Scope], held: Scopes) -> Option<Scope> {
    held.iter().find(|scope| any_of.contains(scope))
}

/// What a program calls itself: the first product in its `User-Agent` (RFC 9110 §10.1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(String);

impl Program {
    /// The most characters that are kept of it.
    const LONGEST: usize = 64;

    /// Out of the header's value; none if that begins with no product.
    pub fn from_user_agent(header: &str) -> Option<Self> {
        let product = header.split([' ', '\t']).next()?;
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
        let named = product.starts_with(|c| c != '/') && product.chars().all(token);
        named.then(|| Self(product.chars().take(Self::LONGEST).collect()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When something was last done, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When.
    pub at: Timestamp,
    /// From where, if that is known.
    pub address: Option<IpAddr>,
    /// By which program, if it said so.
    pub program: Option<Program>,
}

/// How often a keypair was used for one thing on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which keypair.
    pub keypair: KeyId,
    /// On which day, in UTC.
    pub day: Date,
    /// For what.
    pub activity: Activity,
    /// How often.
    pub count: u64,
    /// The last time.
    pub last: Call,
}

impl Usage {
    fn key(&self) -> (KeyId, Date, &Activity) {
        (self.keypair, self.day, &self.activity)
    }

    /// Adds up what is of the same keypair, day and activity; neighbours lie beside each other afterwards.
    pub fn added_up(mut usage: Vec<Self>) -> Vec<Self> {
        usage.sort_by(|a, b| a.key().cmp(&b.key()));
        usage.dedup_by(|more, kept| {
            let same = more.key() == kept.key();
            if same {
                kept.count = kept.count.saturating_add(more.count);
                later(&mut kept.last, &more.last);
            }
            same
        });
        usage
    }
}

/// Keeps the later of the two.
pub(crate) fn later(last: &mut Call, other: &Call) {
    if other.at > last.at {
        *last = other.clone();
    }
}

/// What was counted of a keypair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedUsage {
    /// The first day that is known of: when this installation began to count, or what the caller asked from.
    pub since: Date,
    /// A row for each day and activity, in no particular order.
    pub usage: Vec<Usage>,
}

impl CountedUsage {
    /// The scopes that let a request in.
    pub fn scopes(&self) -> Scopes {
        let by = |usage: &Usage| match usage.activity {
            Activity::Request(_, by) => by,
            _ => None,
        };
        self.usage.iter().filter_map(by).collect()
    }
}

/// A keypair in use, among those that would end together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeypairInUse {
    /// Which.
    pub keypair: KeyId,
    /// Whose.
    pub owner: Owner,
    /// What it is for.
    pub comment: Comment,
    /// Requests that were let in.
    pub requests: u64,
    /// When it was last used, for whatever.
    pub last_at: Timestamp,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keypair::tests::new_keypair;
    use crate::{Actor, Entropy, Keypair, from_millis};
    use proptest::prelude::*;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    const DAY: i64 = 86_400_000;

    /// Noon of a day, counted from 1 March 2026.
    pub(crate) fn noon(day: i64) -> Timestamp {
        from_millis(1_772_323_200_000 + day * DAY + DAY / 2)
    }

    pub(crate) fn keypair(scopes: &str) -> Keypair {
        Keypair::create(new_keypair(scopes), None, Actor::Operator, noon(0), &Sevens).unwrap().0
    }

    pub(crate) fn usage(keypair: &Keypair, day: i64, activity: Activity, count: u64) -> Usage {
        let last = Call { at: noon(day), address: None, program: None };
        Usage { keypair: keypair.id, day: utc_date(noon(day)), activity, count, last }
    }

    pub(crate) fn request(operation: &'static str, scope: Scope) -> Activity {
        Activity::Request(operation.into(), Some(scope))
    }

    #[test]
    fn the_weakest_scope_that_will_do_is_the_one_that_is_used() {
        let any_of = [Scope::QueriesCreate, Scope::ReportRead, Scope::Admin];
        let all: Scopes = Scope::ALL.into_iter().collect();
        assert_eq!(let_in_by(&any_of, all), Some(Scope::ReportRead));
        assert_eq!(let_in_by(&any_of, Scope::Admin.into()), Some(Scope::Admin));
        assert_eq!(let_in_by(&any_of, Scope::ResponsesCreate.into()), None);
        assert_eq!(let_in_by(&[], all), None);
    }

    #[test]
    fn a_program_is_what_it_calls_itself_first() {
        for (header, program) in [
            ("curl/8.5.0", Some("curl/8.5.0")),
            ("python-requests/2.32.3 (nightly)", Some("python-requests/2.32.3")),
            ("Mozilla/5.0 (X11)", Some("Mozilla/5.0")),
            ("", None),
            (" curl", None),
            ("/1", None),
            ("<script>", None),
            ("Größe/1", None),
        ] {
            let read = Program::from_user_agent(header);
            assert_eq!(read.as_ref().map(Program::as_str), program, "{header}");
        }
        assert_eq!(Program::from_user_agent(&"x".repeat(500)).unwrap().as_str().len(), 64);
    }

    proptest! {
        #[test]
        fn an_activity_reads_as_it_is_written(kind in 0..3, operation in "[a-zA-Z]{1,20}", scope in 0usize..6) {
            let operation = OperationId::from(operation);
            let activity = match kind {
                0 => Activity::Token,
                1 => Activity::Request(operation, Scope::ALL.get(scope).copied()),
                _ => Activity::Refused(operation),
            };
            let (kind, operation, scope) = activity.parts();
            prop_assert_eq!(Activity::from_parts(kind, operation, scope), Some(activity));
        }

        #[test]
        fn what_is_added_up_is_as_much_as_before(days in prop::collection::vec((0i64..4, 0usize..3, 1u64..9), 0..40)) {
            let keypair = keypair("feedback-admin");
            let activities = [Activity::Token, request("a", Scope::Admin), Activity::Refused("a".into())];
            let all: Vec<_> =
                days.iter().map(|(day, n, count)| usage(&keypair, *day, activities[*n].clone(), *count)).collect();
            let added = Usage::added_up(all.clone());
            let sum = |usage: &[Usage]| usage.iter().map(|usage| usage.count).sum::<u64>();
            prop_assert_eq!(sum(&added), sum(&all));
            prop_assert!(added.windows(2).all(|two| two[0].key() < two[1].key()), "each once, in order");
            for (day, n, _) in days {
                prop_assert!(added.iter().any(|one| one.activity == activities[n] && one.last.at == noon(day)));
            }
        }
    }
}
