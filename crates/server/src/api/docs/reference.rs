//! The document, arranged for reading.

use serde_json::Value;

use super::example::{self, required, resolve};

/// The operations on one noun.
pub(super) struct Section {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Text,
    pub(super) operations: Vec<Operation>,
}

/// One operation.
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) summary: String,
    pub(super) description: Option<Text>,
    pub(super) access: Access,
    pub(super) parameters: Vec<Field>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    pub(super) curl: String,
}

impl Operation {
    pub(super) fn curl_id(&self) -> String {
        format!("{}-curl", self.id)
    }
}

/// What an operation asks of its callers.
pub(super) enum Access {
    Public,
    AnyToken,
    AnyOf(Vec<String>),
}

/// A parameter, or a field of a body.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) place: &'static str,
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) description: Text,
}

/// A request's body.
pub(super) struct Body {
    pub(super) required: bool,
    pub(super) fields: Vec<Field>,
}

/// What an operation can answer.
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) good: bool,
    pub(super) description: Text,
    pub(super) example: Option<String>,
}

/// Words, with code between backticks.
pub(super) struct Text(Vec<Span>);

/// Part of a text.
pub(super) struct Span {
    pub(super) code: bool,
    pub(super) text: String,
}

impl Text {
    fn new(text: &str) -> Self {
        let spans =
            text.split('`').enumerate().map(|(i, part)| Span { code: i % 2 == 1, text: part.to_owned() });
        Self(spans.filter(|span| !span.text.is_empty()).collect())
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.0
    }
}

/// What the page calls in a shell what stands in an address.
const VARIABLES: [(&str, &str); 6] = [
    ("acc", "ACCOUNT"),
    ("env", "ENVIRONMENT"),
    ("key", "KEYPAIR"),
    ("qry", "QUERY"),
    ("app", "APPLICATION"),
    ("n", "N"),
];

/// The operations, by the tags of the document and in their order.
pub(super) fn sections(document: &Value) -> Vec<Section> {
    items(document, "/tags")
        .map(|tag| {
            let name = text(tag, "name");
            Section {
                id: name.to_lowercase().replace(' ', "-"),
                description: Text::new(&text(tag, "description")),
                operations: operations(document, &name),
                name,
            }
        })
        .collect()
}

fn operations(document: &Value, tag: &str) -> Vec<Operation> {
    const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];
    let paths = document.get("paths").and_then(Value::as_object);
    let all = paths.into_iter().flatten().flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((*method, path, item.get(*method)?)))
    });
    all.filter(|(.., operation)| items(operation, "/tags").any(|name| name == tag))
        .map(|(method, path, operation)| read(document, method, path, operation))
        .collect()
}

fn read(document: &Value, method: &str, path: &str, operation: &Value) -> Operation {
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    let description = text(operation, "description");
    Operation {
        id: text(operation, "operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(operation, "summary"),
        description: Some(description).filter(|text| !text.is_empty()).map(|text| Text::new(&text)),
        access: access(operation),
        parameters: items(operation, "/parameters")
            .map(|parameter| self::parameter(document, parameter))
            .collect(),
        body: schema.map(|schema| Body {
            required: operation.pointer("/requestBody/required") == Some(&Value::Bool(true)),
            fields: fields(document, schema, ""),
        }),
        answers: answers(document, operation),
        curl: curl(document, method, path, operation, schema),
    }
}

fn access(operation: &Value) -> Access {
    let any_of: Vec<_> = items(operation, "/security").collect();
    let scopes: Vec<_> = any_of
        .iter()
        .flat_map(|requirement| requirement.as_object().into_iter().flatten())
        .flat_map(|(_, scopes)| scopes.as_array().into_iter().flatten())
        .filter_map(|scope| scope.as_str().map(str::to_owned))
        .collect();
    match (any_of.is_empty(), scopes.is_empty()) {
        (true, _) => Access::Public,
        (false, true) => Access::AnyToken,
        (false, false) => Access::AnyOf(scopes),
    }
}

fn parameter(document: &Value, parameter: &Value) -> Field {
    Field {
        name: text(parameter, "name"),
        place: match parameter.get("in").and_then(Value::as_str) {
            Some("path") => "path",
            Some("header") => "header",
            _ => "query",
        },
        kind: parameter.get("schema").map(|schema| kind(document, schema)).unwrap_or_default(),
        required: parameter.get("required") == Some(&Value::Bool(true)),
        description: Text::new(&text(parameter, "description")),
    }
}

/// The fields of a body; those of a list's items as `list[].field`.
fn fields(document: &Value, schema: &Value, within: &str) -> Vec<Field> {
    let schema = resolve(document, schema);
    let required = required(schema);
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, property) in properties.into_iter().flatten() {
        found.push(Field {
            name: format!("{within}{name}"),
            place: "body",
            kind: kind(document, property),
            required: required.contains(&name.as_str()),
            description: Text::new(&text(property, "description")),
        });
        if let Some(item) = property.get("items") {
            found.extend(fields(document, item, &format!("{within}{name}[].")));
        }
    }
    found
}

/// What a value is, in a few words.
fn kind(document: &Value, schema: &Value) -> String {
    let schema = resolve(document, schema);
    let types: Vec<_> = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let format = schema.get("format").and_then(Value::as_str);
    let one = |name: &str| match (name, format) {
        ("string", Some("date-time")) => "instant (RFC 3339)".to_owned(),
        ("string", Some("date")) => "date".to_owned(),
        ("integer", _) => "whole number".to_owned(),
        ("array", _) => {
            let item = schema.get("items").map(|item| kind(document, item)).unwrap_or_default();
            format!("list of {item}s")
        }
        (other, _) => other.to_owned(),
    };
    let names: Vec<_> = types.into_iter().map(one).collect();
    let bounds = match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        _ => String::new(),
    };
    names.join(" or ") + &bounds
}

fn answers(document: &Value, operation: &Value) -> Vec<Answer> {
    let responses = operation.get("responses").and_then(Value::as_object);
    responses
        .into_iter()
        .flatten()
        .map(|(status, response)| {
            let good = status.starts_with('2');
            let body = response.pointer("/content/application~1json").filter(|_| good);
            Answer {
                status: status.clone(),
                good,
                description: Text::new(&text(response, "description")),
                example: body.map(|body| example::pretty(document, body)),
            }
        })
        .collect()
}

fn curl(document: &Value, method: &str, path: &str, operation: &Value, schema: Option<&Value>) -> String {
    let path = VARIABLES.iter().fold(path.to_owned(), |path, (name, variable)| {
        path.replace(&format!("{{{name}}}"), &format!("${variable}"))
    });
    let mut lines = vec![match method {
        "get" => format!("curl \"$FEEDBACK_URL{path}\""),
        _ => format!("curl -X {} \"$FEEDBACK_URL{path}\"", method.to_uppercase()),
    }];
    if !matches!(access(operation), Access::Public) {
        lines.push("-H \"Authorization: Bearer $FEEDBACK_TOKEN\"".to_owned());
    }
    if let Some(schema) = schema {
        lines.push("-H \"Content-Type: application/json\"".to_owned());
        lines.push(format!("-d '{}'", example::compact(document, schema)));
    }
    lines.join(" \\\n  ")
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}
