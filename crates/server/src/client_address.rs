//! From where a request comes.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

/// The client's network address, where it is known. `X-Forwarded-For` counts only when the connection comes from a trusted
/// proxy, and then only its last entry that is not a trusted proxy itself: the one that a client can't forge. If that one
/// can't be read, nothing is known: neither what stands before it nor the proxy's own address says who the client is.
pub(crate) fn client_address(
    extensions: &Extensions,
    headers: &HeaderMap,
    trusted_proxies: &[IpAddr],
) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())?;
    if !trusted_proxies.contains(&peer) {
        return Some(peer);
    }
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut furthest = peer;
    // As bytes: a line is joined from what the client sent and what the proxy knows, so the one may spoil no more than itself.
    for entry in lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b',')) {
        furthest = forwarded(entry)?;
        if !trusted_proxies.contains(&furthest) {
            break;
        }
    }
    Some(furthest)
}

/// The address in an entry; some proxies put the port beside it.
fn forwarded(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry.trim_ascii()).ok()?;
    let address = entry.parse().or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn address(peer: &str, forwarded: &[&[u8]]) -> Option<String> {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value).unwrap());
        }
        let proxies = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        client_address(&extensions, &headers, &proxies).map(|address| address.to_string())
    }

    /// What is known behind the proxy.
    fn forwarded(lines: &[&[u8]]) -> Option<String> {
        address("10.0.0.1", lines)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(address("192.0.2.1", &[b"203.0.113.9"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(address("::ffff:10.0.0.1", &[b"203.0.113.9"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(forwarded(&[b"203.0.113.9"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(forwarded(&[b"1.1.1.1, 203.0.113.9", b"10.0.0.2"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(forwarded(&[b"10.0.0.2"]).as_deref(), Some("10.0.0.2"), "a proxy's own request");
        assert_eq!(forwarded(&[]).as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn nonsense_from_the_client_costs_it_nothing_and_wins_it_nothing() {
        for nonsense in [b"\xff" as &[u8], b"caf\xc3\xa9", b"nonsense", b"", b"10.0.0.1;", b",,"] {
            let joined = [nonsense, b", 203.0.113.9"].concat();
            assert_eq!(forwarded(&[&joined]).as_deref(), Some("203.0.113.9"), "{nonsense:?}");
            assert_eq!(forwarded(&[nonsense, b"203.0.113.9"]).as_deref(), Some("203.0.113.9"));
            assert_eq!(forwarded(&[b"1.1.1.1", &joined]).as_deref(), Some("203.0.113.9"));
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_known() {
        for unreadable in [b"unknown" as &[u8], b"\xff", b"", b"unix:", b"_hidden", b"203.0.113.9:"] {
            assert_eq!(forwarded(&[unreadable]), None, "{unreadable:?}");
            assert_eq!(forwarded(&[b"1.1.1.1", unreadable]), None);
            assert_eq!(forwarded(&[&[b"1.1.1.1, ", unreadable, b", 10.0.0.2"].concat()]), None);
        }
    }

    #[test]
    fn an_address_may_have_a_port() {
        assert_eq!(forwarded(&[b"203.0.113.9:5678"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(forwarded(&[b"[2001:db8::9]:5678"]).as_deref(), Some("2001:db8::9"));
        assert_eq!(forwarded(&[b"2001:db8::9"]).as_deref(), Some("2001:db8::9"));
        assert_eq!(forwarded(&[b"203.0.113.9:5678, 10.0.0.2:443"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(forwarded(&[b"::ffff:203.0.113.9, ::ffff:10.0.0.2"]).as_deref(), Some("203.0.113.9"));
    }
}
