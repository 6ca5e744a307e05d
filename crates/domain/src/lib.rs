//! The nouns and rules of Feedback.
//!
//! Pure: no HTTP, no SQL, no clock and no randomness of its own. What the server is asked to do is decided by
//! functions in here; everything around them loads, calls and saves.

mod account;
mod allowed_addresses;
mod application;
mod application_grant;
mod audit;
mod chance;
mod clock;
mod code_challenge;
mod credential;
mod ed25519_point;
mod held;
mod id;
mod key_secret;
mod keypair;
mod keypair_refusal;
mod keypair_usage;
mod owner;
mod public_key;
mod query;
mod redirect_uri;
mod refresh_token;
mod report;
mod response;
mod role;
mod rotation;
mod scope;
mod secret;
mod signing_key;
mod standing;
mod state;
mod text;
mod token;
mod token_binding;
mod usage;
mod user;
mod verifying_key;

pub use account::{Account, Environment};
pub use allowed_addresses::{AddressesError, AllowedAddresses, MAX_NETWORKS};
pub use application::{Application, Client, ClientId, MalformedClientId};
pub use application_grant::{
    ApplicationGrant, AuthorizationCode, CodeExchange, GrantRefusal, GrantTokenClaims, LiveGrant, Wanted,
};
pub use audit::{Action, Actor, AuditEvent, ChainHash, ObjectRef, Stamp};
pub use chance::Entropy;
pub use clock::{Clock, from_millis, truncated_to_millis, utc_date};
pub use code_challenge::{CodeChallenge, MalformedChallenge};
pub use credential::Credential;
pub use held::Held;
pub use id::{
    AccountId, ApplicationId, EnvironmentId, EventId, GrantId, IdKind, KeyId, QueryId, ResponseId, UserId,
    new_id,
};
pub use key_secret::{KeySecret, MalformedSecret, SecretHash};
pub use keypair::{Keypair, KeypairEdit, KeypairStatus, NewKeypair};
pub use keypair_refusal::KeypairRefusal;
pub use keypair_usage::{KeypairUsage, OperationUse, ScopeUse, UsageDay};
pub use owner::Owner;
pub use public_key::{MAX_PUBLIC_KEYS, PublicKey};
pub use query::Query;
pub use redirect_uri::{RedirectUri, RedirectUriError, RedirectUris};
pub use refresh_token::RefreshToken;
pub use report::{
    MAX_DAYS, MAX_HISTORY, Period, PeriodError, Point, QueryStatistics, Scores, Series, every_day,
};
pub use response::{MAX_BATCH, NewResponse, PersonHash, ResponseError, SubmittedResponse, check_batch};
pub use role::{Grant, Member, Place, Role, effective_role};
pub use rotation::{MAX_IDLE, MAX_OVERLAP, MAX_SECRETS, MIN_IDLE, OldSecrets, Retirement, USES_KNOWN_WITHIN};
pub use scope::{Scope, ScopeError, Scopes, grant_scopes};
pub use secret::Secret;
pub use signing_key::{
    MAX_TOKEN_LIFETIME, PUBLISHED_FIRST, SigningKeyHash, SigningKeyLife, SigningKeyState, signing_key,
    signing_key_is_due, signing_key_lives,
};
pub use standing::{Fallen, Standing};
pub use state::State;
pub use text::{Comment, Email, Name, QuestionText, TextError};
pub use token::{MAX_REVOKED, MalformedTokenId, Outlived, RevokedToken, TokenClaims, TokenId};
pub use token_binding::{Confirmation, TokenBinding, UnknownBinding};
pub use usage::{
    Activity, Call, CountedUsage, KeypairInUse, OperationId, Program, USAGE_KEPT, USAGE_RECENT, USAGE_SHOWN,
    Usage, let_in_by, usage_from,
};
pub use user::{PasswordHash, User};
pub use verifying_key::{AssertionAlgorithm, MalformedThumbprint, PublicKeyError, Thumbprint, VerifyingKey};

pub use jiff::{SignedDuration, Timestamp, civil::Date};
