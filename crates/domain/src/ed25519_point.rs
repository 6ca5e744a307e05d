//! Points of Ed25519 that are no public keys.

/// 2^255 - 19, the prime of Ed25519's field, in little-endian.
const ED25519_PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The second coordinates of the points of Ed25519 whose order divides 8, in little-endian: for a key that is one of them
/// anybody can make signatures that hold, of nearly any message.
const ED25519_SMALL_ORDER: [[u8; 32]; 5] = {
    let zero = [0; 32];
    let (mut one, mut minus_one) = (zero, ED25519_PRIME);
    one[0] = 1;
    minus_one[0] = 0xec;
    [
        zero,
        one,
        minus_one,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ]
};

/// Whether it is the encoding of a point of small order, or no canonical encoding (RFC 8032 §5.1.3).
pub(crate) fn is_weak(ed25519: &[u8; 32]) -> bool {
    let mut y = *ed25519;
    y[31] &= 0x7f;
    y.iter().rev().ge(ED25519_PRIME.iter().rev()) || ED25519_SMALL_ORDER.contains(&y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PublicKeyError, VerifyingKey};
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    /// What stands before the point in the SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 §4).
    const ED25519_DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

    fn read(text: &str) -> Result<VerifyingKey, PublicKeyError> {
        VerifyingKey::from_text(text, None)
    }

    fn ed25519(bytes: [u8; 32]) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes))
    }

    fn number(n: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[0] = n;
        bytes
    }

    #[test]
    fn points_that_hide_nothing_are_no_keys() {
        let not_canonical = (0xed..=0xff).map(|first| {
            let mut above = ED25519_PRIME;
            above[0] = first;
            above
        });
        for point in ED25519_SMALL_ORDER.into_iter().chain(not_canonical) {
            for sign in [0, 0x80] {
                let mut signed = point;
                signed[31] |= sign;
                assert_eq!(read(&ed25519(signed)), Err(PublicKeyError::Weak), "{signed:x?}");
                let der = [ED25519_DER.as_slice(), signed.as_slice()].concat();
                let pem = format!(
                    "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                    STANDARD.encode(der)
                );
                assert_eq!(read(&pem), Err(PublicKeyError::Weak), "{pem}");
            }
        }
        assert_eq!(read(&ed25519(number(3))).map(|_| ()), Ok(()), "a point as others");
    }

    #[test]
    fn a_signature_that_anybody_can_make_holds_for_a_weak_point() {
        // Which is why they are refused: R = S·B with S = 0, and the key of order 1 adds nothing.
        let mut signature = [0; 64];
        signature[0] = 1;
        let weak = UnparsedPublicKey::new(&ED25519, number(1));
        assert!(weak.verify(b"whatever", &signature).is_ok());
    }
}
