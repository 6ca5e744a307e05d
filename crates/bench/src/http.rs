//! What a token and an API request cost, beside the floor.

use crate::Result;
use crate::document::{Part, Target, table};
use crate::feedback::{Algorithm, Feedback, answer, get_with_token, token_by_basic};
use crate::floor::{self, Sizes, signing, verifying};
use crate::plot::{Bar, bars};
use crate::process::Process;
use crate::rounds::{Figure, Prepare, Rounds, Subject, interleaved};
use crate::workplace::Workplace;

const ROUNDS: usize = 5;

/// Tokens that were seen before, and new ones for one round: more than are used in it.
const SEEN: u64 = 1_000;
const NEW: u64 = 40_000;

/// How large Feedback's answers are, and what it signs.
pub(crate) async fn sizes(feedback: &Feedback) -> Result<Sizes> {
    let tokens = feedback.mint(1).await?;
    let signed = tokens.first().and_then(|token| token.rfind('.')).ok_or("no token")?;
    let token = answer(&feedback.process, feedback.by_basic()).await?.len();
    let api = answer(&feedback.process, get_with_token("/v1/access".to_owned(), tokens)).await?.len();
    Ok(Sizes { signed, token, api })
}

fn with_new_tokens<'a>(name: String, feedback: &'a Feedback, path: String) -> Subject<'a> {
    let prepare: Prepare<'a> = Box::new(move || {
        let path = path.clone();
        Box::pin(async move { Ok((get_with_token(path, feedback.mint(NEW).await?), NEW)) })
    });
    Subject { name, process: &feedback.process, prepare }
}

/// Everything of the floor that is compared.
async fn of_floor<'a>(floor: &'a Process, feedback: &Feedback) -> Result<Vec<Subject<'a>>> {
    let token = |path: &str| token_by_basic(path, feedback.credentials.clone());
    let tokens = feedback.mint(SEEN).await?;
    let api = |path: String| get_with_token(path, tokens.clone());
    let mut subjects = vec![
        Subject::repeating("floor, the token's size", floor, token(floor::TOKEN)),
        Subject::repeating("floor, the API's size", floor, api(floor::API.to_owned())),
    ];
    for algorithm in Algorithm::ALL {
        let name = format!("floor + signature, {algorithm}");
        subjects.push(Subject::repeating(&name, floor, token(&signing(algorithm))));
        let name = format!("floor + verification, {algorithm}");
        subjects.push(Subject::repeating(&name, floor, api(verifying(algorithm))));
    }
    Ok(subjects)
}

/// Everything of Feedback that is compared.
async fn of_feedback(feedback: &Feedback, algorithm: Algorithm) -> Result<Vec<Subject<'_>>> {
    let process = &feedback.process;
    let tokens = feedback.mint(SEEN).await?;
    let named = |what: &str| format!("{what}, {algorithm}");
    let mut subjects = vec![
        Subject::repeating(&named("token, HTTP Basic"), process, feedback.by_basic()),
        Subject::repeating(&named("token, form"), process, feedback.by_form()),
    ];
    for (what, path) in [
        ("GET access", "/v1/access".to_owned()),
        ("GET environment", format!("/v1/environments/{}", feedback.environment)),
    ] {
        let seen = get_with_token(path.clone(), tokens.clone());
        subjects.push(Subject::repeating(&named(&format!("{what}, token seen before")), process, seen));
        subjects.push(with_new_tokens(named(&format!("{what}, new token")), feedback, path));
    }
    Ok(subjects)
}

fn ratio(all: &[Rounds], name: &str, floor: &str) -> Option<Figure> {
    let find = |name: &str| all.iter().find(|rounds| rounds.name == name);
    Some(find(name)?.times(find(floor)?))
}

pub(crate) async fn measure(workplace: &Workplace) -> Result<Part> {
    let mut servers = Vec::new();
    for algorithm in Algorithm::ALL {
        if let Some(feedback) = Feedback::if_available(workplace, algorithm).await? {
            servers.push((algorithm, feedback));
        }
    }
    let (_, first) = servers.first().ok_or("nothing is served")?;
    let floor = floor::start(workplace, sizes(first).await?).await?;
    let mut subjects = of_floor(&floor, first).await?;
    for (algorithm, feedback) in &servers {
        subjects.extend(of_feedback(feedback, *algorithm).await?);
    }
    let all = interleaved(&subjects, ROUNDS).await?;
    Ok(Part { name: "http", text: text(&all), targets: targets(&all), pictures: vec![picture(&all)] })
}

/// What each is compared with.
fn floor_of(name: &str) -> Option<String> {
    let (what, algorithm) = name.rsplit_once(", ")?;
    match what {
        _ if what.starts_with("token") => Some(format!("floor + signature, {algorithm}")),
        _ if what.ends_with("seen before") => Some("floor, the API's size".to_owned()),
        _ if what.ends_with("new token") => Some(format!("floor + verification, {algorithm}")),
        _ => None,
    }
}

fn text(all: &[Rounds]) -> String {
    let rows = all.iter().map(|rounds| {
        let floor = floor_of(&rounds.name).and_then(|floor| ratio(all, &rounds.name, &floor));
        let times = floor.map_or_else(String::new, |figure| figure.to_string());
        vec![rounds.name.clone(), rounds.micros().to_string(), rounds.rate().to_string(), times]
    });
    table(&["", "server CPU, µs", "a second, on one core", "× its floor"], rows)
}

fn targets(all: &[Rounds]) -> Vec<Target> {
    let mut targets = Vec::new();
    for algorithm in Algorithm::ALL {
        for (what, limit, against) in [
            ("token, HTTP Basic", 1.4, "floor + signature"),
            ("GET access, token seen before", 1.5, "floor"),
            ("GET environment, token seen before", 1.5, "floor"),
            ("GET access, new token", 1.4, "floor + verification"),
            ("GET environment, new token", 1.4, "floor + verification"),
        ] {
            let name = format!("{what}, {algorithm}");
            let what = format!("CPU of {name}, in multiples of {against}");
            targets.push(match floor_of(&name).and_then(|floor| ratio(all, &name, &floor)) {
                Some(figure) => Target::at_most(&what, limit, " ×", figure),
                None => Target::not_measured(&what, &format!("≤ {limit} ×"), "not available"),
            });
        }
    }
    targets
}

fn picture(all: &[Rounds]) -> (&'static str, String) {
    let drawn = all.iter().filter(|rounds| !rounds.name.contains("form"));
    let list: Vec<Bar> = drawn
        .map(|rounds| Bar {
            name: rounds.name.clone(),
            figure: rounds.micros(),
            ours: !rounds.name.starts_with("floor"),
        })
        .collect();
    ("http.svg", bars("Server CPU of one request, µs", &list))
}
