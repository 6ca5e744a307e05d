//! Example values, made from the schemas of the document.

use serde_json::{Map, Value, json};

/// Deeper than any of our schemas.
const DEEPEST: u8 = 12;

/// The schema itself, where `schema` only refers to it, or allows `null` besides.
pub(super) fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    if let Some(found) = reference.and_then(|pointer| document.pointer(pointer)) {
        return resolve(document, found);
    }
    let alternatives = schema.get("oneOf").and_then(Value::as_array);
    let first = alternatives.and_then(|all| all.iter().find(|one| one.get("type") != Some(&json!("null"))));
    first.map_or(schema, |first| resolve(document, first))
}

/// The properties that an object of the schema always has.
pub(super) fn required(schema: &Value) -> Vec<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The example of a body, or one of its schema, over several lines.
pub(super) fn pretty(document: &Value, body: &Value) -> String {
    let made = || body.get("schema").map(|schema| example(document, schema, 0));
    serde_json::to_string_pretty(&body.get("example").cloned().or_else(made)).unwrap_or_default()
}

/// An example of the schema, on one line.
pub(super) fn compact(document: &Value, schema: &Value) -> String {
    example(document, schema, 0).to_string()
}

/// What can be left out is shown only if it has an example of its own: whoever pastes the example does no more than that.
fn example(document: &Value, schema: &Value, depth: u8) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    let schema = resolve(document, schema);
    if let Some(given) = schema.get("example").or_else(|| schema.get("default")) {
        return given.clone();
    }
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(fields) = example(document, part, depth + 1) {
                whole.extend(fields);
            }
        }
        return Value::Object(whole);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().find(|one| *one != "null"),
        other => other,
    };
    match (kind.and_then(Value::as_str), schema.get("format").and_then(Value::as_str)) {
        (Some("object"), _) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let required = required(schema);
            let shown = |(name, of): &(&String, &Value)| {
                of.get("example").is_some() || required.contains(&name.as_str())
            };
            let fields = properties.into_iter().flatten().filter(shown);
            Value::Object(fields.map(|(name, of)| (name.clone(), example(document, of, depth + 1))).collect())
        }
        (Some("array"), _) => Value::Array(
            schema.get("items").map(|item| example(document, item, depth + 1)).into_iter().collect(),
        ),
        (Some("string"), Some("date-time")) => json!("2026-01-31T12:00:00Z"),
        (Some("string"), Some("date")) => json!("2026-01-31"),
        (Some("string"), _) => json!("…"),
        (Some("integer"), _) => json!(12),
        (Some("number"), _) => json!(4.25),
        (Some("boolean"), _) => json!(true),
        _ => Value::Null,
    }
}
