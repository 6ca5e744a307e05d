//! The operations of the API by their addresses: what requests are counted as, and how pages name them.

use std::sync::LazyLock;

use axum::http::Method;
use axum::http::request::Parts;

/// No address of an operation has more parts.
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

/// All of them, by how many parts their addresses have: each request looks among those of its own length.
static ALL: LazyLock<[Vec<Operation>; MOST_PARTS + 1]> = LazyLock::new(|| {
    let (_, document) = super::endpoints().split();
    let mut all: [Vec<Operation>; MOST_PARTS + 1] = Default::default();
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
                let parts: Box<[_]> = path.split('/').map(fixed).collect();
                if let Some(of_length) = all.get_mut(parts.len()) {
                    of_length.push(Operation { id, method, path: path.clone(), summary, parts });
                }
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
            && pairs.all(|(known, given)| known.as_deref().is_none_or(|known| known == *given))
    };
    ALL.get(count)?.iter().find(fits)
}

/// The operation of that name, if this version has one.
pub(crate) fn named(id: &str) -> Option<&'static Operation> {
    ALL.iter().flatten().find(|operation| operation.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_found_by_its_address_alone() {
        let (_, document) = super::super::endpoints().split();
        let all: Vec<_> = ALL.iter().flatten().collect();
        assert_eq!(
            all.len(),
            document
                .paths
                .paths
                .values()
                .map(|item| {
                    [&item.get, &item.post, &item.patch, &item.delete].into_iter().flatten().count()
                })
                .sum::<usize>(),
        );
        for operation in all {
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
        let head = of_address(&Method::HEAD, "/v1/access").map(|found| &*found.id);
        assert_eq!(head, Some("showAccess"));
        for (method, path) in [(Method::PUT, "/v1/access"), (Method::GET, "/v1/access/"), (Method::GET, "/")]
        {
            assert!(of_address(&method, path).is_none(), "{method} {path}");
        }
    }
}
