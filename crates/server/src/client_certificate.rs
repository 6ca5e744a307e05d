//! The certificate that a client has shown to have the key of.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum_server::tls::TlsInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Thumbprint;
use percent_encoding::percent_decode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::Config;
use crate::crypto::sha256;

/// The SHA-256 of the client's certificate in DER, if it has one. From a trusted proxy, the one in the header that is
/// configured, since the connection is the proxy's own; from anybody else that of the connection, and no header counts.
pub(crate) fn client_certificate(request: &Parts, config: &Config) -> Option<Thumbprint> {
    let ConnectInfo(peer) = request.extensions.get::<ConnectInfo<SocketAddr>>()?;
    if !config.trusted_proxies.contains(&peer.ip().to_canonical()) {
        let tls = request.extensions.get::<Arc<TlsInfo>>()?;
        return tls.peer_certificates.first().map(|certificate| thumbprint(certificate));
    }
    let mut headers = request.headers.get_all(config.client_certificate_header.as_ref()?).iter();
    match (headers.next(), headers.next()) {
        (Some(header), None) => der(header.as_bytes()).map(|certificate| thumbprint(&certificate)),
        _ => None,
    }
}

fn thumbprint(certificate: &[u8]) -> Thumbprint {
    Thumbprint::from_bytes(sha256(certificate))
}

/// A certificate as proxies pass it on: DER in Base64 between colons (RFC 9440 §2.1), or percent-encoded PEM.
fn der(header: &[u8]) -> Option<Vec<u8>> {
    if let Some(base64) = header.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b":")) {
        return STANDARD.decode(base64).ok().filter(|der| !der.is_empty());
    }
    let pem: Vec<u8> = percent_decode(header).collect();
    CertificateDer::from_pem_slice(&pem).ok().map(|certificate| certificate.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_in_a_header_is_read_in_both_forms() {
        let der_of = |header: &str| der(header.as_bytes());
        assert_eq!(der_of(":AQID:").unwrap(), [1, 2, 3]);
        let pem = "-----BEGIN%20CERTIFICATE-----%0AAQID%0A-----END%20CERTIFICATE-----%0A";
        assert_eq!(der_of(pem).unwrap(), [1, 2, 3]);
        for none in [
            "",
            ":",
            "::",
            ":AQI:",
            "AQID",
            ":AQID",
            "-----BEGIN%20PUBLIC%20KEY-----%0AAQID%0A-----END%20PUBLIC%20KEY-----",
        ] {
            assert_eq!(der_of(none), None, "{none}");
        }
    }
}
