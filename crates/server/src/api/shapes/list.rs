use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = List)]
pub(crate) struct ListShape<T> {
    /// The page's items.
    pub(crate) items: Vec<T>,
    /// The `cursor` of the next page; `null` at the end.
    pub(crate) next_cursor: Option<String>,
}
