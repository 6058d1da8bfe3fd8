//! TLVs after the base packet in authenticated mode. The HMAC TLV authenticates them (RFC 8972,
//! section 4.8); the HMAC in the base packet does not, since it covers only the base packet.

use crate::seq::Seq;
use crate::wire::auth::{Key, TRUNCATED};
use crate::wire::stamp::AUTHENTICATED;

/// The length of a TLV header, in bytes: flags, type, and the length of the value.
const HEADER: usize = 4;

/// The type of the HMAC TLV (RFC 8972, section 5.1).
const HMAC: u8 = 8;

/// The U flag, set on a TLV that has not been recognised yet.
const UNRECOGNISED: u8 = 0x80;

/// Overwrites with zeros what follows the base packet in `datagram` and is not authenticated, so
/// that the length stays the same and nothing is reflected that was written without the key. The
/// HMAC TLV becomes that of a reply with the number `seq`; its flags, which no HMAC covers, become
/// those that a sender sets (RFC 8972, section 4).
pub(crate) fn keep_authenticated(key: &Key, seq: Seq, datagram: &mut [u8]) {
    let Some((base, rest)) = datagram.split_at_mut_checked(AUTHENTICATED) else { return };
    let Some(at) = hmac_tlv(rest) else { return rest.fill(0) };
    let (covered, after) = rest.split_at_mut(at + HEADER);
    let covered = &covered[..at];
    // The HMAC covers the number in the base packet and all TLVs before it.
    let hmac_of = |number: &[u8]| key.truncated(&[number, covered].concat());
    let Some((tag, after)) = after.split_first_chunk_mut::<TRUNCATED>() else { return };
    if key.is_truncated(&[&base[..4], covered].concat(), tag) {
        *tag = hmac_of(&seq.0.to_be_bytes());
        after.fill(0);
        rest[at] = UNRECOGNISED;
    } else {
        rest.fill(0);
    }
}

/// Returns the offset of the first complete HMAC TLV, if there is one.
fn hmac_tlv(tlvs: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let [_, kind, high, low] = *tlvs.get(at..)?.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let end = at + HEADER + length;
        if kind == HMAC {
            return (length == TRUNCATED && end <= tlvs.len()).then_some(at);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::server::tests::key;

    /// A base packet that begins with that number; the rest of it does not matter here.
    fn packet(seq: u32, rest: &[u8]) -> Vec<u8> {
        [&seq.to_be_bytes()[..], &[0x55; AUTHENTICATED - 4], rest].concat()
    }

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[UNRECOGNISED, kind, 0, value.len() as u8], value].concat()
    }

    /// Applies `keep_authenticated`, for a reply with the number `seq`, to `rest` after base packet
    /// number 7, and returns the result for `rest`.
    fn kept(rest: &[u8], seq: u32) -> Vec<u8> {
        let mut datagram = packet(7, rest);
        keep_authenticated(&key(), Seq(seq), &mut datagram);
        assert_eq!(datagram[..AUTHENTICATED], packet(7, &[]));
        datagram.split_off(AUTHENTICATED)
    }

    /// From Python: `hmac.digest(bytes(range(16)), bytes.fromhex("00000007" "8001000461626364"),
    /// "sha256")[:16]`.
    const TAG: &str = "f61585854fb1695bd471face28a0b4aa";

    fn sealed() -> Vec<u8> {
        let tag = base16ct::lower::decode_vec(TAG).unwrap();
        [tlv(1, b"abcd"), tlv(HMAC, &tag)].concat()
    }

    #[test]
    fn tlvs_with_their_hmac_come_back_as_they_were_sent() {
        assert_eq!(kept(&sealed(), 7), sealed());
    }

    #[test]
    fn the_hmac_is_of_the_number_of_the_reply() {
        let reply = kept(&sealed(), 9);
        assert_eq!(reply[..12], sealed()[..12]);
        assert_eq!(
            reply[12..],
            key().truncated(&[&9_u32.to_be_bytes()[..], &tlv(1, b"abcd")].concat())
        );
    }

    #[test]
    fn what_is_not_authenticated_becomes_zeros() {
        let after = [sealed(), b"more".to_vec()].concat();
        assert_eq!(kept(&after, 7), [sealed(), vec![0; 4]].concat());
        let sealed = sealed();
        for byte in 0..sealed.len() {
            let mut spoilt = sealed.clone();
            spoilt[byte] ^= 1;
            // No HMAC covers the flags of the HMAC TLV.
            let expected = if byte == 8 { sealed.clone() } else { vec![0; sealed.len()] };
            assert_eq!(kept(&spoilt, 7), expected, "{byte}");
            assert_eq!(kept(&sealed[..byte], 7), vec![0; byte]);
        }
        assert_eq!(kept(b"padding", 7), [0; 7]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_come_back(rest: Vec<u8>, prefix in 0..40_usize) {
            prop_assert!(kept(&rest, 7).iter().all(|b| *b == 0));
            let cut = [&sealed()[..prefix.min(sealed().len() - 1)], &rest].concat();
            let length = cut.len();
            prop_assert_eq!(kept(&cut, 7).len(), length);
        }
    }
}
