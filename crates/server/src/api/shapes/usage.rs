use domain::{
    Call, Date, KeypairUsage, OperationUse, Scope, ScopeUse, Scopes, Timestamp, USAGE_RECENT, UsageDay,
    usage_from,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::ScopeName;

/// How a keypair is used, a few seconds late.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageShape {
    /// The first day that is told of.
    #[schema(value_type = String, format = Date, example = "2026-10-28")]
    from: Date,
    /// The last one: today, in UTC.
    #[schema(value_type = String, format = Date, example = "2026-11-26")]
    to: Date,
    /// Each of those days, the oldest first.
    days: Vec<UsageDayShape>,
    /// Since which day it is known what let requests in: since the keypair was made, but for 35 days at the most.
    #[schema(value_type = String, format = Date, example = "2026-10-23")]
    known_since: Date,
    /// Each scope that the keypair may request.
    scopes: Vec<ScopeUseShape>,
    /// The day with which the last seven days begin, which `operations` are of.
    #[schema(value_type = String, format = Date, example = "2026-11-20")]
    operations_from: Date,
    /// The last token that it obtained in these seven days, if any.
    #[schema(required = true)]
    last_token: Option<CallShape>,
    /// What was done with it in the last seven days, or refused it for its scopes, the latest first.
    operations: Vec<OperationUseShape>,
}

/// What a keypair did on one day.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UsageDay)]
struct UsageDayShape {
    /// The day, in UTC.
    #[schema(value_type = String, format = Date, example = "2026-11-26")]
    date: Date,
    /// Tokens that it obtained.
    tokens: u64,
    /// Requests that its tokens were let in with, whatever was answered then.
    requests: u64,
    /// Requests that were refused because the token lacked a scope.
    refused: u64,
}

/// How a scope of a keypair was used.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ScopeUse)]
struct ScopeUseShape {
    /// The scope.
    #[schema(value_type = ScopeName, example = "feedback-report:read")]
    scope: Scope,
    /// When it last let a request in; `null` for never since `known_since`. To be in a token is no use. Where several scopes
    /// would do, the first of them in this list counts.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Timestamp>,
}

/// When, from where and by which program it was.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Call)]
struct CallShape {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// From which network address it came, where that is known.
    #[schema(required = true, example = "192.0.2.7")]
    address: Option<String>,
    /// What the program called itself: the first product of its `User-Agent`.
    #[schema(required = true, example = "python-requests/2.32.3")]
    program: Option<String>,
}

/// What a keypair did with an operation of the API.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OperationUse)]
struct OperationUseShape {
    /// Its `operationId` in this document.
    #[schema(example = "reportOverview")]
    operation: String,
    /// The scopes that let it in; none if it asks for none.
    #[schema(value_type = Vec<ScopeName>, example = json!(["feedback-report:read"]))]
    scopes: Scopes,
    /// Requests that were let in.
    requests: u64,
    /// Requests that were refused because the token lacked a scope.
    refused: u64,
    /// The last of them.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// From which network address it came, where that is known.
    #[schema(required = true, example = "192.0.2.7")]
    last_address: Option<String>,
    /// What the program called itself: the first product of its `User-Agent`.
    #[schema(required = true, example = "python-requests/2.32.3")]
    last_program: Option<String>,
}

impl UsageShape {
    /// The shape of what is known at `now`.
    pub(crate) fn at(now: Timestamp, usage: &KeypairUsage) -> Self {
        let today = domain::utc_date(now);
        Self {
            from: usage.days.first().map_or(today, |day| day.date),
            to: today,
            days: usage.days.iter().map(UsageDayShape::from).collect(),
            known_since: usage.since,
            scopes: usage.scopes.iter().map(ScopeUseShape::from).collect(),
            operations_from: usage_from(now, USAGE_RECENT),
            last_token: usage.token.as_ref().map(CallShape::from),
            operations: usage.operations.iter().map(OperationUseShape::from).collect(),
        }
    }
}

impl From<&UsageDay> for UsageDayShape {
    fn from(day: &UsageDay) -> Self {
        Self { date: day.date, tokens: day.tokens, requests: day.requests, refused: day.refused }
    }
}

impl From<&ScopeUse> for ScopeUseShape {
    fn from(used: &ScopeUse) -> Self {
        Self { scope: used.scope, last_used_at: used.last_used_at }
    }
}

impl From<&Call> for CallShape {
    fn from(Call { at, address, program }: &Call) -> Self {
        Self {
            at: *at,
            address: address.map(|address| address.to_string()),
            program: program.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&OperationUse> for OperationUseShape {
    fn from(used: &OperationUse) -> Self {
        let CallShape { at, address, program } = CallShape::from(&used.last);
        Self {
            operation: used.operation.to_string(),
            scopes: used.scopes,
            requests: used.requests,
            refused: used.refused,
            last_used_at: at,
            last_address: address,
            last_program: program,
        }
    }
}
