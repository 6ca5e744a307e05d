use domain::{AuditEvent, ObjectRef, Stamp, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::OwnerShape;
use crate::keypairs::maker;

// The line's number and hash are for the operator: one counts what all customers do, and the other gives it away.
/// One line of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct AuditEventShape {
    /// Its identifier.
    #[schema(example = "evt_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who did it.
    actor: ActorShape,
    /// From which network address, where there is one.
    #[schema(required = true, example = "192.0.2.7")]
    address: Option<String>,
    /// What was done, as `object.verb`.
    #[schema(example = "keypair.disabled")]
    action: String,
    /// To what.
    object: ObjectShape,
    /// The account or environment in whose log it stands.
    #[schema(required = true)]
    owner: Option<OwnerShape>,
    /// The object before, without secrets; `null` for one that was made.
    #[schema(value_type = Option<Object>, required = true)]
    before: serde_json::Value,
    /// The object after, without secrets; `null` for one that is gone.
    #[schema(value_type = Option<Object>, required = true)]
    after: serde_json::Value,
}

/// Who made a change.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
struct ActorShape {
    /// `user`, `keypair`, `operator`, or `anonymous` for whoever has reported a leaked secret.
    #[serde(rename = "type")]
    #[schema(example = "user")]
    kind: &'static str,
    /// Its identifier; `null` for the operator and for `anonymous`.
    #[schema(required = true, example = "usr_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: Option<String>,
    /// Its identifier, or its type where it has none.
    #[schema(example = "usr_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    name: String,
    /// The client_id of the application that the person used or let in, or whose code or refresh token came again; only of
    /// such a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "app_01jx1m2q6fe8gtvdb2v3cx2xkq", required = false)]
    client_id: Option<String>,
}

/// What a change touched.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ChangedObject)]
struct ObjectShape {
    /// Its kind.
    #[serde(rename = "type")]
    #[schema(example = "keypair")]
    kind: String,
    /// Its identifier.
    #[schema(example = "key_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
}

impl From<&AuditEvent> for AuditEventShape {
    fn from(event: &AuditEvent) -> Self {
        Self {
            id: event.stamp.event.to_string(),
            at: event.stamp.at,
            actor: ActorShape::from(&event.stamp),
            address: event.stamp.address.clone(),
            action: event.action.clone(),
            object: ObjectShape::from(&event.object),
            owner: event.owner.as_ref().map(OwnerShape::from),
            before: event.before.clone(),
            after: event.after.clone(),
        }
    }
}

impl From<&Stamp> for ActorShape {
    fn from(stamp: &Stamp) -> Self {
        let actor = &stamp.actor;
        Self {
            kind: actor.kind(),
            id: actor.id(),
            // A program learns who a person is by identifier only, never by e-mail address.
            name: maker(actor),
            client_id: stamp.client.map(|client| client.to_string()),
        }
    }
}

impl From<&ObjectRef> for ObjectShape {
    fn from(object: &ObjectRef) -> Self {
        Self { kind: object.kind.clone(), id: object.id.clone() }
    }
}
