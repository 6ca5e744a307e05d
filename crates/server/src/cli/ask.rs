//! What a command asks the person at the terminal, or takes from stdin: never from its arguments.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use zeroize::Zeroizing;

use super::failure::{Failure, Result};
use super::output::clean;
use crate::passwords::Password;

/// More than the longest password or access token, in bytes.
const MOST: u64 = 16 * 1024;

/// A new password: all of stdin but a line end after it, or typed twice at a prompt without echo.
pub(super) fn new_password(from_stdin: bool) -> Result<Password> {
    if from_stdin {
        return read("password", io::stdin().lock()).map(Password::typed);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            "there is no terminal to ask for the password; pass --password-stdin and send it there",
        ));
    }
    let unasked = |error: io::Error| {
        Failure::new(format!("can't ask for the password: {error}; pass --password-stdin"))
    };
    let typed = rpassword::prompt_password("Password: ").map_err(unasked)?;
    let again = Zeroizing::new(rpassword::prompt_password("Password, again: ").map_err(unasked)?);
    if *again != typed {
        return Err(Failure::new("the two passwords differ; nothing was changed"));
    }
    Ok(Password::typed(typed))
}

/// An access token: what is on stdin, or typed at a prompt without echo if that is the terminal.
pub(super) fn access_token() -> Result<Zeroizing<String>> {
    let text = Zeroizing::new(if io::stdin().is_terminal() {
        rpassword::prompt_password("Access token: ")
            .map_err(|error| Failure::new(format!("can't ask for the token: {error}; send it on stdin")))?
    } else {
        read("access token", io::stdin().lock())?
    });
    let token = Zeroizing::new(text.trim().to_owned());
    if token.is_empty() {
        return Err(Failure::new("there is no access token on stdin"));
    }
    if token.contains(char::is_whitespace) {
        return Err(Failure::new("that is more than an access token; send one, without `Bearer` before it"));
    }
    Ok(token)
}

/// All of it but a line end after it; `what` says what it should be.
fn read(what: &str, input: impl Read) -> Result<String> {
    let mut text = String::new();
    input
        .take(MOST + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("can't read the {what} from stdin: {error}")))?;
    if text.len() as u64 > MOST {
        return Err(Failure::new(format!("what is on stdin is longer than any {what}")));
    }
    let end =
        text.strip_suffix('\n').map_or(text.len(), |rest| rest.strip_suffix('\r').unwrap_or(rest).len());
    text.truncate(end);
    if text.is_empty() {
        return Err(Failure::new(format!("there is no {what} on stdin")));
    }
    Ok(text)
}

/// Goes on if `yes` was passed or the person types `yes`; says what to pass if there is nobody to ask.
pub(super) fn confirmed(yes: bool, question: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new(format!("{question} There is no terminal to ask; pass --yes to go on")));
    }
    // Locked, stderr would keep log lines waiting for the answer.
    if agreed(question, io::stdin().lock(), io::stderr()).map_err(Failure::new)? {
        Ok(())
    } else {
        Err(Failure::new("nothing was changed"))
    }
}

fn agreed(question: &str, mut answers: impl BufRead, mut screen: impl Write) -> io::Result<bool> {
    write!(screen, "{} Type yes to go on: ", clean(question))?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_no_part_of_a_password() {
        assert_eq!(read("password", &b"quiet harbour\r\n"[..]).unwrap(), "quiet harbour");
        assert_eq!(read("password", &b" two lines\nof it\n"[..]).unwrap(), " two lines\nof it");
        assert!(read("password", &b"\n"[..]).is_err());
        assert!(read("password", &b"\xff"[..]).is_err());
        assert!(read("password", " ".repeat(MOST as usize + 1).as_bytes()).is_err());
    }

    #[test]
    fn only_yes_goes_on() {
        for (answer, goes_on) in
            [("yes\n", true), (" yes \r\n", true), ("y\n", false), ("yes!\n", false), ("", false)]
        {
            assert_eq!(agreed("Go on?", answer.as_bytes(), io::sink()).unwrap(), goes_on, "{answer:?}");
        }
    }

    #[test]
    fn no_name_in_a_question_commands_the_terminal() {
        let mut screen = Vec::new();
        let question = "Closing the account \u{1b}[2J\rAcme\u{9b}8m (acc_1) is for good.";
        agreed(question, &b"no\n"[..], &mut screen).unwrap();
        let shown = String::from_utf8(screen).unwrap();
        assert_eq!(shown, "Closing the account [2JAcme8m (acc_1) is for good. Type yes to go on: ");
    }
}
