use jiff::{SignedDuration, Timestamp};

use crate::{EnvironmentId, QueryId, ResponseId};

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

impl NewResponse {
    /// By what a repeated response is noticed: 128 bits of SHA-256 over the environment and the caller's identifier. None
    /// without one.
    pub fn external_hash(&self, environment: EnvironmentId) -> Option<[u8; 16]> {
        let external_id = self.external_id.as_ref()?;
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        context.update(environment.uuid().as_bytes());
        context.update(external_id.as_bytes());
        context.finish().as_ref().first_chunk().copied()
    }
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
        let unprintable = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if submitted
            .text
            .as_ref()
            .is_some_and(|text| text.chars().count() > 4000 || text.contains(unprintable))
        {
            refuse("text", "expected at most 4000 characters, none of them control characters".to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_millis;

    fn now() -> Timestamp {
        from_millis(1_770_000_000_000)
    }

    fn check(batch: Vec<SubmittedResponse>) -> Result<Vec<NewResponse>, Vec<ResponseError>> {
        let identify = |kind: &str, value: &str| PersonHash([(kind.len() + value.len()) as u8; 16]);
        check_batch(batch, now(), identify, || "rsp_00000000000000000000000000".parse().unwrap())
    }

    fn good() -> SubmittedResponse {
        SubmittedResponse { score: 5, ..SubmittedResponse::default() }
    }

    #[test]
    fn every_fault_of_a_batch_is_named_where_it_is() {
        let long = |n| Some("x".repeat(n));
        let faulty = [
            ("score", SubmittedResponse { score: 0, ..good() }),
            ("score", SubmittedResponse { score: 6, ..good() }),
            ("score", SubmittedResponse { score: i64::MAX, ..good() }),
            ("id", SubmittedResponse { id: Some(String::new()), ..good() }),
            ("id", SubmittedResponse { id: long(129), ..good() }),
            ("text", SubmittedResponse { text: long(4001), ..good() }),
            ("text", SubmittedResponse { text: Some("a\0b".to_owned()), ..good() }),
            ("respondent", SubmittedResponse { respondent: long(257), ..good() }),
            ("machine", SubmittedResponse { machine: Some("\n".to_owned()), ..good() }),
            ("query", SubmittedResponse { query: Some("env_1".to_owned()), ..good() }),
            ("at", SubmittedResponse { at: Some("yesterday".to_owned()), ..good() }),
            ("at", SubmittedResponse { at: Some("2100-01-01T00:00:00Z".to_owned()), ..good() }),
            ("at", SubmittedResponse { at: Some("1969-12-31T23:59:59Z".to_owned()), ..good() }),
        ];
        let mut batch = vec![good()];
        batch.extend(faulty.iter().map(|(_, response)| response.clone()));
        let named: Vec<String> = check(batch).unwrap_err().into_iter().map(|error| error.field).collect();
        let expected: Vec<String> =
            (1..).zip(&faulty).map(|(n, (field, _))| format!("responses[{n}].{field}")).collect();
        assert_eq!(named, expected);
    }

    #[test]
    fn a_batch_has_one_to_a_thousand() {
        assert_eq!(check(Vec::new()).unwrap_err()[0].field, "responses");
        assert_eq!(check(vec![good(); MAX_BATCH + 1]).unwrap_err()[0].field, "responses");
        assert_eq!(check(vec![good(); MAX_BATCH]).unwrap().len(), MAX_BATCH);
    }

    #[test]
    fn a_repeated_response_has_the_same_hash_in_its_environment_only() {
        let of = |id: &str, environment: &str| {
            let with = SubmittedResponse { id: Some(id.to_owned()), ..good() };
            check(vec![with]).unwrap()[0].external_hash(environment.parse().unwrap())
        };
        let (here, there) = ("env_00000000000000000000000000", "env_00000000000000000000000001");
        assert!(of("a", here).is_some() && of("a", here) == of("a", here));
        assert_ne!(of("a", here), of("b", here));
        assert_ne!(of("a", here), of("a", there));
        assert_eq!(check(vec![good()]).unwrap()[0].external_hash(here.parse().unwrap()), None);
    }

    #[test]
    fn what_is_left_out_is_now_and_nobody() {
        let with = SubmittedResponse {
            text: Some("two\nlines".to_owned()),
            respondent: Some("somebody".to_owned()),
            at: Some("2026-01-31T12:00:00.1239+01:00".to_owned()),
            ..good()
        };
        let responses = check(vec![good(), with]).unwrap();
        assert_eq!((responses[0].at, responses[0].respondent), (now(), None));
        assert_eq!(responses[1].at.to_string(), "2026-01-31T11:00:00.123Z");
        assert_ne!(responses[1].respondent, responses[1].machine);
    }
}
