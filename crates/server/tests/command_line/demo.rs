//! The demo: what it prints can be pasted, and what it made is gone afterwards.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::operator::Operator;
use crate::server::Serving;

#[test]
fn everything_that_it_prints_can_be_pasted() {
    let operator = Operator::new();
    let mut command = operator.command(&["demo", "--listen", "127.0.0.1:0"]);
    // A folder whose name must be quoted.
    let folder = operator.folder.path().join("it's here");
    std::fs::create_dir(&folder).unwrap();
    command.env("TMPDIR", &folder);
    let mut serving = Serving::start(command);
    let printed = serving.until("Serving until");
    let text = printed.join("\n");
    for person in
        ["admin@", "author@", "reader@", "/sign-in", "/administration/access-management/api-management"]
    {
        assert!(text.contains(person), "{person}");
    }

    let pasted = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &text])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let answers = String::from_utf8(pasted.stdout).unwrap();
    assert!(pasted.status.success(), "{answers}\n{}", String::from_utf8_lossy(&pasted.stderr));
    for answer in [
        r#""access_token":"#,
        r#""key_id":"key_"#,
        r#""average_score":"#,
        r#""duplicates":1"#,
        "disabled",
        "HTTP/1.1 401 Unauthorized",
        "active",
        "\n401\n200\n",
        "Depot kiosks",
    ] {
        assert!(answers.contains(answer), "{answer}: {answers}");
    }

    let made = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    assert!(Path::new(&made).join("feedback.db").exists());
    let (ended, errors) = serving.stop("-TERM");
    assert!(ended.success(), "{errors}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "the throwaway folder is gone");
}
