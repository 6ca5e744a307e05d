//! A server that answers as no Feedback server would, and keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

pub const METADATA: &str = "/.well-known/oauth-authorization-server";

/// What it was asked: its own URL, the path and the body.
#[derive(Clone, Debug)]
pub struct Asked {
    pub server: String,
    pub path: String,
    pub body: String,
}

/// What it answers: the status, more headers, the body.
pub type Answer = (u16, String, Vec<u8>);

pub struct StrangeServer {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StrangeServer {
    /// Answers as told. Where that is `None`, as a server that can be logged in to.
    pub fn start(answer: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, own, answer) = (Arc::clone(&asked), url.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, own, answer) = (Arc::clone(&kept), own.clone(), Arc::clone(&answer));
                // Each to itself: one that is kept waiting holds up nobody else.
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(asked) = read(&stream, &own) else { return };
                    kept.lock().unwrap().push(asked.clone());
                    let (status, headers, body) = answer(&asked).unwrap_or_else(|| usual(&own, &asked.path));
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
                        body.len()
                    );
                    // Whoever asked may have heard enough.
                    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
                });
            }
        });
        Self { url, asked }
    }

    /// The bodies that came to this path.
    pub fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.path == path).map(|asked| asked.body.clone()).collect()
    }
}

/// What a server of that URL says of itself.
pub fn metadata(url: &str) -> serde_json::Value {
    json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "revocation_endpoint": format!("{url}/revoke"),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

/// Tokens of that name.
pub fn tokens(name: &str) -> Answer {
    let tokens = json!({
        "access_token": format!("access-{name}"),
        "refresh_token": format!("refresh-{name}"),
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "feedback-report:read",
    });
    (200, String::new(), tokens.to_string().into_bytes())
}

fn usual(url: &str, path: &str) -> Answer {
    match path {
        METADATA => (200, String::new(), metadata(url).to_string().into_bytes()),
        "/token" => tokens("first"),
        "/revoke" => (200, String::new(), Vec::new()),
        _ => (404, String::new(), Vec::new()),
    }
}

fn read(stream: &TcpStream, server: &str) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { server: server.to_owned(), path, body: String::from_utf8(body).ok()? })
}
