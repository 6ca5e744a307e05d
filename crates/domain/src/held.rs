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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::tests::{ADMIN_AND_REPORTS, keypair, later, new_keypair, now};
    use crate::{Actor, Comment, Keypair, KeypairEdit, NewKeypair, OldSecrets, Scope};

    #[test]
    fn a_program_hands_on_no_more_than_it_holds() {
        let (keypair, _, entropy) = keypair(ADMIN_AND_REPORTS);
        let own = Held { scopes: Scope::Admin.into(), allowed_addresses: AllowedAddresses::default() };
        let held = Some(&own);
        let lacking = Err(KeypairRefusal::BeyondCaller(Scope::ReportRead.into()));
        let edit = |keypair: &Keypair, edit: KeypairEdit| keypair.edited(&edit, held, now());
        let scopes =
            |scopes: &str| KeypairEdit { scopes: Some(scopes.parse().unwrap()), ..KeypairEdit::default() };
        let enable = KeypairEdit { enabled: Some(true), ..KeypairEdit::default() };
        let forever = KeypairEdit { expires_at: Some(None), ..KeypairEdit::default() };

        let narrow = edit(&keypair, scopes("feedback-admin")).unwrap();
        assert_eq!(edit(&narrow, scopes(ADMIN_AND_REPORTS)), lacking);
        let disabled =
            edit(&keypair, KeypairEdit { enabled: Some(false), ..KeypairEdit::default() }).unwrap();
        assert_eq!(edit(&disabled, enable), lacking);
        let expiring = KeypairEdit { expires_at: Some(Some(later(60))), ..KeypairEdit::default() };
        let expiring = edit(&keypair, expiring).unwrap();
        assert_eq!(edit(&expiring, forever), lacking);
        assert_eq!(
            keypair.rotated(OldSecrets::Stay, held, now(), &entropy).map(|_| ()),
            lacking.map(|_: Keypair| ())
        );
        let comment = KeypairEdit { comment: Some(Comment::new("x").unwrap()), ..KeypairEdit::default() };
        assert!(edit(&keypair, comment).is_ok(), "what widens nothing is allowed");
    }

    #[test]
    fn a_program_lets_no_keypair_be_used_from_where_its_own_may_not() {
        let list = |text: &str| text.parse::<AllowedAddresses>().unwrap();
        let from = |text: &str| KeypairEdit { allowed_addresses: Some(list(text)), ..KeypairEdit::default() };
        let scopes =
            |scopes: &str| KeypairEdit { scopes: Some(scopes.parse().unwrap()), ..KeypairEdit::default() };
        let enabled = |enabled| KeypairEdit { enabled: Some(enabled), ..KeypairEdit::default() };
        let (anywhere, _, entropy) = keypair(ADMIN_AND_REPORTS);
        let within = anywhere.edited(&from("10.1.0.0/16"), None, now()).unwrap();
        let own = Held { scopes: anywhere.scopes, allowed_addresses: list("10.0.0.0/8") };
        let edit = |keypair: &Keypair, edit: &KeypairEdit| keypair.edited(edit, Some(&own), now());
        let refusal = KeypairRefusal::BeyondCallersAddresses(own.allowed_addresses.clone());
        let beyond = |edited: Result<Keypair, KeypairRefusal>| assert_eq!(edited, Err(refusal.clone()));

        for wider in ["", "10.1.0.0/16 192.0.2.0/24", "0.0.0.0/0", "::1"] {
            beyond(edit(&within, &from(wider)));
            let new = NewKeypair { allowed_addresses: list(wider), ..new_keypair("feedback-admin") };
            beyond(Keypair::create(new, Some(&own), Actor::Operator, now(), &entropy).map(|made| made.0));
        }
        assert!(edit(&within, &from("10.0.0.0/8")).is_ok() && edit(&within, &from("10.1.2.3")).is_ok());
        assert!(edit(&anywhere, &from("192.0.2.0/24")).is_ok(), "narrower than it was");
        assert!(edit(&anywhere, &scopes("feedback-admin")).is_ok());
        let disabled = |keypair: &Keypair| edit(keypair, &enabled(false)).unwrap();
        beyond(edit(&disabled(&anywhere), &enabled(true)));
        assert!(edit(&disabled(&within), &enabled(true)).is_ok());
        let rotated = |keypair: &Keypair| keypair.rotated(OldSecrets::Stay, Some(&own), now(), &entropy);
        beyond(rotated(&anywhere).map(|rotated| rotated.0));
        assert!(rotated(&within).is_ok());

        // What is added on one side is added to all that is on the other.
        let less = anywhere.edited(&scopes("feedback-admin"), None, now()).unwrap();
        beyond(edit(&less, &scopes(ADMIN_AND_REPORTS)));
        let lacking = Held { scopes: Scope::Admin.into(), allowed_addresses: AllowedAddresses::default() };
        let widened = within.edited(&from("10.0.0.0/8"), Some(&lacking), now());
        assert_eq!(widened, Err(KeypairRefusal::BeyondCaller(Scope::ReportRead.into())));
    }
}
