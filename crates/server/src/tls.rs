//! TLS served here, by rustls: the certificate and its key come from files, and are read again when told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tokio::signal::unix::Signal;

/// Where the certificate and its key are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate, and behind it those that lead to its authority.
    pub(crate) certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC 1, not encrypted.
    pub(crate) key: PathBuf,
}

/// Why the files are of no use. Names the setting.
#[derive(Debug, thiserror::Error)]
#[error("wrong setting: {setting} = {}: {why}", path.display())]
pub(crate) struct TlsError {
    setting: &'static str,
    path: PathBuf,
    why: String,
}

/// What connections are accepted with.
#[derive(Clone)]
pub(crate) struct Tls {
    files: TlsFiles,
    served: RustlsConfig,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { files: files.clone(), served: RustlsConfig::from_config(files.read()?) })
    }

    /// Accepts connections whose handshake ends within the given time. Answers leave at once: a session ticket goes before
    /// the first, and would make it wait for the client's acknowledgement.
    pub(crate) fn acceptor(&self, handshake: Duration) -> RustlsAcceptor<NoDelayAcceptor> {
        RustlsAcceptor::new(self.served.clone()).handshake_timeout(handshake).acceptor(NoDelayAcceptor::new())
    }

    /// Reads the files again at each signal. Connections go on with what they began with; files that are of no use change
    /// nothing.
    pub(crate) async fn follow(self, mut signals: Signal) {
        while signals.recv().await.is_some() {
            match self.files.read() {
                Ok(config) => {
                    self.served.reload_from_config(config);
                    tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read again");
                }
                Err(error) => {
                    tracing::error!(%error, "the certificate could not be read again; going on with the one from before");
                }
            }
        }
    }
}

impl TlsFiles {
    fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let certificate = |why: String| wrong("tls_certificate", &self.certificate, why);
        let key = |why: String| wrong("tls_key", &self.key, why);
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| certificate(unreadable(error)))?;
        if chain.is_empty() {
            return Err(certificate("there is no certificate in it".to_owned()));
        }
        let private = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            key(match error {
                pem::Error::NoItemsFound => {
                    "there is no private key in it that could be used without a password".to_owned()
                }
                error => unreadable(error),
            })
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| certificate(error.to_string()))?
            .with_client_cert_verifier(Arc::new(AnyCertificate(provider)))
            .with_single_cert(chain, private)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => key("it is not the key of tls_certificate".to_owned()),
                rustls::Error::InvalidCertificate(_) => certificate(error.to_string()),
                error => key(error.to_string()),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn wrong(setting: &'static str, path: &Path, why: String) -> TlsError {
    TlsError { setting, path: path.to_owned(), why }
}

fn unreadable(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("can't be read: {error}"),
        error => format!("is not PEM: {error}"),
    }
}

/// Takes whatever certificate a client has, of its own making too, or none: a certificate admits nobody here. A token can be
/// bound to its hash (RFC 8705 §3), and for that it takes no more than the proof that the client has its key, which the
/// handshake is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
