use crate::{AllowedAddresses, KeypairRefusal, Scopes};

/// What a program that makes or changes a keypair holds itself: it can't hand on more. A person and the operator may hand
/// on anything, and have none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The scopes that its token has.
    pub scopes: Scopes,
    /// From where its own keypair may be used.
    pub allowed_addresses: AllowedAddresses,
}

/// Refuses that a keypair comes to request `scopes` from `addresses`, if the caller can't.
pub(crate) fn within_held(
    scopes: Scopes,
    addresses: &AllowedAddresses,
    held: Option<&Held>,
) -> Result<(), KeypairRefusal> {
    let Some(held) = held else {
        return Ok(());
    };
    if !scopes.within(held.scopes) {
        return Err(KeypairRefusal::BeyondCaller(scopes.minus(held.scopes)));
    }
    match addresses.beyond(&held.allowed_addresses) {
        Some(_) => Err(KeypairRefusal::BeyondCallersAddresses(held.allowed_addresses.clone())),
        None => Ok(()),
    }
}
