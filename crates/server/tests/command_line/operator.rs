//! The operator whose scripts these tests are: a data folder of its own, and the binary.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use storage_postgres::test_database::Database;

pub const PASSWORD: &str = "quiet harbour lantern";

/// A data folder of its own, perhaps a database, and what was run on them.
pub struct Operator {
    pub folder: tempfile::TempDir,
    pub database: Option<Database>,
}

impl Operator {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: None }
    }

    /// One whose store is a database of PostgreSQL.
    pub fn on_postgres() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { database: Some(runtime.block_on(Database::new())), ..Self::new() }
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedback"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear();
        if let Some(database) = &self.database {
            command.args(["--database-url", &database.url()]);
        }
        command
    }

    pub fn run_on(&self, data: &Path, arguments: &[&str]) -> Output {
        self.command(arguments).arg("--data").arg(data).output().unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_on(&self.data(), arguments)
    }

    /// What `--json` prints, of a command that succeeds.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What `--json` says of a command that fails.
    pub fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        error["error"].as_str().unwrap().to_owned()
    }

    pub fn account(&self, name: &str) -> String {
        id(&self.json(&["account", "create", "--name", name]))
    }

    pub fn environment(&self, account: &str) -> String {
        id(&self.json(&["environment", "create", "--account", account, "--name", "Production"]))
    }

    pub fn key(&self, owner: &str, scope: &str) -> Value {
        self.json(&["key", "create", "--owner", owner, "--scope", scope, "--comment", "Export"])
    }

    pub fn with_stdin(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = self.command(arguments);
        command.arg("--data").arg(self.data()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    pub fn user(&self, email: &str) -> Value {
        let arguments = ["user", "create", "--email", email, "--password-stdin", "--json"];
        let output = self.with_stdin(&arguments, &format!("{PASSWORD}\n"));
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// No character of it is a command to a terminal.
pub fn assert_harmless(text: &str) {
    assert!(!text.chars().any(|character| character != '\n' && character.is_control()), "{text:?}");
}

pub fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}
