use jiff::{SignedDuration, Timestamp};

use crate::{QueryId, ResponseId};

/// The most responses that one request can bring.
pub const MAX_BATCH: usize = 1000;

/// The keyed hash of a respondent's or machine's identifier: all of it that is ever stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PersonHash(pub [u8; 16]);

/// One answer as a program submits it, before it was checked.
#[derive(Clone, Debug, Default)]
pub struct SubmittedResponse {
    /// The caller's own identifier, by which a repeated one is noticed.
    pub id: Option<String>,
    /// The query that it answers; spontaneous without one.
    pub query: Option<String>,
    /// 1 (worst) to 5 (best).
    pub score: i64,
    /// In the respondent's own words.
    pub text: Option<String>,
    /// Who answered, in the caller's terms.
    pub respondent: Option<String>,
    /// On which machine, in the caller's terms.
    pub machine: Option<String>,
    /// When, RFC 3339; now without it.
    pub at: Option<String>,
}

/// One answer, checked, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewResponse {
    /// `rsp_…`
    pub id: ResponseId,
    /// The caller's own identifier, unique within the environment.
    pub external_id: Option<String>,
    /// The query that it answers; spontaneous without one.
    pub query: Option<QueryId>,
    /// 1 to 5.
    pub score: u8,
    /// In the respondent's own words.
    pub text: Option<String>,
    /// Who answered.
    pub respondent: Option<PersonHash>,
    /// On which machine.
    pub machine: Option<PersonHash>,
    /// When.
    pub at: Timestamp,
}

/// One thing wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseError {
    /// Where, as in `responses[3].score`.
    pub field: String,
    /// What to mend.
    pub detail: String,
}

/// Checks a batch whole: all of it is good, or every fault is named.
///
/// `identify` turns an identifier of a person or machine (`respondent` or `machine` says which) into its keyed hash,
/// `new_id` makes response identifiers.
pub fn check_batch(
    batch: Vec<SubmittedResponse>,
    now: Timestamp,
    identify: impl Fn(&str, &str) -> PersonHash,
    new_id: impl Fn() -> ResponseId,
) -> Result<Vec<NewResponse>, Vec<ResponseError>> {
    if batch.is_empty() || batch.len() > MAX_BATCH {
        return Err(vec![ResponseError {
            field: "responses".to_owned(),
            detail: format!("expected 1 to {MAX_BATCH} responses; there are {}", batch.len()),
        }]);
    }
    let mut errors = Vec::new();
    let mut good = Vec::with_capacity(batch.len());
    for (i, submitted) in batch.into_iter().enumerate() {
        let mut refuse = |field: &str, detail: String| {
            errors.push(ResponseError { field: format!("responses[{i}].{field}"), detail });
        };
        for (field, value, most) in [
            ("id", &submitted.id, 128),
            ("respondent", &submitted.respondent, 256),
            ("machine", &submitted.machine, 256),
        ] {
            if let Some(value) = value {
                let has = value.chars().count();
                if has == 0 || has > most || value.chars().any(char::is_control) {
                    refuse(
                        field,
                        format!("expected 1 to {most} characters, none of them control characters"),
                    );
                }
            }
        }
        if submitted.text.as_ref().is_some_and(|text| text.chars().count() > 4000) {
            refuse("text", "expected at most 4000 characters".to_owned());
        }
        let score = u8::try_from(submitted.score).ok().filter(|score| (1..=5).contains(score));
        if score.is_none() {
            refuse("score", format!("expected a whole number from 1 to 5, not {}", submitted.score));
        }
        let query = submitted.query.as_deref().map(str::parse::<QueryId>);
        if matches!(query, Some(Err(_))) {
            refuse("query", "expected the identifier of a query (qry_…)".to_owned());
        }
        let at = match submitted.at.as_deref().map(str::parse::<Timestamp>) {
            None => Some(now),
            Some(Ok(at)) if at > now + SignedDuration::from_mins(5) => {
                refuse("at", "must not lie in the future".to_owned());
                None
            }
            Some(Ok(at)) if at < Timestamp::UNIX_EPOCH => {
                refuse("at", "must not lie before 1970".to_owned());
                None
            }
            Some(Ok(at)) => Some(crate::truncated_to_millis(at)),
            Some(Err(_)) => {
                refuse("at", "expected an instant as in 2026-01-31T12:00:00Z".to_owned());
                None
            }
        };
        if let (Some(score), Some(at)) = (score, at) {
            good.push(NewResponse {
                id: new_id(),
                external_id: submitted.id,
                query: query.and_then(Result::ok),
                score,
                text: submitted.text.filter(|text| !text.is_empty()),
                respondent: submitted.respondent.map(|value| identify("respondent", &value)),
                machine: submitted.machine.map(|value| identify("machine", &value)),
                at,
            });
        }
    }
    if errors.is_empty() { Ok(good) } else { Err(errors) }
}
