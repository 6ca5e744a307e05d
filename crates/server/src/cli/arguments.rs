//! Arguments as people type them, read into what the domain knows.

use std::str::FromStr;

use domain::{AllowedAddresses, Comment, Email, EnvironmentId, Name, Owner, Scopes, Timestamp};
use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::failure::{Failure, Result};
use super::output::short;

/// An identifier; `what` says whose, as in `an account (acc_…)`.
pub(super) fn id<T: FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| Failure::new(format!("`{}` is not the identifier of {what}", short(text, 64))))
}

/// An account or environment.
pub(super) fn owner(text: &str) -> Result<Owner> {
    text.parse().map_err(|error: String| Failure::new(format!("`{}`: {error}", short(text, 64))))
}

/// The URL of one environment in the API.
pub(super) fn environment_url(text: &str) -> Result<&str> {
    match text.rsplit_once("/v1/environments/") {
        Some((_, id)) if id.parse::<EnvironmentId>().is_ok() => Ok(text),
        _ => Err(Failure::new(format!(
            "`{}` is not the URL of an environment, as in https://feedback.example/v1/environments/env_…",
            short(text, 200)
        ))),
    }
}

/// The name of an account or environment.
pub(super) fn name(text: &str) -> Result<Name> {
    Name::new(text).map_err(|error| Failure::new(format!("the name {error}")))
}

/// What a keypair is for.
pub(super) fn comment(text: &str) -> Result<Comment> {
    Comment::new(text).map_err(|error| Failure::new(format!("the comment {error}")))
}

/// What a person signs in with.
pub(super) fn email(text: &str) -> Result<Email> {
    Email::new(text).map_err(|error| Failure::new(format!("the e-mail address {error}")))
}

/// Scopes, parted by spaces.
pub(super) fn scopes(text: &str) -> Result<Scopes> {
    text.parse().map_err(Failure::new)
}

/// Networks, parted by spaces or commas; or the word `anywhere`.
pub(super) fn addresses(text: &str) -> Result<AllowedAddresses> {
    if text == "anywhere" {
        return Ok(AllowedAddresses::default());
    }
    let networks = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
    let read = AllowedAddresses::new(networks).map_err(Failure::new)?;
    // What a script meant to fill in must not open the keypair to everybody.
    if read.is_anywhere() {
        return Err(Failure::new("no network is named; say anywhere if none shall be"));
    }
    Ok(read)
}

/// An instant (RFC 3339), or a time from `now` on.
pub(super) fn moment(text: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(domain::truncated_to_millis(at));
    }
    let after = duration(text).map_err(|_| {
        Failure::new(format!(
            "`{}` is no time: expected an instant as in 2030-01-31T12:00:00Z, before 9999-12-30T22:00:00Z, or a time from now as in 90d or 12h",
            short(text, 64)
        ))
    })?;
    now.checked_add(after).map_err(|_| Failure::new(format!("`{}` lies too far ahead", short(text, 64))))
}

/// A length of time, as in `90d` or `12h`; a day has 24 hours.
pub(super) fn duration(text: &str) -> Result<SignedDuration> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .filter(|duration| !duration.is_negative())
        .ok_or_else(|| {
            Failure::new(format!(
                "`{}` is no length of time: expected one as in 7d, 12h or 0s",
                short(text, 64)
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_instants_or_times_from_now() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(moment("90d", now).unwrap().to_string(), "1970-04-01T00:00:00Z");
        assert_eq!(moment("2030-01-31T12:00:00+02:00", now).unwrap().to_string(), "2030-01-31T10:00:00Z");
        for bad in ["", "soon", "-1d", "1mo", "2030-01-31", "99999999999d"] {
            assert!(moment(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated_at_length() {
        let error = id::<domain::KeyId>("a keypair (key_…)", &"x".repeat(10_000));
        assert!(error.unwrap_err().to_string().len() < 200);
    }
}
