//! The floor: what a token and an API request would cost if there were nothing but HTTP, and nothing but HTTP and the
//! one signature that has to be made or verified. A server of the same shape as Feedback's, without a time limit, a
//! header or a counter around its handlers.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Result;
use crate::feedback::Algorithm;
use crate::process::{Process, free_address};
use crate::workplace::Workplace;

/// The address that answers like the token endpoint, and like the API.
pub(crate) const TOKEN: &str = "/token";
pub(crate) const API: &str = "/api";

/// The same with a signature made first.
pub(crate) fn signing(algorithm: Algorithm) -> String {
    format!("{TOKEN}/{algorithm}")
}

/// The same with a signature verified first.
pub(crate) fn verifying(algorithm: Algorithm) -> String {
    format!("{API}/{algorithm}")
}

/// How long what is signed is: a JWT as Feedback makes it, up to its signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// What is signed.
    pub(crate) signed: usize,
    /// The body of the token endpoint's answer.
    pub(crate) token: usize,
    /// The body of the API's answer.
    pub(crate) api: usize,
}

/// Starts the floor as a process of its own.
pub(crate) async fn start(workplace: &Workplace, sizes: Sizes) -> Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor").arg(address.to_string());
    command.args([sizes.signed, sizes.token, sizes.api].map(|size| size.to_string()));
    let mut process = Process::start(command, address, &workplace.log("floor"))?;
    process.ready(API).await?;
    Ok(process)
}

struct Floor {
    random: SystemRandom,
    signed: Vec<u8>,
    token: Bytes,
    api: Bytes,
    es256: Key<EcdsaKeyPair>,
    eddsa: Key<Ed25519KeyPair>,
}

struct Key<P> {
    pair: P,
    public: ParsedPublicKey,
    signature: Vec<u8>,
}

type Fixed = ([(HeaderName, &'static str); 3], Bytes);

fn fixed(body: Bytes) -> Fixed {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ];
    (headers, body)
}

impl Floor {
    fn new(sizes: Sizes) -> Result<Self> {
        let random = SystemRandom::new();
        let signed = vec![b'x'; sizes.signed];
        let refused = |_| "a key can't be made";
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(refused)?;
        let es256 = Key {
            public: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())?,
            signature: pair.sign(&random, &signed).map_err(refused)?.as_ref().to_vec(),
            pair,
        };
        let pair = Ed25519KeyPair::generate().map_err(refused)?;
        let eddsa = Key {
            public: ParsedPublicKey::new(&ED25519, pair.public_key().as_ref())?,
            signature: pair.sign(&signed).as_ref().to_vec(),
            pair,
        };
        let body = |length| Bytes::from(vec![b'x'; length]);
        Ok(Self { random, signed, token: body(sizes.token), api: body(sizes.api), es256, eddsa })
    }

    /// The token endpoint's answer with the signature at its end.
    fn with_signature(&self, signature: &[u8]) -> Fixed {
        let mut body = String::with_capacity(self.token.len());
        body.extend(std::iter::repeat_n(
            'x',
            self.token.len().saturating_sub(signature.len().div_ceil(3) * 4),
        ));
        URL_SAFE_NO_PAD.encode_string(signature, &mut body);
        fixed(body.into())
    }

    fn verified(&self, public: &ParsedPublicKey, signature: &[u8]) -> std::result::Result<Fixed, StatusCode> {
        public.verify_sig(&self.signed, signature).map_err(|_| StatusCode::UNAUTHORIZED)?;
        Ok(fixed(self.api.clone()))
    }
}

/// Serves the floor until it is stopped.
pub(crate) async fn serve(address: SocketAddr, sizes: Sizes) -> Result<()> {
    type Shared = State<Arc<Floor>>;
    let routes =
        Router::new()
            .route(TOKEN, post(|State(floor): Shared, _: Bytes| async move { fixed(floor.token.clone()) }))
            .route(
                &signing(Algorithm::Es256),
                post(|State(floor): Shared, _: Bytes| async move {
                    match floor.es256.pair.sign(&floor.random, &floor.signed) {
                        Ok(signature) => Ok(floor.with_signature(signature.as_ref())),
                        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
                    }
                }),
            )
            .route(
                &signing(Algorithm::EdDsa),
                post(|State(floor): Shared, _: Bytes| async move {
                    floor.with_signature(floor.eddsa.pair.sign(&floor.signed).as_ref())
                }),
            )
            .route(API, get(|State(floor): Shared| async move { fixed(floor.api.clone()) }))
            .route(
                &verifying(Algorithm::Es256),
                get(|State(floor): Shared| async move {
                    floor.verified(&floor.es256.public, &floor.es256.signature)
                }),
            )
            .route(
                &verifying(Algorithm::EdDsa),
                get(|State(floor): Shared| async move {
                    floor.verified(&floor.eddsa.public, &floor.eddsa.signature)
                }),
            )
            .with_state(Arc::new(Floor::new(sizes)?));
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(axum_server::from_tcp(listener)?.serve(routes.into_make_service()).await?)
}
