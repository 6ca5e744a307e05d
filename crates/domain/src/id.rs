use jiff::Timestamp;
use type_safe_id::{StaticType, TypeSafeId};

use crate::Entropy;

/// The prefix of a kind of identifier.
pub trait IdKind: StaticType {}

macro_rules! ids {
    ($($(#[$doc:meta])* $alias:ident = $kind:ident, $prefix:literal;)*) => {$(
        #[doc(hidden)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $kind;

        impl StaticType for $kind {
            const TYPE: &'static str = $prefix;
        }

        impl IdKind for $kind {}

        $(#[$doc])*
        pub type $alias = TypeSafeId<$kind>;
    )*};
}

ids! {
    /// `acc_…`
    AccountId = AccountKind, "acc";
    /// `env_…`
    EnvironmentId = EnvironmentKind, "env";
    /// `usr_…`
    UserId = UserKind, "usr";
    /// `key_…`: the public half of a keypair, and its client_id.
    KeyId = KeyKind, "key";
    /// `app_…`: a registered application, and its client_id.
    ApplicationId = ApplicationKind, "app";
    /// `gra_…`: what a person let an application do.
    GrantId = GrantKind, "gra";
    /// `qry_…`
    QueryId = QueryKind, "qry";
    /// `rsp_…`
    ResponseId = ResponseKind, "rsp";
    /// `evt_…`: an audit event.
    EventId = EventKind, "evt";
}

/// A new identifier: a UUIDv7 (RFC 9562 §5.7) made at `at`.
pub fn new_id<K: IdKind>(at: Timestamp, entropy: &dyn Entropy) -> TypeSafeId<K> {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    TypeSafeId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let older: KeyId = new_id(at(1_700_000_000_000), &Zeros);
        let newer: KeyId = new_id(at(1_700_000_000_001), &Zeros);
        assert!(older.to_string() < newer.to_string());
        assert!(older.to_string().starts_with("key_"));
        assert_eq!(older.to_string().parse::<KeyId>().unwrap(), older);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let key: KeyId = new_id(Timestamp::UNIX_EPOCH, &Zeros);
        assert!(key.to_string().parse::<EnvironmentId>().is_err());
    }
}
