//! DPoP (RFC 9449): a proof, signed for one request, that the client has the key that its token is bound to.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, Method, Uri};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{AccountId, AssertionAlgorithm, Thumbprint, Timestamp, VerifyingKey};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client_jwt::{ClientJwt, is_there};
use crate::app::App;
use crate::crypto::sha256;

/// How old a proof may be, in seconds.
const OLDEST: f64 = 60.0;

/// By how much the client's clock may be ahead, in seconds.
const AHEAD: f64 = 30.0;

/// For how long a proof that was accepted could be accepted again, in milliseconds.
const KEPT: i64 = ((OLDEST + AHEAD) * 1000.0) as i64;

/// How many proofs are remembered of each stretch of that time, and there are two.
const MOST_PROOFS: usize = 500_000;

const LONGEST_JTI: usize = 128;

/// What a proof has to be of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proven<'a> {
    pub(super) method: &'a Method,
    /// The path of the address, as it came.
    pub(super) path: &'a str,
    /// The access token that comes with it, if one has to.
    pub(super) token: Option<&'a str>,
}

/// A proof of the request that it came with.
pub(super) struct Proof {
    /// The thumbprint of the key that signed it.
    pub(super) key: Thumbprint,
    jti: String,
}

/// Why a proof is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProofRefused {
    /// Says what to mend.
    #[error("{0}")]
    Invalid(&'static str),
    /// No more proofs can be remembered for the moment.
    #[error("more proofs come than can be remembered")]
    TooMany,
}

#[derive(Debug, Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Map<String, Value>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

#[derive(Debug, Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: Option<String>,
}

/// The proof in the headers, if there is one. It does not count before it is [taken](Proof::take).
pub(super) fn proof(
    app: &App,
    headers: &HeaderMap,
    request: Proven<'_>,
    now: Timestamp,
) -> Result<Option<Proof>, ProofRefused> {
    let mut proofs = headers.get_all("dpop").iter();
    let Some(proof) = proofs.next() else {
        return Ok(None);
    };
    if proofs.next().is_some() {
        return Err(ProofRefused::Invalid("the header DPoP stands more than once"));
    }
    let (key, jti) = judge(proof.to_str().unwrap_or_default(), app.config.issuer(), request, now)
        .map_err(ProofRefused::Invalid)?;
    Ok(Some(Proof { key, jti }))
}

impl Proof {
    /// Takes it from a program of the account; one that was taken before is refused. Answers its key.
    pub(super) fn take(
        self,
        app: &App,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Thumbprint, ProofRefused> {
        if app.seen_proofs.is_first(account, self.key, &self.jti, now)? {
            Ok(self.key)
        } else {
            Err(ProofRefused::Invalid("the proof was used before; sign one for each request"))
        }
    }
}

/// The key that signed the proof, and the proof's name, if it is one of the request (§4.3).
fn judge(
    proof: &str,
    issuer: &str,
    request: Proven<'_>,
    now: Timestamp,
) -> Result<(Thumbprint, String), &'static str> {
    let ClientJwt::<Header, Claims> { header, claims, message, signature } =
        ClientJwt::read(proof).ok_or("the header DPoP is not a JWT with jwk, jti, htm, htu and iat")?;
    if !header.typ.eq_ignore_ascii_case("dpop+jwt") {
        return Err("typ must be dpop+jwt");
    }
    if header.crit {
        return Err("crit names an extension that is not understood");
    }
    let algorithm: AssertionAlgorithm =
        header.alg.parse().map_err(|_| "alg is not one of those supported")?;
    let mut jwk = header.jwk;
    // What the client calls its key is its own business.
    jwk.remove("kid");
    let key = VerifyingKey::from_jwk(&jwk, Some(algorithm))
        .map_err(|_| "jwk must be a public key that alg signs with, without private members")?;
    if !key.verifies(message.as_bytes(), &signature) {
        return Err("the signature is not that of jwk");
    }
    if claims.htm != request.method.as_str() {
        return Err("htm is not the method of the request");
    }
    if !is_url(&claims.htu, issuer, request.path) {
        return Err("htu is not the public URL of the request");
    }
    // Exact: an f64 holds milliseconds for thousands of years.
    let seconds = now.as_millisecond() as f64 / 1000.0;
    if !(seconds - OLDEST < claims.iat && claims.iat <= seconds + AHEAD) {
        return Err(
            "iat is too old, or in the future; sign a proof for each request, by a clock that is right",
        );
    }
    if !(1..=LONGEST_JTI).contains(&claims.jti.chars().count()) {
        return Err("jti must have 1 to 128 characters");
    }
    if let Some(token) = request.token
        && claims.ath.as_deref() != Some(URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())).as_str())
    {
        return Err("ath is not the hash of the access token");
    }
    Ok((key.thumbprint(), claims.jti))
}

/// Whether `htu` is the URL of `path` at the issuer, whatever its query and fragment, and however its scheme, host and port
/// are written (RFC 3986 §6.2.2.1, §6.2.3).
fn is_url(htu: &str, issuer: &str, path: &str) -> bool {
    let htu = htu.split(['?', '#']).next().unwrap_or_default();
    if htu.strip_prefix(issuer) == Some(path) {
        return true;
    }
    let (Ok(htu), Ok(issuer)) = (htu.parse::<Uri>(), issuer.parse::<Uri>()) else {
        return false;
    };
    let port =
        |uri: &Uri| uri.port_u16().or((uri.scheme_str() == Some("https")).then_some(443)).unwrap_or(80);
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    let plain = htu.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    plain
        && htu.scheme() == issuer.scheme()
        && host(&htu) == host(&issuer)
        && port(&htu) == port(&issuer)
        && htu.path() == path
}

/// The proofs that were accepted lately, in the memory of this node alone (§11.1).
pub(crate) struct SeenProofs(Mutex<Lately>);

#[derive(Default)]
struct Lately {
    /// Since when `proofs` are gathered, in milliseconds since the Unix epoch.
    since: i64,
    proofs: HashSet<u128>,
    /// How many of them came from programs of each account.
    held: HashMap<AccountId, usize>,
    /// Those of the stretch before.
    before: HashSet<u128>,
}

impl SeenProofs {
    /// Remembers none yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Whether it comes for the first time as long as it could be accepted. An account has at most as much room as it leaves
    /// to others: alone it can take half, and somebody who comes then finds some.
    fn is_first(
        &self,
        account: AccountId,
        key: Thumbprint,
        jti: &str,
        now: Timestamp,
    ) -> Result<bool, ProofRefused> {
        let hash = sha256(&[key.as_bytes(), jti.as_bytes()].concat());
        let proof = hash.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
        let now = now.as_millisecond();
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stretches = now.saturating_sub(lately.since) / KEPT;
        if stretches >= 1 {
            let proofs = std::mem::take(&mut lately.proofs);
            lately.before = if stretches == 1 { proofs } else { HashSet::new() };
            lately.held.clear();
            lately.since = now;
        }
        if lately.before.contains(&proof) || lately.proofs.contains(&proof) {
            return Ok(false);
        }
        // To forget one would be to accept it again.
        let free = MOST_PROOFS.saturating_sub(lately.proofs.len());
        if lately.held.get(&account).copied().unwrap_or_default() >= free {
            return Err(ProofRefused::TooMany);
        }
        *lately.held.entry(account).or_default() += 1;
        Ok(lately.proofs.insert(proof))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::from_millis;

    /// RFC 9449 §4.1, §7.1 and §6.1.
    const AT_TOKEN_ENDPOINT: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    const AT_RESOURCE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    const ISSUED: i64 = 1_562_262_616_000;

    fn account(n: u128) -> AccountId {
        format!("acc_{n:026}").parse().unwrap()
    }

    #[test]
    fn the_proofs_of_the_rfc_hold_and_only_in_their_time() {
        let at = |now: i64| {
            let request = Proven { method: &Method::POST, path: "/token", token: None };
            judge(AT_TOKEN_ENDPOINT, "https://server.example.com", request, from_millis(now))
        };
        assert_eq!(at(ISSUED).unwrap(), (THUMBPRINT.parse().unwrap(), "-BwC3ESc6acc2lTc".to_owned()));
        for good in [ISSUED - 30_000, ISSUED + 59_999] {
            assert!(at(good).is_ok());
        }
        for bad in [ISSUED - 30_001, ISSUED + 60_000] {
            assert!(at(bad).unwrap_err().contains("iat"));
        }
        let with = |token: &str| {
            let request = Proven { method: &Method::GET, path: "/protectedresource", token: Some(token) };
            judge(AT_RESOURCE, "https://resource.example.org", request, from_millis(ISSUED))
        };
        assert_eq!(with(TOKEN).unwrap().0.to_string(), THUMBPRINT);
        assert!(with("another").unwrap_err().contains("ath"));
    }

    #[test]
    fn a_url_is_the_same_however_it_is_written() {
        let issuer = "https://feedback.example.com";
        for same in [
            "https://feedback.example.com/v1/access",
            "https://feedback.example.com/v1/access?from=1#top",
            "HTTPS://Feedback.Example.COM:443/v1/access",
        ] {
            assert!(is_url(same, issuer, "/v1/access"), "{same}");
        }
        for other in [
            "https://feedback.example.com/v1/access/",
            "https://feedback.example.com/v1/Access",
            "http://feedback.example.com/v1/access",
            "https://feedback.example.com:8443/v1/access",
            "https://feedback.example.com.other.example/v1/access",
            "https://x@feedback.example.com/v1/access",
            "/v1/access",
            "",
        ] {
            assert!(!is_url(other, issuer, "/v1/access"), "{other}");
        }
        assert!(is_url("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080", "/v1"));
    }

    #[test]
    fn a_proof_is_remembered_as_long_as_it_could_be_accepted_and_no_longer_than_twice_that() {
        let (seen, key) = (SeenProofs::new(), Thumbprint::from_bytes([1; 32]));
        let first =
            |jti: &str, at: i64| seen.is_first(account(1), key, jti, from_millis(ISSUED + at)).unwrap();
        assert!(first("a", 0));
        assert!(first("b", KEPT - 1));
        assert!(!first("b", 2 * KEPT - 2), "through a change of stretches");
        assert!(!first("b", KEPT) && !first("a", KEPT - 1));
        let lately = || {
            let lately = seen.0.lock().unwrap();
            lately.proofs.len() + lately.before.len()
        };
        assert!(first("c", 4 * KEPT));
        assert_eq!(lately(), 1);
        let other = Thumbprint::from_bytes([2; 32]);
        assert!(
            seen.is_first(account(1), other, "c", from_millis(ISSUED + 4 * KEPT)).unwrap(),
            "another key's"
        );
    }

    #[test]
    fn when_no_more_can_be_remembered_none_is_accepted() {
        let (seen, key) = (SeenProofs::new(), Thumbprint::from_bytes([1; 32]));
        let ask = |jti: &str, at: i64| seen.is_first(account(1), key, jti, from_millis(ISSUED + at));
        assert_eq!(ask("first", 0), Ok(true));
        seen.0.lock().unwrap().proofs.extend((0..MOST_PROOFS as u128).skip(1));
        assert_eq!(ask("one more", 1), Err(ProofRefused::TooMany));
        assert_eq!(ask("first", 1), Ok(false));
        assert_eq!(ask("one more", KEPT), Ok(true), "some time later");
    }

    #[test]
    fn one_account_leaves_as_much_room_as_it_takes() {
        let (seen, key) = (SeenProofs::new(), Thumbprint::from_bytes([1; 32]));
        let ask =
            |who: u128, jti: &str, at: i64| seen.is_first(account(who), key, jti, from_millis(ISSUED + at));
        assert_eq!(ask(1, "first", 0), Ok(true));
        // What it and somebody else may have sent by now.
        let fill = |who: u128, to: usize| {
            let mut lately = seen.0.lock().unwrap();
            let more = to - lately.held.get(&account(who)).copied().unwrap_or_default();
            let from = lately.proofs.len() as u128;
            lately.proofs.extend(from..from + more as u128);
            lately.held.insert(account(who), to);
        };
        fill(1, MOST_PROOFS / 2 - 1);
        assert_eq!(ask(1, "the last that fits", 1), Ok(true));
        assert_eq!(ask(1, "one more", 1), Err(ProofRefused::TooMany));
        assert_eq!(ask(1, "first", 1), Ok(false), "what came is not forgotten");
        assert_eq!(ask(2, "somebody else's", 1), Ok(true));
        fill(2, MOST_PROOFS / 4);
        assert_eq!(ask(2, "one more", 1), Err(ProofRefused::TooMany));
        assert_eq!(ask(3, "a third's", 1), Ok(true));
        assert_eq!(ask(1, "one more", KEPT), Ok(true), "some time later");
        assert_eq!(ask(1, "first", KEPT), Ok(false));
    }
}
