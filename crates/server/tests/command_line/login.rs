//! What a login does with a server that can't be relied on, and with a machine where it can't be kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::operator::{Operator, assert_harmless, stderr, stdout};
use crate::strange_server::{Answer, METADATA, StrangeServer, metadata, tokens};

/// What would set a terminal's title and clear its screen.
const COMMANDS: &str = "\u{1b}]0;title\u{7}\u{9b}2J\u{7f}";

/// A person's machine.
struct Machine {
    operator: Operator,
}

impl Machine {
    fn new() -> Self {
        Self { operator: Operator::new() }
    }

    fn file(&self) -> PathBuf {
        self.operator.folder.path().join("feedback/login.json")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.operator.command(arguments);
        command.env("XDG_CONFIG_HOME", self.operator.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Puts a login there whose access token has ended.
    fn has_been_logged_in(&self, server: &StrangeServer) {
        let login = json!({
            "server": server.url,
            "token_endpoint": format!("{}/token", server.url),
            "revocation_endpoint": format!("{}/revoke", server.url),
            "access_token": "access-ended",
            "expires_at": "2020-01-01T00:00:00Z",
            "lifetime": 900,
            "refresh_token": "refresh-before",
            "scope": "feedback-report:read",
        });
        std::fs::create_dir_all(self.file().parent().unwrap()).unwrap();
        std::fs::write(self.file(), login.to_string()).unwrap();
    }

    fn login(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap()
    }

    /// Begins to log in, and waits for the address that the browser is to open.
    fn begins_to_log_in(&self, server: &StrangeServer) -> Attempt {
        let mut command = self.command(&["login", "--server", &server.url, "--no-browser"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "it ended before it named the address");
            if line.starts_with("http") {
                break line;
            }
        };
        let parameter = |name: &str| {
            let query = address.trim_end().split_once('?').unwrap().1;
            let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap();
            value
                .replace("%3A", ":")
                .replace("%2F", "/")
                .replace("%2E", ".")
                .replace("%2D", "-")
                .replace("%5F", "_")
        };
        Attempt { callback: parameter("redirect_uri"), state: parameter("state"), child, said }
    }
}

/// A login that waits for the browser.
struct Attempt {
    callback: String,
    state: String,
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Attempt {
    /// The page that the browser sees when it brings this.
    fn browser_brings(&self, server: &StrangeServer, parameters: &str) -> String {
        let host = self.callback.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap();
        let target = format!("/?state={}&iss={}&{parameters}", self.state, server.url);
        write!(stream, "GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }

    /// Whether it succeeded, and what it said of it on stderr.
    fn ends(mut self) -> (bool, String) {
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().success(), said)
    }
}

fn refusal(description: &str) -> Answer {
    let problem = json!({ "error": "server_error", "error_description": description });
    (400, String::new(), problem.to_string().into_bytes())
}

#[test]
fn the_browser_hears_what_came_of_its_answer() {
    let machine = Machine::new();
    let server = StrangeServer::start(|_| None);
    let attempt = machine.begins_to_log_in(&server);
    let page = attempt.browser_brings(&server, "code=given");
    assert!(page.contains("You are logged in."), "{page}");
    assert_eq!(machine.login()["access_token"], "access-first");
    assert!(attempt.ends().0);

    let refusing = StrangeServer::start(|asked| (asked.path == "/token").then(|| refusal("not now")));
    let attempt = machine.begins_to_log_in(&refusing);
    let page = attempt.browser_brings(&refusing, "code=given");
    assert!(page.contains("You are not logged in."), "{page}");
    let (succeeded, said) = attempt.ends();
    assert!(!succeeded && said.contains("not now"), "{said}");

    let attempt = machine.begins_to_log_in(&server);
    let page = attempt.browser_brings(&server, "error=access_denied");
    assert!(page.contains("You are not logged in."), "{page}");
    assert!(!attempt.ends().0);
}

#[test]
fn nothing_that_a_server_says_commands_the_terminal() {
    let machine = Machine::new();
    let other = StrangeServer::start(|asked| {
        (asked.path == METADATA).then(|| {
            let other = metadata(&format!("https://other.example{COMMANDS}"));
            (200, String::new(), other.to_string().into_bytes())
        })
    });
    let output = machine.run(&["login", "--server", &other.url]);
    assert!(stderr(&output).contains("calls itself https://other.example"), "{}", stderr(&output));
    assert_harmless(&stderr(&output));
    let output = machine.run(&["login", "--server", &other.url, "--json"]);
    assert_harmless(&stderr(&output));

    let refusing =
        StrangeServer::start(|asked| (asked.path == "/token").then(|| refusal(&format!("no{COMMANDS}"))));
    let attempt = machine.begins_to_log_in(&refusing);
    attempt.browser_brings(&refusing, "code=given");
    let said = attempt.ends().1;
    assert!(said.contains("no]0;title"), "{said:?}");
    assert_harmless(&said);

    let attempt = machine.begins_to_log_in(&refusing);
    attempt.browser_brings(&refusing, "error=x&error_description=no%1B]0;title%07%C2%9B2J%7F%0D");
    let said = attempt.ends().1;
    assert!(said.contains("no]0;title"), "{said:?}");
    assert_harmless(&said);
}

#[test]
fn endpoints_that_are_no_addresses_of_the_server_are_not_opened() {
    let machine = Machine::new();
    for (before, after) in [("", "/authorize\nrun this"), ("https://other.example/?", "/authorize")] {
        let server = StrangeServer::start(move |asked| {
            let mut about = metadata(&asked.server);
            about["authorization_endpoint"] = json!(format!("{before}{}{after}", asked.server));
            (asked.path == METADATA).then(|| (200, String::new(), about.to_string().into_bytes()))
        });
        let output = machine.run(&["login", "--server", &server.url]);
        assert!(!output.status.success() && stderr(&output).contains("not its own"), "{}", stderr(&output));
    }
}

#[test]
fn programs_get_the_bytes_of_an_answer() {
    let machine = Machine::new();
    let body = b"{\"name\":\"\x1b]0;title\x07\"}\xff\n\n";
    let server =
        StrangeServer::start(|asked| (asked.path == "/v1/x").then(|| (200, String::new(), body.to_vec())));
    machine.has_been_logged_in(&server);
    let output = machine.run(&["api", "GET", "/v1/x"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout, body);
}

#[test]
fn only_what_has_the_form_of_a_token_is_printed_as_one() {
    let machine = Machine::new();
    let server = StrangeServer::start(|asked| (asked.path == "/token").then(|| tokens(COMMANDS)));
    machine.has_been_logged_in(&server);
    let output = machine.run(&["token"]);
    assert!(!output.status.success() && output.stdout.is_empty(), "{}", stdout(&output));
    assert_harmless(&stderr(&output));
}

#[test]
fn a_narrowed_token_is_printed_and_the_login_keeps_its_own() {
    let machine = Machine::new();
    let server = StrangeServer::start(|asked| {
        (asked.path == "/token" && asked.body.contains("resource=")).then(|| tokens("narrow"))
    });
    machine.has_been_logged_in(&server);
    for wide in ["", &server.url, &format!("{}/v1", server.url), &format!("{}/v1/environments/", server.url)]
    {
        let output = machine.run(&["token", "--resource", wide]);
        assert!(!output.status.success() && stdout(&output).is_empty(), "{wide}");
        assert!(stderr(&output).contains("is not the URL of an environment"), "{}", stderr(&output));
    }
    let resource = format!("{}/v1/environments/env_01jx1m2q6fe8gtvdb2v3cx2xkq", server.url);
    let output = machine.run(&["token", "--resource", &resource]);
    assert_eq!(stdout(&output), "access-narrow\n", "{}", stderr(&output));
    let asked = server.asked("/token");
    assert!(asked.len() == 1 && asked[0].contains("refresh_token=refresh%2Dbefore"), "{asked:?}");
    assert!(asked[0].ends_with("%2Fv1%2Fenvironments%2Fenv%5F01jx1m2q6fe8gtvdb2v3cx2xkq"), "{asked:?}");
    let login = machine.login();
    assert_eq!(
        (&login["access_token"], &login["refresh_token"]),
        (&json!("access-ended"), &json!("refresh-narrow"))
    );
    let output = machine.run(&["token"]);
    assert_eq!(stdout(&output), "access-first\n", "{}", stderr(&output));
    assert!(server.asked("/token")[1].contains("refresh_token=refresh%2Dnarrow"));
}

#[test]
fn where_no_login_can_be_kept_none_is_asked_for() {
    let machine = Machine::new();
    let server = StrangeServer::start(|_| None);
    std::fs::create_dir_all(machine.file()).unwrap();
    let output = machine.run(&["login", "--server", &server.url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("login.json"), "{}", stderr(&output));
    assert_eq!(server.asked(METADATA), [""; 0]);
}

/// A server at which the place of the login is taken while the tokens are made.
fn taking(file: PathBuf) -> StrangeServer {
    StrangeServer::start(move |asked| {
        if asked.path == "/token" {
            let _ = std::fs::remove_file(&file);
            std::fs::create_dir_all(&file).unwrap();
        }
        None
    })
}

#[test]
fn what_cannot_be_kept_is_given_up() {
    let machine = Machine::new();
    let server = taking(machine.file());
    let attempt = machine.begins_to_log_in(&server);
    let page = attempt.browser_brings(&server, "code=given");
    assert!(page.contains("You are not logged in."), "{page}");
    let (succeeded, said) = attempt.ends();
    assert!(!succeeded && said.contains("login.json") && said.contains("ended again"), "{said}");
    let revoked = server.asked("/revoke");
    assert!(revoked.len() == 1 && revoked[0].contains("token=refresh%2Dfirst"), "{revoked:?}");

    let machine = Machine::new();
    let server = taking(machine.file());
    machine.has_been_logged_in(&server);
    let output = machine.run(&["token"]);
    assert!(!output.status.success() && stderr(&output).contains("ended again"), "{}", stderr(&output));
    let revoked = server.asked("/revoke");
    assert!(revoked.len() == 1 && revoked[0].contains("token=refresh%2Dfirst"), "{revoked:?}");
}

#[test]
fn a_refresh_token_goes_nowhere_else() {
    let machine = Machine::new();
    let other = StrangeServer::start(|_| None);
    let location = format!("location: {}/token\r\n", other.url);
    let server =
        StrangeServer::start(move |asked| (asked.path == "/token").then(|| (307, location.clone(), vec![])));
    machine.has_been_logged_in(&server);
    let output = machine.run(&["token"]);
    assert!(!output.status.success() && stderr(&output).contains("307"), "{}", stderr(&output));
    assert_eq!(other.asked("/token"), [""; 0]);
    assert_eq!(machine.login()["refresh_token"], "refresh-before");
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let machine = Machine::new();
    let server = StrangeServer::start(|asked| {
        (asked.path == METADATA).then(|| (200, String::new(), vec![b' '; 1024 * 1024]))
    });
    let output = machine.run(&["login", "--server", &server.url]);
    assert!(!output.status.success() && stderr(&output).contains("does not answer"), "{}", stderr(&output));
}

#[test]
fn a_refresh_that_was_killed_holds_up_no_other() {
    let machine = Machine::new();
    let (arrived, arrives) = mpsc::channel();
    let (held, holds) = mpsc::channel::<()>();
    let holds = std::sync::Mutex::new(holds);
    let first = std::sync::atomic::AtomicBool::new(true);
    let server = StrangeServer::start(move |asked| {
        if asked.path == "/token" && first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            arrived.send(()).unwrap();
            let _ = holds.lock().unwrap().recv();
        }
        None
    });
    machine.has_been_logged_in(&server);
    let mut killed = machine.command(&["token"]).stdout(Stdio::null()).spawn().unwrap();
    arrives.recv().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let output = machine.run(&["token"]);
    assert_eq!(stdout(&output), "access-first\n", "{}", stderr(&output));
    drop(held);
}

#[test]
fn a_login_is_for_the_person_alone_and_follows_no_link() {
    let machine = Machine::new();
    let server = StrangeServer::start(|_| None);
    machine.has_been_logged_in(&server);
    let elsewhere = machine.operator.folder.path().join("elsewhere");
    std::fs::rename(machine.file(), &elsewhere).unwrap();
    let before = std::fs::read(&elsewhere).unwrap();
    symlink(&elsewhere, machine.file()).unwrap();
    let output = machine.run(&["token"]);
    assert_eq!(stdout(&output), "access-first\n", "{}", stderr(&output));
    let kept = std::fs::symlink_metadata(machine.file()).unwrap();
    assert!(kept.is_file());
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read(&elsewhere).unwrap(), before);
}

#[test]
fn nothing_is_asked_where_others_listen() {
    let machine = Machine::new();
    for server in
        ["http://feedback.example", "http://127.0.0.1.example", "http://127.0.0.1:80@feedback.example"]
    {
        let output = machine.run(&["login", "--server", server]);
        assert!(!output.status.success() && stderr(&output).contains("https://"), "{}", stderr(&output));
    }
}
