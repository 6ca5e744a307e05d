//! The command line as an operator's scripts see it: the binary, its exit codes, what it prints.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const PASSWORD: &str = "quiet harbour lantern";

/// A data folder of its own, and what was run on it.
struct Operator {
    folder: tempfile::TempDir,
}

impl Operator {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedback"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear();
        command
    }

    fn run_on(&self, data: &Path, arguments: &[&str]) -> Output {
        self.command(arguments).arg("--data").arg(data).output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_on(&self.data(), arguments)
    }

    /// What `--json` prints, of a command that succeeds.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What `--json` says of a command that fails.
    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        error["error"].as_str().unwrap().to_owned()
    }

    fn account(&self, name: &str) -> String {
        id(&self.json(&["account", "create", "--name", name]))
    }

    fn environment(&self, account: &str) -> String {
        id(&self.json(&["environment", "create", "--account", account, "--name", "Production"]))
    }

    fn key(&self, owner: &str, scope: &str) -> Value {
        self.json(&["key", "create", "--owner", owner, "--scope", scope, "--comment", "Export"])
    }

    fn with_stdin(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = self.command(arguments);
        command.arg("--data").arg(self.data()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn user(&self, email: &str) -> Value {
        let arguments = ["user", "create", "--email", email, "--password-stdin", "--json"];
        let output = self.with_stdin(&arguments, &format!("{PASSWORD}\n"));
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_first_account_makes_the_store_and_nothing_else_does() {
    let operator = Operator::new();
    for arguments in [
        &["account", "list"][..],
        &["environment", "list"],
        &["user", "list"],
        &["key", "list"],
        &["signing-key", "list"],
        &["backup", "copy.db"],
        &["check"],
    ] {
        let refusal = operator.refusal(arguments);
        assert!(refusal.contains("no store"), "{arguments:?}: {refusal}");
        assert!(!operator.data().exists(), "{arguments:?}");
    }
    operator.refusal(&["account", "create", "--name", " "]);
    assert!(!operator.data().exists());
    operator.account("Acme");
    assert!(operator.data().exists());
    assert_eq!(operator.json(&["account", "list"])["items"].as_array().unwrap().len(), 1);
}

#[test]
fn objects_have_the_names_of_the_api() {
    let operator = Operator::new();
    let account = operator.json(&["account", "create", "--name", "Acme"]);
    assert_eq!(keys(&account), ["closed_at", "created_at", "id", "name", "state"]);
    assert_eq!((&account["name"], &account["state"]), (&json!("Acme"), &json!("open")));
    let account = id(&account);
    let environment =
        operator.json(&["environment", "create", "--account", &account, "--name", "Production"]);
    assert_eq!(keys(&environment), ["account_id", "closed_at", "created_at", "id", "name", "state"]);
    let keypair = operator.key(&id(&environment), "feedback-report:read feedback-admin");
    assert_eq!(
        keys(&keypair),
        [
            "comment",
            "created_at",
            "created_by",
            "enabled",
            "expires_at",
            "id",
            "last_used_at",
            "owner",
            "scopes",
            "secret",
            "secrets",
            "status"
        ]
    );
    assert_eq!(keypair["owner"], json!({"type": "environment", "id": id(&environment)}));
    assert_eq!(keypair["scopes"], json!(["feedback-report:read", "feedback-admin"]));
    assert_eq!((&keypair["created_by"], &keypair["status"]), (&json!("operator"), &json!("active")));
    let secret = keypair["secret"].as_str().unwrap();
    assert!(secret.starts_with("fbs_") && secret.len() == 53);
    assert_eq!(keys(&keypair["secrets"][0]), ["created_at", "expires_at", "hint", "last_used_at", "n"]);

    let list = operator.json(&["key", "list", "--owner", &id(&environment)]);
    assert_eq!((list["items"].as_array().unwrap().len(), &list["next_cursor"]), (1, &Value::Null));
    assert!(list["items"][0].get("secret").is_none(), "the secret is shown once");
    assert!(operator.json(&["key", "show", &id(&keypair)]).get("secret").is_none());
    assert_eq!(operator.json(&["key", "list", "--owner", &account])["items"], json!([]));
    assert_eq!(operator.json(&["key", "list"])["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        keys(&operator.json(&["signing-key", "list"])["items"][0]),
        ["algorithm", "created_at", "kid"]
    );
}

#[test]
fn a_keypair_is_disabled_enabled_edited_rotated_and_removed() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = id(&operator.key(&account, "feedback-report:read"));
    for _ in 0..2 {
        let disabled = operator.json(&["key", "disable", &key]);
        assert_eq!((&disabled["enabled"], &disabled["status"]), (&json!(false), &json!("disabled")));
    }
    assert_eq!(operator.json(&["key", "enable", &key])["status"], "active");
    let edited = operator.json(&[
        "key",
        "edit",
        &key,
        "--comment",
        "-- <b>bold</b>",
        "--scope",
        "feedback-admin",
        "--expires",
        "90d",
    ]);
    assert_eq!(
        (&edited["comment"], &edited["scopes"]),
        (&json!("-- <b>bold</b>"), &json!(["feedback-admin"]))
    );
    assert!(edited["expires_at"].is_string());
    assert!(operator.json(&["key", "edit", &key, "--expires", "never"])["expires_at"].is_null());
    assert!(stdout(&operator.run(&["key", "show", &key])).contains("-- <b>bold</b>"), "markup is text");

    let rotated = operator.json(&["key", "rotate", &key, "--others-expire-in", "7d"]);
    assert!(rotated["secret"].as_str().unwrap().starts_with("fbs_"));
    assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2);
    assert!(rotated["secrets"][0]["expires_at"].is_string());
    let left = operator.json(&["key", "delete-secret", &key, "1", "--yes"]);
    assert_eq!(left["secrets"].as_array().unwrap().len(), 1);
    assert!(operator.refusal(&["key", "delete-secret", &key, "2", "--yes"]).contains("last secret"));

    assert!(operator.refusal(&["key", "remove", &key]).contains("--yes"));
    assert_eq!(operator.json(&["key", "remove", &key, "--yes"]), json!({"id": key, "removed": true}));
    for act in ["show", "enable", "disable"] {
        assert!(operator.refusal(&["key", act, &key]).contains("no keypair"));
    }
}

#[test]
fn the_secret_is_told_once_with_a_warning() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let made =
        operator.run(&["key", "create", "--owner", &account, "--scope", "feedback-admin", "--comment", "C"]);
    assert_eq!(stdout(&made).matches("fbs_").count(), 1);
    assert!(stdout(&made).contains("only time"));
    assert!(!stdout(&operator.run(&["key", "list"])).contains("fbs_"));
}

#[test]
fn closing_ends_the_keypairs() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let (one, other) = (operator.environment(&account), operator.environment(&account));
    let key = |owner: &str| id(&operator.key(owner, "feedback-report:read"));
    let (of_one, of_other, of_account) = (key(&one), key(&other), key(&account));

    assert!(operator.refusal(&["environment", "close", &one]).contains("--yes"));
    assert_eq!(operator.json(&["environment", "close", &one, "--yes"])["state"], "closed");
    assert!(operator.refusal(&["key", "show", &of_one]).contains("no keypair"));
    operator.json(&["key", "show", &of_other]);
    assert!(operator.refusal(&["environment", "close", &one, "--yes"]).contains("closed"));
    let late = ["key", "create", "--owner", &one, "--scope", "feedback-admin", "--comment", ""];
    assert!(operator.refusal(&late).contains("closed"));

    assert!(operator.json(&["account", "close", &account, "--yes"])["closed_at"].is_string());
    for key in [&of_other, &of_account] {
        assert!(operator.refusal(&["key", "show", key]).contains("no keypair"));
    }
    assert_eq!(operator.json(&["environment", "show", &other])["state"], "closed");
    let late = ["environment", "create", "--account", &account, "--name", "Late"];
    assert!(operator.refusal(&late).contains("closed"));
}

#[test]
fn people_are_let_in_and_the_last_administrator_stays() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let environment = operator.environment(&account);
    let made = operator.user("Admin@Example.com");
    assert_eq!(keys(&made), ["created_at", "email", "id", "roles"]);
    assert_eq!((&made["email"], &made["roles"]), (&json!("admin@example.com"), &json!([])));
    operator.user("reader@example.com");

    let grant = |user: &str, on: &str, role: &str| {
        operator.json(&["user", "grant", "--user", user, "--on", on, "--role", role])
    };
    let granted = grant("admin@example.com", &account, "administrator");
    assert_eq!(
        granted["roles"],
        json!([{"on": {"type": "account", "id": account}, "role": "administrator"}])
    );
    grant("reader@example.com", &environment, "reader");
    assert_eq!(operator.json(&["user", "list", "--on", &environment])["items"].as_array().unwrap().len(), 2);
    assert_eq!(operator.json(&["user", "list", "--on", &account])["items"].as_array().unwrap().len(), 1);

    let last = ["user", "revoke", "--user", "admin@example.com", "--on", &account];
    assert!(operator.refusal(&last).contains("at least one administrator"));
    let demote = ["user", "grant", "--user", "admin@example.com", "--on", &account, "--role", "reader"];
    assert!(operator.refusal(&demote).contains("at least one administrator"));
    let remove = ["user", "remove", "admin@example.com", "--yes"];
    assert!(operator.refusal(&remove).contains("at least one administrator"));

    let none = ["user", "revoke", "--user", "reader@example.com", "--on", &account];
    assert!(operator.refusal(&none).contains("no role"));
    assert_eq!(operator.json(&["user", "remove", "reader@example.com", "--yes"])["removed"], true);
    assert!(operator.refusal(&["user", "show", "reader@example.com"]).contains("no user"));
    grant("admin@example.com", &environment, "administrator");
}

#[test]
fn passwords_come_by_stdin_and_must_be_good() {
    let operator = Operator::new();
    operator.account("Acme");
    let create = ["user", "create", "--email", "a@example.com", "--password-stdin"];
    for bad in ["", "\n", "short\n", "passwordpassword\n"] {
        let output = operator.with_stdin(&create, bad);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("password"), "{}", stderr(&output));
    }
    assert!(operator.refusal(&["user", "create", "--email", "a@example.com"]).contains("--password-stdin"));
    assert_eq!(operator.json(&["user", "list"])["items"], json!([]));
    operator.user("a@example.com");
    assert!(stderr(&operator.with_stdin(&create, PASSWORD)).contains("exists already"));
    let change = ["user", "set-password", "a@example.com", "--password-stdin"];
    assert!(operator.with_stdin(&change, "another quiet harbour").status.success());
}

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let long = "x".repeat(10_000);
    let unknown = "acc_01jx1m2q6fe8gtvdb2v3cx2xkq";
    let key =
        |scope: &'static str| ["key", "create", "--owner", &account, "--scope", scope, "--comment", "C"];
    for (arguments, named) in [
        (&["account", "create", "--name", &long][..], "10000"),
        (&["account", "rename", &account, "--name", &long], "at most 100"),
        (&["account", "show", unknown], "no account"),
        (&["account", "show", "env_01jx1m2q6fe8gtvdb2v3cx2xkq"], "acc_"),
        (&["environment", "create", "--account", unknown, "--name", "N"], "no account"),
        (&["environment", "create", "--account", &long, "--name", "N"], "not the identifier"),
        (&["user", "grant", "--user", "a@example.com", "--on", &account, "--role", "reader"], "no user"),
        (&["user", "grant", "--user", "a@example.com", "--on", &account, "--role", "owner"], "administrator"),
        (&["user", "show", "nobody"], "e-mail"),
        (&["key", "create", "--owner", unknown, "--scope", "feedback-admin", "--comment", "C"], "no account"),
        (
            &["key", "create", "--owner", &account, "--scope", "feedback-admin", "--comment", &long],
            "at most 500",
        ),
        (&key("feedback-admin feedback-admin"), "twice"),
        (&key("nope"), "no scope `nope`"),
        (&key(""), "at least one scope"),
        (&["key", "show", "key_01jx1m2q6fe8gtvdb2v3cx2xkq"], "no keypair"),
        (&["key", "show", "nonsense"], "key_"),
    ] {
        let refusal = operator.refusal(arguments);
        assert!(refusal.contains(named), "{named}: {refusal}");
        assert!(refusal.len() < 300);
    }
    assert_eq!(operator.json(&["account", "list"])["items"].as_array().unwrap().len(), 1);
    assert_eq!(operator.json(&["key", "list"])["items"], json!([]));
    let environment = operator.environment(&account);
    let beyond =
        ["key", "create", "--owner", &environment, "--scope", "feedback-account-admin", "--comment", ""];
    assert!(operator.refusal(&beyond).contains("not of an environment"));
    let past = [
        "key",
        "create",
        "--owner",
        &account,
        "--scope",
        "feedback-admin",
        "--expires",
        "2020-01-01T00:00:00Z",
    ];
    assert!(operator.refusal(&past).contains("future"));
}

#[test]
fn usage_and_settings_have_their_exit_codes() {
    let operator = Operator::new();
    assert_eq!(operator.command(&["key", "edit", "key_1"]).output().unwrap().status.code(), Some(2));
    assert_eq!(operator.command(&["nonsense"]).output().unwrap().status.code(), Some(2));
    let wrong = operator.command(&["serve"]).env("FEEDBACK_LISTEN", "here").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("listen"));
    let wrong = operator.command(&["demo", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(!wrong.status.success() && stderr(&wrong).contains("loopback"));
}

#[test]
fn a_taken_address_is_named() {
    let operator = Operator::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["serve", "demo"] {
        let output = operator.command(&[command, "--listen", &address]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains(&address) && stderr(&output).contains("--listen"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_backup_is_restored_and_checked() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = id(&operator.key(&account, "feedback-admin"));
    let copy = operator.folder.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    assert!(stdout(&operator.run(&["backup", copy])).contains("master key"));
    assert!(operator.refusal(&["backup", copy]).contains("exists already"));
    assert!(operator.refusal(&["restore", copy]).contains("already"));

    let elsewhere = operator.folder.path().join("elsewhere");
    let restore = || operator.run_on(&elsewhere, &["restore", copy]);
    assert!(stderr(&restore()).contains("master key"), "it can't be used without");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(operator.data().join("master.key"), elsewhere.join("master.key")).unwrap();
    let restored = restore();
    assert!(restored.status.success(), "{}", stderr(&restored));
    let shown = operator.run_on(&elsewhere, &["key", "show", &key, "--json"]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let checked = operator.run_on(&elsewhere, &["check", "--json"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&checked["ok"], &checked["faults"]), (&json!(true), &json!([])));
    assert_eq!(
        std::fs::read_dir(&elsewhere)
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".restore") })
            .count(),
        0
    );
}

#[test]
fn what_is_no_backup_is_refused() {
    let operator = Operator::new();
    operator.account("Acme");
    let elsewhere = operator.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(operator.data().join("master.key"), elsewhere.join("master.key")).unwrap();
    let text = operator.folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to have a header of one hundred bytes".repeat(4))
        .unwrap();
    for file in [text.to_str().unwrap(), "nowhere"] {
        let output = operator.run_on(&elsewhere, &["restore", file]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1, "only the master key is there");
    }
}

#[test]
fn another_master_key_is_noticed() {
    let operator = Operator::new();
    operator.account("Acme");
    std::fs::write(operator.data().join("master.key"), "00".repeat(32)).unwrap();
    let checked = operator.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(stderr(&checked).contains("master key"), "{}", stderr(&checked));
}

#[test]
fn a_lost_master_key_is_not_replaced() {
    let operator = Operator::new();
    operator.account("Acme");
    let path = operator.data().join("master.key");
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    assert!(operator.refusal(&["account", "list"]).contains("master.key"));
    assert!(!path.exists());
}

#[test]
fn the_data_folder_is_the_operators_alone() {
    let operator = Operator::new();
    operator.account("Acme");
    let mode = std::fs::metadata(operator.data()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
