use jiff::Timestamp;

use crate::{Entropy, EnvironmentId, Name, QueryId, QuestionText, State, new_id};

/// A question put to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// `qry_…`
    pub id: QueryId,
    /// Where it is asked.
    pub environment: EnvironmentId,
    /// What it is called in lists.
    pub title: Name,
    /// What people are asked.
    pub question: QuestionText,
    /// Whether it takes responses.
    pub state: State,
    /// Counts the edits; the ETag.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Query {
    /// A new query in `environment`.
    pub fn new(
        environment: EnvironmentId,
        title: Name,
        question: QuestionText,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Self {
        let id = new_id(now, entropy);
        Self { id, environment, title, question, state: State::Open, version: 1, created_at: now }
    }

    /// The query with another title or question; what is `None` stays. The same, version included, if that changes
    /// nothing.
    pub fn edited(&self, title: Option<Name>, question: Option<QuestionText>) -> Self {
        let mut after = self.clone();
        after.title = title.unwrap_or(after.title);
        after.question = question.unwrap_or(after.question);
        if after != *self {
            after.version += 1;
        }
        after
    }

    /// The query after its last response; one that is closed stays as it is.
    pub fn closed(&self, now: Timestamp) -> Self {
        match self.state {
            State::Closed(_) => self.clone(),
            State::Open => Self { state: State::Closed(now), version: self.version + 1, ..self.clone() },
        }
    }
}
