//! The operations of the API by their addresses: what requests are counted as, and how pages name them.

use std::sync::LazyLock;

use axum::http::Method;
use axum::http::request::Parts;

/// No address of an operation has more slashes.
const MOST_PARTS: usize = 12;

/// One of them, as the document has it.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its `operationId`.
    pub(crate) id: String,
    pub(crate) method: Method,
    /// With the names of its parts in braces.
    pub(crate) path: String,
    /// What it does, in a few words.
    pub(crate) summary: String,
    /// What stands between the slashes of the path; none for what differs.
    parts: Box<[Option<String>]>,
}

/// All of them.
static ALL: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let (_, document) = super::endpoints().split();
    let mut all = Vec::new();
    for (path, item) in document.paths.paths {
        let of_each = [
            (Method::GET, item.get),
            (Method::POST, item.post),
            (Method::PATCH, item.patch),
            (Method::DELETE, item.delete),
        ];
        for (method, operation) in of_each {
            if let Some(operation) = operation {
                let (id, summary) = (operation.operation_id, operation.summary);
                let (id, summary) = (id.unwrap_or_default(), summary.unwrap_or_default());
                let fixed = |part: &str| (!part.starts_with('{')).then(|| part.to_owned());
                let parts = path.split('/').map(fixed).collect();
                all.push(Operation { id, method, path: path.clone(), summary, parts });
            }
        }
    }
    all
});

/// The operation that a request was routed to. Found anew here: to have the router say it costs each request an allocation.
pub(super) fn of_request(parts: &Parts) -> Option<&'static Operation> {
    of_address(&parts.method, parts.uri.path())
}

fn of_address(method: &Method, path: &str) -> Option<&'static Operation> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let (mut given, mut count) = ([""; MOST_PARTS], 0);
    for (n, part) in path.split('/').enumerate() {
        *given.get_mut(n)? = part;
        count = n + 1;
    }
    let given = given.get(..count)?;
    let fits = |operation: &&Operation| {
        // The end tells more than the beginning, which many have in common.
        let mut pairs = operation.parts.iter().zip(given).rev();
        operation.method == *method
            && operation.parts.len() == count
            && pairs.all(|(known, given)| known.as_deref().is_none_or(|known| known == *given))
    };
    ALL.iter().find(fits)
}

/// The operation of that name, if this version has one.
pub(crate) fn named(id: &str) -> Option<&'static Operation> {
    ALL.iter().find(|operation| operation.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_found_by_its_address_alone() {
        for operation in ALL.iter() {
            let path: Vec<_> = operation
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { "env_01jx1m2q6fe8gtvdb2v3cx2xkq" } else { part })
                .collect();
            let found = of_address(&operation.method, &path.join("/")).map(|found| &found.id);
            assert_eq!(found, Some(&operation.id));
            assert_eq!(named(&operation.id).map(|named| &named.path), Some(&operation.path));
            assert!(!operation.summary.is_empty(), "{}", operation.id);
        }
        assert!(ALL.len() > 30);
        let head = of_address(&Method::HEAD, "/v1/access").map(|found| &*found.id);
        assert_eq!(head, Some("showAccess"));
        for (method, path) in [(Method::PUT, "/v1/access"), (Method::GET, "/v1/access/"), (Method::GET, "/")]
        {
            assert!(of_address(&method, path).is_none(), "{method} {path}");
        }
    }
}
