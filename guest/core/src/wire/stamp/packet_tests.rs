//! Packets worked out by hand from the figures of RFC 8762 and RFC 8972, in both modes and both
//! directions.

use super::*;
use crate::time::UnixTime;
use proptest::prelude::*;

const DIGITS: &str = "000102030405060708090a0b0c0d0e0f";

fn key() -> Key {
    Key::from_hex(DIGITS).unwrap()
}

/// Decodes hexadecimal digits, ignoring white space.
fn bytes(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    base16ct::lower::decode_vec(digits).unwrap()
}

fn at(seconds: u64, nanoseconds: u32) -> Timestamp {
    Timestamp::ntp(UnixTime { seconds, nanoseconds })
}

/// T1 is 1,700,000,000.5 s, T2 is a quarter of a second later, and T3 half a second.
fn request() -> Request {
    let error = ErrorEstimate::from_bits(0x12a4);
    Request { seq: Seq(0x0102_0304), sent: at(1_700_000_000, 500_000_000), error, ssid: 0xbeef }
}

fn reply() -> Reply {
    Reply {
        seq: Seq(5),
        sent: at(1_700_000_001, 0),
        error: ErrorEstimate::from_bits(0x9980),
        ssid: 0xbeef,
        received: at(1_700_000_000, 750_000_000),
        sender_seq: Seq(0x0102_0304),
        sender_sent: at(1_700_000_000, 500_000_000),
        sender_error: ErrorEstimate::from_bits(0x12a4),
        sender_ttl: 255,
    }
}

/// RFC 8762, figure 1, with RFC 8972, figure 1: 3,908,988,800 is e8fe6f80.
const OPEN_REQUEST: &str = "
    01020304
    e8fe6f80 80000000
    12a4 beef
    00000000 00000000 00000000 00000000 00000000 00000000 00000000";

/// RFC 8762, figure 5, with RFC 8972, figure 2.
const OPEN_REPLY: &str = "
    00000005
    e8fe6f81 00000000
    9980 beef
    e8fe6f80 c0000000
    01020304
    e8fe6f80 80000000
    12a4 0000
    ff 000000";

/// RFC 8762, figure 3, with RFC 8972, figure 3, without the HMAC.
const KEYED_REQUEST: &str = "
    01020304
    00000000 00000000 00000000
    e8fe6f80 80000000
    12a4 beef
    00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
    00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000";

/// RFC 8762, figure 6, with RFC 8972, figure 4, without the HMAC.
const KEYED_REPLY: &str = "
    00000005
    00000000 00000000 00000000
    e8fe6f81 00000000
    9980 beef 00000000
    e8fe6f80 c0000000
    00000000 00000000
    01020304
    00000000 00000000 00000000
    e8fe6f80 80000000
    12a4 0000 00000000
    ff 000000 00000000 00000000 00000000";

/// From Python: `hmac.digest(bytes(range(16)), bytes.fromhex(KEYED_REQUEST), "sha256")[:16]`.
const REQUEST_HMAC: &str = "4efc594adfea325b15f71df94c39c9b6";

/// From Python, in the same way, for [`KEYED_REPLY`].
const REPLY_HMAC: &str = "2788ecea551256ddae0455e720ba6c30";

/// A request and a reply of each mode, with the expected bytes.
fn table() -> [(Option<Key>, Vec<u8>, Vec<u8>); 2] {
    [
        (None, bytes(OPEN_REQUEST), bytes(OPEN_REPLY)),
        (
            Some(key()),
            bytes(&(KEYED_REQUEST.to_owned() + REQUEST_HMAC)),
            bytes(&(KEYED_REPLY.to_owned() + REPLY_HMAC)),
        ),
    ]
}

fn encoded(request: &Request, size: usize, key: Option<&Key>) -> Vec<u8> {
    let mut datagram = b"left over".to_vec();
    request.encode(size, key, &mut datagram);
    datagram
}

#[test]
fn packets_are_as_the_figures_have_them() {
    for (key, request_bytes, reply_bytes) in table() {
        let key = key.as_ref();
        assert_eq!(
            request_bytes.len(),
            if key.is_some() { AUTHENTICATED } else { UNAUTHENTICATED }
        );
        assert_eq!(encoded(&request(), 0, key), request_bytes);
        assert_eq!(Request::decode(&request_bytes, key), Ok(request()));
        let mut datagram = request_bytes;
        reply().encode(key, &mut datagram);
        assert_eq!(datagram, reply_bytes);
        assert_eq!(Reply::decode(&reply_bytes, key), Ok(reply()));
    }
}

#[test]
fn request_padding_is_zero_and_reply_copies_trailing_bytes() {
    for (key, request_bytes, reply_bytes) in table() {
        let key = key.as_ref();
        let padded = encoded(&request(), request_bytes.len() + 5, key);
        assert_eq!(padded, [request_bytes, vec![0; 5]].concat());
        let mut datagram = padded;
        let end = datagram.len();
        datagram[end - 5..].copy_from_slice(b"extra");
        assert_eq!(Request::decode(&datagram, key), Ok(request()));
        reply().encode(key, &mut datagram);
        assert_eq!(datagram, [reply_bytes, b"extra".to_vec()].concat());
    }
}

#[test]
fn zero_fields_of_a_reply_contain_nothing_of_the_request() {
    for (key, _, reply_bytes) in table() {
        let mut datagram = vec![0xff; reply_bytes.len()];
        reply().encode(key.as_ref(), &mut datagram);
        assert_eq!(datagram, reply_bytes);
    }
}

#[test]
fn what_is_shorter_than_a_base_packet_is_none() {
    for (key, request_bytes, reply_bytes) in table() {
        for length in 0..request_bytes.len() {
            assert_eq!(
                Request::decode(&request_bytes[..length], key.as_ref()),
                Err(NotStamp::Short)
            );
            if key.is_some() || length < 38 {
                assert_eq!(
                    Reply::decode(&reply_bytes[..length], key.as_ref()),
                    Err(NotStamp::Short)
                );
            }
        }
    }
}

/// RFC 5357, section 4.2.1: 41 bytes, the last of which is the TTL of the request; some reflectors
/// leave out that and the zeros before it.
#[test]
fn a_reply_of_twamp_light_is_a_reply() {
    let reply_bytes = &table()[0].2;
    for length in 38..UNAUTHENTICATED {
        let sender_ttl = if length > 40 { reply().sender_ttl } else { UNKNOWN_TTL };
        assert_eq!(
            Reply::decode(&reply_bytes[..length], None),
            Ok(Reply { sender_ttl, ..reply() }),
            "{length}"
        );
    }
    let mut invalid = reply_bytes[..41].to_vec();
    invalid[13] = 0;
    assert_eq!(Reply::decode(&invalid, None), Err(NotStamp::ErrorEstimate));
}

#[test]
fn hmac_covers_every_bit_of_the_base_packet_and_none_after() {
    let (request_bytes, reply_bytes) =
        (encoded(&request(), 120, Some(&key())), table()[1].2.clone());
    for bit in 0..request_bytes.len() * 8 {
        let mut wrong = request_bytes.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit / 8 < AUTHENTICATED { Err(NotStamp::Hmac) } else { Ok(request()) };
        assert_eq!(Request::decode(&wrong, Some(&key())), expected, "{bit}");
    }
    for bit in 0..reply_bytes.len() * 8 {
        let mut wrong = reply_bytes.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Reply::decode(&wrong, Some(&key())), Err(NotStamp::Hmac), "{bit}");
    }
}

#[test]
fn a_packet_of_another_key_is_none() {
    let other = Key::from_hex(&"5a".repeat(16)).unwrap();
    let (_, request_bytes, reply_bytes) = &table()[1];
    assert_eq!(Request::decode(request_bytes, Some(&other)), Err(NotStamp::Hmac));
    assert_eq!(Reply::decode(reply_bytes, Some(&other)), Err(NotStamp::Hmac));
}

#[test]
fn zero_multiplier_is_rejected_except_in_the_echoed_estimate() {
    let invalid = ErrorEstimate::from_bits(0x9900);
    for (key, _, _) in table() {
        let key = key.as_ref();
        let request = Request { error: invalid, ..request() };
        assert_eq!(Request::decode(&encoded(&request, 0, key), key), Err(NotStamp::ErrorEstimate));
        let decoded = |reply: Reply| {
            let mut datagram = Vec::new();
            reply.encode(key, &mut datagram);
            Reply::decode(&datagram, key)
        };
        assert_eq!(decoded(Reply { error: invalid, ..reply() }), Err(NotStamp::ErrorEstimate));
        let repeats = Reply { sender_error: invalid, ..reply() };
        assert_eq!(decoded(repeats), Ok(repeats));
    }
}

prop_compose! {
    fn any_request()(seq: u32, sent: [u8; 8], error: u8, multiplier in 1..=255_u8, ssid: u16) -> Request {
        let error = ErrorEstimate::from_bits(u16::from_be_bytes([error, multiplier]));
        Request { seq: Seq(seq), sent: Timestamp::from_be_bytes(sent), error, ssid }
    }
}

prop_compose! {
    fn any_reply()(request in any_request(), own in any_request(), received: [u8; 8], sender_ttl: u8) -> Reply {
        let received = Timestamp::from_be_bytes(received);
        let Request { seq: sender_seq, sent: sender_sent, error: sender_error, ssid } = request;
        let Request { seq, sent, error, .. } = own;
        Reply { seq, sent, error, ssid, received, sender_seq, sender_sent, sender_error, sender_ttl }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(request in any_request(), reply in any_reply(), size in 0..200_usize, with_key: bool) {
        let key = with_key.then(key);
        let key = key.as_ref();
        let mut datagram = encoded(&request, size, key);
        let length = size.max(if with_key { AUTHENTICATED } else { UNAUTHENTICATED });
        prop_assert_eq!(datagram.len(), length);
        prop_assert_eq!(Request::decode(&datagram, key), Ok(request));
        reply.encode(key, &mut datagram);
        prop_assert_eq!(datagram.len(), length);
        prop_assert_eq!(Reply::decode(&datagram, key), Ok(reply));
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
        for key in [None, Some(key())] {
            let request = Request::decode(&datagram, key.as_ref());
            let reply = Reply::decode(&datagram, key.as_ref());
            // A reply may be shorter if it is from a TWAMP Light reflector.
            let is_short = key.is_none() && (38..UNAUTHENTICATED).contains(&datagram.len());
            prop_assert!(is_short || request.err() == reply.err());
            prop_assert!(key.is_none() || request.is_err());
        }
    }
}
