//! What opens a keypair, as its pages show it: its secrets, its public keys, and what they are bound to.

use domain::{Keypair, PublicKey, Secret, Timestamp, TokenBinding};

use super::when::{When, length};
use crate::app::App;
use crate::keypairs;

/// A secret in the list, also one that opens nothing any more.
pub(super) struct SecretRow {
    pub(super) n: u32,
    pub(super) hint: String,
    pub(super) created: When,
    pub(super) last_used: Option<When>,
    pub(super) live: bool,
    /// When it ends, or has.
    pub(super) expires: Option<When>,
    /// What has to be so for it to end by itself.
    pub(super) ends_when: Option<String>,
    /// For how long it has been idle, if nobody would notice that it goes.
    pub(super) safe_to_retire: Option<String>,
    pub(super) leaked: Option<When>,
    /// Whether it may go, which leaves something that opens the keypair.
    pub(super) may_end: bool,
}

impl SecretRow {
    fn new(keypair: &Keypair, secret: &Secret, now: Timestamp) -> Self {
        let live = secret.is_live(now);
        let idle = secret.retirement.map(|retirement| length(retirement.when_idle));
        Self {
            n: secret.n,
            hint: format!("fbs_…{}", secret.hint),
            created: When::new(secret.created_at, now),
            last_used: secret.last_used_at.map(|at| When::new(at, now)),
            live,
            expires: secret.expires_at.map(|at| When::new(at, now)),
            ends_when: idle.filter(|_| live).map(|idle| format!("Once not used for {idle}")),
            safe_to_retire: keypair.idle_and_replaced(secret, now).filter(|_| live).map(length),
            leaked: secret.leaked_at.map(|at| When::new(at, now)),
            may_end: keypair.without_secret(secret.n, now).is_ok(),
        }
    }
}

/// The secrets, the oldest first.
pub(super) fn secrets(keypair: &Keypair, now: Timestamp) -> Vec<SecretRow> {
    keypair.secrets.iter().map(|secret| SecretRow::new(keypair, secret, now)).collect()
}

/// A public key in the list.
pub(super) struct PublicKeyRow {
    pub(super) n: u32,
    pub(super) kid: String,
    /// Its beginning, to tell it from others.
    pub(super) short: String,
    pub(super) copy_target: String,
    pub(super) algorithm: &'static str,
    pub(super) created: When,
    pub(super) last_used: Option<When>,
    pub(super) expires: Option<When>,
}

const SHORT: usize = 8;

/// The public keys that work, the oldest first.
pub(super) fn public_keys(keypair: &Keypair, now: Timestamp) -> Vec<PublicKeyRow> {
    let row = |public: &PublicKey| {
        let kid = public.key.thumbprint().to_string();
        PublicKeyRow {
            n: public.n,
            short: format!("{}…", kid.chars().take(SHORT).collect::<String>()),
            kid,
            copy_target: format!("kid-{}", public.n),
            algorithm: public.key.algorithm().name(),
            created: When::new(public.created_at, now),
            last_used: public.last_used_at.map(|at| When::new(at, now)),
            expires: public.expires_at.map(|at| When::new(at, now)),
        }
    };
    keypair.public_keys.iter().filter(|public| public.is_live(now)).map(row).collect()
}

/// What a keypair is opened by and on which conditions, in words.
pub(super) struct Terms {
    pub(super) accepts: &'static str,
    pub(super) binding: &'static str,
    /// Whether nothing can meet what its tokens must be bound to.
    pub(super) unmet: bool,
    /// From where it may be used; from anywhere if there is none.
    pub(super) networks: Vec<String>,
}

impl Terms {
    /// Those of `keypair`.
    pub(super) fn of(app: &App, keypair: &Keypair, now: Timestamp) -> Self {
        let signs = keypair.public_keys.iter().any(|public| public.is_live(now));
        Self {
            accepts: match (keypair.accepts_secrets, signs) {
                (true, false) => "Key Secrets",
                (true, true) => "Key Secrets, and what its public keys verify",
                (false, _) => "What its public keys verify; no Key Secrets",
            },
            binding: match keypair.token_binding {
                TokenBinding::None => "Nothing required",
                TokenBinding::Dpop => "To the program’s key, by DPoP",
                TokenBinding::Mtls => "To the program’s certificate, by mTLS",
            },
            unmet: !keypairs::can_be_bound(app, keypair.token_binding),
            networks: keypair.allowed_addresses.names(),
        }
    }
}
