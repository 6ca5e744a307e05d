//! What a form brings.

use axum::Form;
use axum::extract::{FromRequest, Request};
use domain::TextError;

use super::failure::PageError;
use super::outcome::Outcome;

/// The fields of a form, in the order in which they came.
pub(super) struct Fields(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        match Form::<Vec<(String, String)>>::from_request(request, state).await {
            Ok(Form(fields)) => Ok(Self(fields)),
            Err(rejection) if Outcome::of(rejection.status()) == Outcome::TooLarge => {
                Err(PageError::TooLarge)
            }
            Err(_) => Err(PageError::BadForm("It is not a form.".to_owned())),
        }
    }
}

impl Fields {
    /// The field that stands exactly once.
    pub(super) fn one<'a>(&'a self, name: &'a str) -> Result<&'a str, PageError> {
        self.optional(name)?.ok_or_else(|| PageError::BadForm(format!("The field “{name}” is missing.")))
    }

    /// The version of what is edited.
    pub(super) fn version(&self) -> Result<i64, PageError> {
        let number = self.one("version")?.parse();
        number.map_err(|_| PageError::BadForm("The field “version” is not a number.".to_owned()))
    }

    /// The field that stands at most once.
    pub(super) fn optional<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, PageError> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            return Err(PageError::BadForm(format!("The field “{name}” came twice.")));
        }
        Ok(value)
    }

    /// Every value of a field that may be repeated.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A field as it is shown: what was typed, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    pub(super) value: String,
    pub(super) error: Option<String>,
}

impl Field {
    /// A field that holds `value`.
    pub(super) fn of(value: impl ToString) -> Self {
        Self { value: value.to_string(), error: None }
    }

    /// A field that holds nothing, with a fault to show beside it. For secrets.
    pub(super) fn wrong(error: impl Into<String>) -> Self {
        Self { value: String::new(), error: Some(error.into()) }
    }

    /// Reads what was typed by `check`; `what` begins the sentence that says what is wrong.
    pub(super) fn read<T>(
        &mut self,
        what: &str,
        check: impl FnOnce(&str) -> Result<T, TextError>,
    ) -> Option<T> {
        check(&self.value).map_err(|error| self.error = Some(format!("{what} {error}."))).ok()
    }
}
