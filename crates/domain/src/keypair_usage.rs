use std::cmp::Reverse;

use jiff::{Timestamp, ToSpan, civil::Date};

use crate::usage::later;
use crate::{
    Activity, Call, CountedUsage, Keypair, KeypairRefusal, OperationId, Scope, Scopes, USAGE_RECENT,
    USAGE_SHOWN, usage_from, utc_date,
};

/// What a keypair did on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageDay {
    /// Which, in UTC.
    pub date: Date,
    /// Tokens that it obtained.
    pub tokens: u64,
    /// Requests that were let in.
    pub requests: u64,
    /// Requests that were refused for their scopes.
    pub refused: u64,
}

/// How a scope of a keypair was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeUse {
    /// Which.
    pub scope: Scope,
    /// Requests that it let in lately: in the last [`USAGE_RECENT`] days.
    pub recent: u64,
    /// When it last let one in, as far as is known; none for never.
    pub last_used_at: Option<Timestamp>,
}

/// What a keypair did lately with one operation of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationUse {
    /// Which.
    pub operation: OperationId,
    /// By which of its scopes.
    pub scopes: Scopes,
    /// Requests that were let in.
    pub requests: u64,
    /// Requests that were refused for their scopes.
    pub refused: u64,
    /// The last of them.
    pub last: Call,
}

/// How a keypair is used: what an administrator should see before stopping it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeypairUsage {
    /// The first day that is known of; none before it was made.
    pub since: Date,
    /// Each of the last [`USAGE_SHOWN`] days, the oldest first.
    pub days: Vec<UsageDay>,
    /// Each scope that it may request.
    pub scopes: Vec<ScopeUse>,
    /// What it did in the last [`USAGE_RECENT`] days, the latest first.
    pub operations: Vec<OperationUse>,
    /// When it last obtained a token in those days, and by whom.
    pub token: Option<Call>,
}

impl KeypairUsage {
    /// What is known at `now` of how the keypair is used.
    pub fn of(keypair: &Keypair, counted: &CountedUsage, now: Timestamp) -> Self {
        let today = utc_date(now);
        let mut days: Vec<UsageDay> = usage_from(now, USAGE_SHOWN)
            .series(1.day())
            .take_while(|day| *day <= today)
            .map(|date| UsageDay { date, tokens: 0, requests: 0, refused: 0 })
            .collect();
        let mut scopes: Vec<ScopeUse> =
            keypair.scopes.iter().map(|scope| ScopeUse { scope, recent: 0, last_used_at: None }).collect();
        let mut operations: Vec<OperationUse> = Vec::new();
        let mut token: Option<Call> = None;
        let recent = usage_from(now, USAGE_RECENT);
        for usage in &counted.usage {
            if let Some(day) = days.iter_mut().find(|day| day.date == usage.day) {
                *match usage.activity {
                    Activity::Token => &mut day.tokens,
                    Activity::Request(..) => &mut day.requests,
                    Activity::Refused(_) => &mut day.refused,
                } += usage.count;
            }
            let is_recent = usage.day >= recent;
            if let Activity::Request(_, Some(by)) = usage.activity
                && let Some(scope) = scopes.iter_mut().find(|scope| scope.scope == by)
            {
                scope.last_used_at = scope.last_used_at.max(Some(usage.last.at));
                scope.recent += if is_recent { usage.count } else { 0 };
            }
            match &usage.activity {
                _ if !is_recent => {}
                Activity::Token => match &mut token {
                    Some(last) => later(last, &usage.last),
                    None => token = Some(usage.last.clone()),
                },
                Activity::Request(operation, by) => {
                    let known = of_operation(&mut operations, operation, &usage.last);
                    known.requests += usage.count;
                    known.scopes = by.iter().fold(known.scopes, |scopes, scope| scopes.with(*scope));
                }
                Activity::Refused(operation) => {
                    of_operation(&mut operations, operation, &usage.last).refused += usage.count;
                }
            }
        }
        operations.sort_by_key(|operation| Reverse(operation.last.at));
        let since = counted.since.max(utc_date(keypair.created_at)).min(today);
        // What is there is known, whoever counted it.
        let since = counted.usage.iter().map(|usage| usage.day).fold(since, Date::min);
        Self { since, days, scopes, operations, token }
    }

    /// The scopes that let no request in since then.
    pub fn unused(&self) -> Scopes {
        self.scopes.iter().filter(|scope| scope.last_used_at.is_none()).map(|scope| scope.scope).collect()
    }

    /// Those of them that nothing is known to need.
    pub fn needless(&self) -> Scopes {
        let used = self.scopes.iter().filter(|scope| scope.last_used_at.is_some()).map(|scope| scope.scope);
        needless(self.unused(), used.collect())
    }
}

/// Which of `unused` nothing needs, if `used` let requests in. Who makes, rotates or widens keypairs must hold each scope that it
/// hands on, and only the one that administers lets the request in: where such a one is in use, so may be all others.
fn needless(unused: Scopes, used: Scopes) -> Scopes {
    let hands_on = [Scope::Admin, Scope::AccountAdmin].into_iter().any(|scope| used.contains(scope));
    if hands_on { Scopes::NONE } else { unused }
}

fn of_operation<'a>(
    operations: &'a mut Vec<OperationUse>,
    operation: &OperationId,
    last: &Call,
) -> &'a mut OperationUse {
    let place = operations.iter().position(|known| known.operation == *operation).unwrap_or_else(|| {
        let (operation, last) = (operation.clone(), last.clone());
        operations.push(OperationUse { operation, scopes: Scopes::NONE, requests: 0, refused: 0, last });
        operations.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "it was found or put there just now")]
    let known = &mut operations[place];
    later(&mut known.last, last);
    known
}

impl Keypair {
    /// The keypair without the scopes that nothing needs; `used` are those that let a request in as far as is known. The same
    /// if it has no others, or administers. One that would be left without any is refused: that is another decision.
    pub fn without_unused_scopes(&self, used: Scopes) -> Result<Self, KeypairRefusal> {
        let used = self.scopes.and(used);
        if used.is_empty() {
            return Err(KeypairRefusal::NoScopeUsed);
        }
        let scopes = self.scopes.minus(needless(self.scopes.minus(used), used));
        if scopes == self.scopes {
            return Ok(self.clone());
        }
        Ok(Self { scopes, version: self.version + 1, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Usage;
    use crate::usage::tests::{keypair, noon, request, usage};

    fn counted(usage: Vec<Usage>) -> CountedUsage {
        CountedUsage { since: utc_date(noon(-100)), usage }
    }

    #[test]
    fn days_scopes_and_operations_are_added_up() {
        let keypair = keypair("feedback-report:read feedback-queries:create feedback-admin");
        let of = |day, activity, count| usage(&keypair, day, activity, count);
        let known = KeypairUsage::of(
            &keypair,
            &counted(vec![
                of(3, request("overview", Scope::ReportRead), 5),
                of(25, request("overview", Scope::ReportRead), 2),
                of(28, request("overview", Scope::ReportRead), 30),
                of(24, request("createQuery", Scope::QueriesCreate), 9),
                of(30, Activity::Refused("close".into()), 1),
                of(30, Activity::Token, 4),
                of(29, Activity::Request("access".into(), None), 7),
                // Of a scope that it has no more.
                of(30, request("responses", Scope::ResponsesCreate), 1),
            ]),
            noon(31),
        );
        assert_eq!(known.days.len(), 30);
        assert_eq!(known.days[0].date, utc_date(noon(2)));
        let day = |n: i64| known.days.iter().find(|day| day.date == utc_date(noon(n))).copied().unwrap();
        assert_eq!((day(3).requests, day(4).requests), (5, 0));
        assert_eq!((day(30).tokens, day(30).requests, day(30).refused), (4, 1, 1));

        let scopes: Vec<_> =
            known.scopes.iter().map(|scope| (scope.scope, scope.recent, scope.last_used_at)).collect();
        assert_eq!(
            scopes,
            [
                (Scope::ReportRead, 32, Some(noon(28))),
                // The eighth day from today does not count as lately, but it was used.
                (Scope::QueriesCreate, 0, Some(noon(24))),
                (Scope::Admin, 0, None),
            ]
        );
        assert_eq!(known.unused(), Scope::Admin.into());
        assert_eq!(known.needless(), Scope::Admin.into());

        let operations: Vec<_> = known
            .operations
            .iter()
            .map(|known| (&*known.operation, known.requests, known.refused, known.last.at))
            .collect();
        let mut latest = vec![("close", 0, 1, noon(30)), ("responses", 1, 0, noon(30))];
        latest.extend([("access", 7, 0, noon(29)), ("overview", 32, 0, noon(28))]);
        assert_eq!(operations, latest);
        assert_eq!(known.token.unwrap().at, noon(30));
        assert_eq!(known.since, utc_date(keypair.created_at), "nothing is known from before it was made");
    }

    #[test]
    fn a_keypair_that_nobody_uses_has_nothing_to_lose() {
        let keypair = keypair("feedback-report:read");
        let known = KeypairUsage::of(&keypair, &counted(Vec::new()), noon(3));
        assert!(known.operations.is_empty() && known.token.is_none());
        assert!(known.days.iter().all(|day| day.requests == 0));
        assert_eq!(known.unused(), keypair.scopes);
        // A clock that is behind the one that made it.
        let early = KeypairUsage::of(&keypair, &counted(Vec::new()), noon(-3));
        assert_eq!(early.since, utc_date(noon(-3)));
        let before = counted(vec![usage(&keypair, -2, Activity::Token, 1)]);
        assert_eq!(KeypairUsage::of(&keypair, &before, noon(3)).since, utc_date(noon(-2)));
    }

    #[test]
    fn unused_scopes_go_and_the_last_one_stays() {
        let keypair = keypair("feedback-report:read feedback-admin");
        let narrowed = keypair.without_unused_scopes(Scope::ReportRead.into()).unwrap();
        assert_eq!((narrowed.scopes, narrowed.version), (Scope::ReportRead.into(), keypair.version + 1));
        assert_eq!(narrowed.generation, keypair.generation, "its tokens go on with what is left");
        assert_eq!(narrowed.without_unused_scopes(Scope::ReportRead.into()), Ok(narrowed.clone()));
        let none = keypair.without_unused_scopes(Scope::QueriesCreate.into());
        assert_eq!(none, Err(KeypairRefusal::NoScopeUsed));
    }

    #[test]
    fn who_administers_keeps_what_it_may_hand_on() {
        for administrative in [Scope::Admin, Scope::AccountAdmin] {
            let keypair = keypair(&format!("feedback-report:read {}", administrative.name()));
            let used = vec![usage(&keypair, 1, request("createKeypair", administrative), 1)];
            let known = KeypairUsage::of(&keypair, &counted(used), noon(1));
            assert_eq!((known.unused(), known.needless()), (Scope::ReportRead.into(), Scopes::NONE));
            assert_eq!(keypair.without_unused_scopes(administrative.into()), Ok(keypair.clone()));
            // What let requests in before the keypair lost it is none of its scopes.
            let lost = Keypair {
                scopes: "feedback-report:read feedback-queries:create".parse().unwrap(),
                ..keypair
            };
            let narrowed = lost.without_unused_scopes(Scopes::from(administrative).with(Scope::ReportRead));
            assert_eq!(narrowed.unwrap().scopes, Scope::ReportRead.into());
        }
    }
}
