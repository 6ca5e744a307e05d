use domain::Timestamp;
use serde::Serialize;
use storage::ApplicationInUse;
use utoipa::ToSchema;

use super::OwnerShape;

/// A program that people can let act in their names.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Application)]
pub(crate) struct ApplicationShape {
    /// Its identifier, and its `client_id`.
    #[schema(example = "app_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
    /// Where people can let it act: there, and below.
    owner: OwnerShape,
    /// What people see when it asks them.
    #[schema(example = "Dashboard")]
    name: String,
    /// Where answers to it may go.
    #[schema(example = json!(["https://dashboard.example.com/callback"]))]
    redirect_uris: Vec<String>,
    /// How many people let it act at this moment.
    #[schema(example = 3)]
    people: u64,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<&ApplicationInUse> for ApplicationShape {
    fn from(found: &ApplicationInUse) -> Self {
        let ApplicationInUse { application, people } = found;
        Self {
            id: application.id.to_string(),
            owner: OwnerShape::from(&application.owner),
            name: application.name.to_string(),
            redirect_uris: application.redirect_uris.iter().map(ToString::to_string).collect(),
            people: *people,
            created_at: application.created_at,
        }
    }
}
