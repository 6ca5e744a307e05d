use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::{AllowedAddresses, ClientId, EventId, KeyId, Owner, Scopes, Standing, UserId};

/// Who made an administrative change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody with the operator's hands on the store.
    Operator,
    /// A person, signed in to the Web UI or through an application; named by the address that the person had then.
    User(UserId, String),
    /// A program with a token of this keypair.
    Keypair(KeyId),
    /// Somebody who did not say who it is, and needs no right but the secret that it has found.
    Anonymous,
}

impl Actor {
    /// `operator`, `user`, `keypair` or `anonymous`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::User(..) => "user",
            Self::Keypair(_) => "keypair",
            Self::Anonymous => "anonymous",
        }
    }

    /// Its identifier, where it has one.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Operator | Self::Anonymous => None,
            Self::User(id, _) => Some(id.to_string()),
            Self::Keypair(id) => Some(id.to_string()),
        }
    }

    /// What people know it by.
    pub fn name(&self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::User(_, email) => email.clone(),
            Self::Keypair(id) => id.to_string(),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }

    /// The actor that a store kept as [`kind`](Self::kind), [`id`](Self::id) and [`name`](Self::name).
    pub fn from_parts(kind: &str, id: Option<&str>, name: &str) -> Option<Self> {
        match (kind, id) {
            ("operator", None) => Some(Self::Operator),
            ("anonymous", None) => Some(Self::Anonymous),
            ("user", Some(id)) => Some(Self::User(id.parse().ok()?, name.to_owned())),
            ("keypair", Some(id)) => Some(Self::Keypair(id.parse().ok()?)),
            _ => None,
        }
    }
}

/// What every administrative change carries into the log: who, from where, when.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The event's identifier.
    pub event: EventId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// The application that the person used or let in, or whose code or refresh token somebody used again.
    pub client: Option<ClientId>,
    /// The client's network address, where there is one.
    pub address: Option<String>,
    /// What the right of a program or person to the change stands on; without it they have none. Not stored.
    pub standing: Option<Standing>,
}

/// The bits of a UUIDv7 below its version and variant that are random alone (RFC 9562 §5.7).
const RANDOM_BITS: u128 = (1 << 62) - 1;

impl Stamp {
    /// The same; if made with a token, its change hands on these scopes, and from where a program's keypair may be used.
    pub fn handing_on(self, scopes: Scopes, from: &AllowedAddresses) -> Self {
        Self { standing: self.standing.map(|standing| standing.handing_on(scopes, from)), ..self }
    }

    /// The stamp of the `n`th further line that the same change leaves: its event follows the first line's.
    pub fn further(&self, n: u32) -> Self {
        let first = self.event.uuid().as_u128();
        let event = (first & !RANDOM_BITS) | (first.wrapping_add(n.into()) & RANDOM_BITS);
        Self { event: EventId::from_uuid(Uuid::from_u128(event)), ..self.clone() }
    }
}

macro_rules! actions {
    ($($variant:ident = $name:literal,)*) => {
        /// What was done, as `object.verb`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $(#[doc = $name] $variant,)*
        }

        impl Action {
            /// Its name in the log.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The action of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

actions! {
    AccountCreated = "account.created",
    AccountRenamed = "account.renamed",
    AccountClosed = "account.closed",
    EnvironmentCreated = "environment.created",
    EnvironmentRenamed = "environment.renamed",
    EnvironmentClosed = "environment.closed",
    UserCreated = "user.created",
    UserPasswordChanged = "user.password_changed",
    UserRemoved = "user.removed",
    RoleGranted = "role.granted",
    RoleRevoked = "role.revoked",
    InvitationCreated = "invitation.created",
    InvitationAccepted = "invitation.accepted",
    InvitationRevoked = "invitation.revoked",
    KeypairCreated = "keypair.created",
    KeypairChanged = "keypair.changed",
    KeypairEnabled = "keypair.enabled",
    KeypairDisabled = "keypair.disabled",
    KeypairSecretAdded = "keypair.secret_added",
    KeypairSecretDeleted = "keypair.secret_deleted",
    KeypairSecretRetired = "keypair.secret_retired",
    KeypairSecretLeaked = "keypair.secret_leaked",
    KeypairTokenRevoked = "keypair.token_revoked",
    KeypairPublicKeyAdded = "keypair.public_key_added",
    KeypairPublicKeyDeleted = "keypair.public_key_deleted",
    KeypairRemoved = "keypair.removed",
    ApplicationCreated = "application.created",
    ApplicationRemoved = "application.removed",
    GrantCreated = "grant.created",
    GrantRevoked = "grant.revoked",
    GrantReused = "grant.reused",
    QueryCreated = "query.created",
    QueryChanged = "query.changed",
    QueryClosed = "query.closed",
    SigningKeyCreated = "signing_key.created",
    SigningKeyRemoved = "signing_key.removed",
    MasterKeyRotated = "master_key.rotated",
    StoreRestored = "store.restored",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The object that a change touched: its kind and its identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// `keypair`, `environment`, …
    pub kind: String,
    /// Its identifier.
    pub id: String,
}

impl ObjectRef {
    /// The object `id` of that kind.
    pub fn new(kind: &str, id: impl fmt::Display) -> Self {
        Self { kind: kind.to_owned(), id: id.to_string() }
    }
}

/// One line of the log. Also one entry of the change feed.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// Its place in the order of commits.
    pub sequence: i64,
    /// Who, from where, when.
    pub stamp: Stamp,
    /// What was done: the name of an [`Action`], or of something that only a newer version does.
    pub action: String,
    /// To what.
    pub object: ObjectRef,
    /// The account or environment in whose log it stands; none for what belongs to the installation.
    pub owner: Option<Owner>,
    /// The object before, without secrets; `null` for one that was made.
    pub before: Value,
    /// The object after, without secrets; `null` for one that is gone.
    pub after: Value,
    /// The hash of the line before it.
    pub previous: ChainHash,
    /// Its own hash, over all of the above.
    pub hash: ChainHash,
}

/// The link from one line of the log to the next: SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainHash(pub [u8; 32]);

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl AuditEvent {
    /// The hash that this line must carry. Each field is preceded by its length, so no two lines read the same.
    pub fn expected_hash(&self) -> ChainHash {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut field = |text: &str| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        };
        field(&self.previous.to_string());
        field(&self.sequence.to_string());
        field(&self.stamp.event.to_string());
        field(&self.stamp.at.as_millisecond().to_string());
        field(self.stamp.actor.kind());
        field(&self.stamp.actor.id().unwrap_or_default());
        field(&self.stamp.actor.name());
        field(self.stamp.address.as_deref().unwrap_or_default());
        field(&self.action);
        field(&self.object.kind);
        field(&self.object.id);
        field(&self.owner.map(|owner| owner.to_string()).unwrap_or_default());
        field(&self.before.to_string());
        field(&self.after.to_string());
        // Lines from before there were applications have no such field.
        if let Some(client) = self.stamp.client {
            field(&client.to_string());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        ChainHash(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_application_is_part_of_the_hash_of_the_lines_that_have_one() {
        let mut event = AuditEvent {
            sequence: 7,
            stamp: Stamp {
                event: "evt_00000000000000000000000000".parse().unwrap(),
                at: Timestamp::UNIX_EPOCH,
                actor: Actor::User(
                    "usr_00000000000000000000000000".parse().unwrap(),
                    "a@example.com".to_owned(),
                ),
                client: None,
                address: Some("192.0.2.7".to_owned()),
                standing: None,
            },
            action: Action::KeypairDisabled.name().to_owned(),
            object: ObjectRef::new("keypair", "key_00000000000000000000000000"),
            owner: Some(Owner::Account("acc_00000000000000000000000000".parse().unwrap())),
            before: serde_json::json!({"enabled": true}),
            after: serde_json::json!({"enabled": false}),
            previous: ChainHash([9; 32]),
            hash: ChainHash::default(),
        };
        let mut hashes = HashSet::new();
        let mut hash_of = |client: Option<&str>| {
            event.stamp.client = client.map(|client| client.parse().unwrap());
            let hash = event.expected_hash().to_string();
            assert!(hashes.insert(hash.clone()), "{client:?}");
            hash
        };
        assert_eq!(
            hash_of(None),
            "736eefe8ba4d00abe27c2cc41f10ee6a0fa1778664e8f375a355027946b8512a",
            "as ever"
        );
        hash_of(Some("feedback-cli"));
        hash_of(Some("app_00000000000000000000000000"));
    }

    #[test]
    fn further_lines_of_a_change_have_events_of_their_own() {
        for uuid in ["019c2f4e-0000-7000-8000-000000000000", "019c2f4e-0000-7000-bfff-ffffffffffff"] {
            let event = EventId::from_uuid(uuid.parse().unwrap());
            let stamp = Stamp {
                event,
                at: Timestamp::UNIX_EPOCH,
                actor: Actor::Operator,
                client: None,
                address: Some("::1".into()),
                standing: None,
            };
            let further: Vec<_> = (1..=1000).map(|n| stamp.further(n)).collect();
            let mut events: HashSet<_> = further.iter().map(|stamp| stamp.event).collect();
            events.insert(stamp.event);
            assert_eq!(events.len(), 1001);
            let same = |uuid: Uuid| (uuid.get_version_num(), uuid.get_variant(), uuid.get_timestamp());
            for stamp in further {
                assert_eq!(same(stamp.event.uuid()), same(event.uuid()));
                assert_eq!((stamp.at, stamp.address.as_deref()), (Timestamp::UNIX_EPOCH, Some("::1")));
            }
        }
    }
}
