//! The server as its operator meets it: how it starts, stops, and hears of what the command line does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::operator::{Operator, id};

/// A process that serves. Ends with the test, however that ends.
pub struct Serving {
    child: Child,
    pub lines: BufReader<ChildStdout>,
}

impl Serving {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// What it prints up to a line with `text` in it, which must come.
    pub fn until(&mut self, text: &str) -> Vec<String> {
        let mut printed = Vec::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                let mut errors = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                panic!("it ended before it said `{text}`: {printed:?} {errors}");
            }
            let found = line.contains(text);
            printed.push(line.trim_end().to_owned());
            if found {
                return printed;
            }
        }
    }

    /// Ends it with this signal; answers how it ended and what it wrote to stderr.
    pub fn stop(mut self, signal: &str) -> (ExitStatus, String) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap(), errors)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn serve(operator: &Operator, arguments: &[&str]) -> Serving {
    let mut command = operator.command(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    command.arg("--data").arg(operator.data());
    Serving::start(command)
}

/// The status and the body that answer one request, over a connection of its own.
fn answer(server: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn ask_for_token(server: &str, key: &Value) -> (u16, String) {
    let secret = key["secret"].as_str().unwrap();
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={secret}", id(key));
    answer(
        server,
        &format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
            form.len()
        ),
    )
}

fn token_status(server: &str, key: &Value) -> u16 {
    ask_for_token(server, key).0
}

/// A token of the keypair.
pub fn token(server: &str, key: &Value) -> String {
    let (status, body) = ask_for_token(server, key);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

/// The status of a request with a token.
pub fn access_status(server: &str, token: &str) -> u16 {
    get(server, token, "/v1/access").0
}

/// The status and the body that answer a request with a token.
pub fn get(server: &str, token: &str, path: &str) -> (u16, String) {
    let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer";
    answer(server, &format!("GET {path} {head} {token}\r\n\r\n"))
}

/// Asks again for a second at the most, until the answer is this one.
pub fn comes_to(expected: u16, ask: impl FnMut() -> u16) {
    comes_within(Duration::from_secs(1), expected, ask);
}

/// Asks again for so long at the most, until the answer is this one.
pub fn comes_within(patience: Duration, expected: u16, mut ask: impl FnMut() -> u16) {
    let deadline = Instant::now() + patience;
    loop {
        let answer = ask();
        if answer == expected || Instant::now() > deadline {
            assert_eq!(answer, expected);
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_running_server_hears_of_changes_within_a_second() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let environment = operator.environment(&account);
    let mut serving = serve(&operator, &[]);
    let line = serving.until("served at").pop().unwrap();
    let server = line.rsplit(' ').next().unwrap();
    let key = operator.key(&environment, "feedback-report:read");
    comes_to(200, || token_status(server, &key));
    operator.json(&["key", "disable", &id(&key)]);
    comes_to(401, || token_status(server, &key));
    operator.json(&["key", "enable", &id(&key)]);
    comes_to(200, || token_status(server, &key));
    operator.json(&["environment", "close", &environment, "--yes"]);
    comes_to(401, || token_status(server, &key));
    let (ended, _) = serving.stop("-TERM");
    assert!(ended.success());
}

#[test]
fn the_first_administrator_gets_a_link_until_there_is_one() {
    let operator = Operator::new();
    let mut links = Vec::new();
    for _ in 0..2 {
        let mut serving = serve(&operator, &["--log", "json"]);
        let printed = serving.until("served at").join("\n");
        let link = printed.split_whitespace().find(|word| word.contains("/set-up/")).unwrap().to_owned();
        let (ended, log) = serving.stop("-INT");
        assert!(ended.success());
        let token = link.rsplit('/').next().unwrap();
        assert_eq!(token.len(), 43);
        assert!(!log.contains(token), "{log}");
        for line in log.lines() {
            assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{line}");
        }
        links.push(token.to_owned());
    }
    assert_ne!(links[0], links[1], "each start makes another one");
    operator.user("admin@example.com");
    let mut serving = serve(&operator, &[]);
    assert!(!serving.until("served at").join("\n").contains("/set-up/"));
}

#[test]
fn commands_and_the_server_write_side_by_side() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let mut serving = serve(&operator, &[]);
    serving.until("served at");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..3).for_each(|_| drop(operator.environment(&account))));
        }
    });
    let copy = operator.folder.path().join("copy.db");
    operator.json(&["backup", copy.to_str().unwrap()]);
    assert_eq!(operator.json(&["environment", "list"])["items"].as_array().unwrap().len(), 12);
    assert_eq!(operator.json(&["check"])["ok"], true);
}
