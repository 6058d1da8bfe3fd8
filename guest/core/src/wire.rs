//! The classic lab's message: `Ping <seq> <unix time with fraction>`, padded with spaces.

use std::io::Write as _;

use thiserror::Error;

use crate::seq::Seq;
use crate::time::UnixTime;

/// The most bytes a UDP datagram over IPv4 can carry: 65535, less 20 of IP header and 8 of UDP header.
pub const MAX_DATAGRAM: usize = 65_507;

/// One ping, as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Its number.
    pub seq: Seq,
    /// When its sender says it was sent.
    pub sent_at: UnixTime,
}

/// Why a datagram is no ping.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotAPing {
    /// It does not start with the word `Ping` and a space, in either case.
    #[error("does not start with \"Ping \"")]
    Word,
    /// What follows is not a decimal number below 2^32.
    #[error("has no sequence number")]
    Seq,
    /// What follows is not a time in seconds, with at most nine decimals.
    #[error("has no time")]
    Time,
}

impl Ping {
    /// Replaces what is in `datagram` with this ping's text, padded with spaces to `size` bytes where the text is shorter.
    pub fn encode(&self, size: usize, datagram: &mut Vec<u8>) {
        datagram.clear();
        // Writing to a Vec cannot fail.
        let _ = write!(datagram, "Ping {} {}", self.seq, self.sent_at);
        if datagram.len() < size {
            datagram.resize(size, b' ');
        }
    }

    /// Reads a ping, or an upper-cased one, whatever follows it after white space.
    pub fn decode(datagram: &[u8]) -> Result<Self, NotAPing> {
        let (word, rest) = datagram.split_at_checked(5).ok_or(NotAPing::Word)?;
        if !word.eq_ignore_ascii_case(b"ping ") {
            return Err(NotAPing::Word);
        }
        let mut fields = rest.splitn(3, u8::is_ascii_whitespace);
        let seq = fields.next().and_then(decimal).and_then(|n| u32::try_from(n).ok()).ok_or(NotAPing::Seq)?;
        let sent_at = fields.next().and_then(unix_time).ok_or(NotAPing::Time)?;
        Ok(Self { seq: Seq(seq), sent_at })
    }
}

/// A number of one or more decimal digits and nothing else: no sign, as `u64::from_str` would take.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.iter().all(u8::is_ascii_digit) { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

fn unix_time(field: &[u8]) -> Option<UnixTime> {
    let (seconds, fraction) = match field.iter().position(|&b| b == b'.') {
        Some(dot) => (&field[..dot], &field[dot + 1..]),
        None => (field, &b"0"[..]),
    };
    let scale = 9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let nanoseconds = u32::try_from(decimal(fraction)?).ok()? * 10_u32.pow(scale);
    Some(UnixTime { seconds: decimal(seconds)?, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ping(seq: u32, seconds: u64, nanoseconds: u32) -> Ping {
        Ping { seq: Seq(seq), sent_at: UnixTime { seconds, nanoseconds } }
    }

    #[test]
    fn the_text_is_the_classic_labs() {
        let mut datagram = b"left over".to_vec();
        ping(7, 1_700_000_000, 5_000).encode(0, &mut datagram);
        assert_eq!(datagram, b"Ping 7 1700000000.000005000");
        ping(7, 1_700_000_000, 5_000).encode(30, &mut datagram);
        assert_eq!(datagram, b"Ping 7 1700000000.000005000   ");
    }

    #[test]
    fn other_writers_of_the_same_message_are_understood() {
        assert_eq!(Ping::decode(b"PING 3 12.5"), Ok(ping(3, 12, 500_000_000)));
        assert_eq!(Ping::decode(b"ping 3 12 and more"), Ok(ping(3, 12, 0)));
        assert_eq!(Ping::decode(b"Ping 4294967295 0.000000001\n"), Ok(ping(u32::MAX, 0, 1)));
    }

    #[test]
    fn what_is_no_ping_says_which_part_is_wrong() {
        for (text, expected) in [
            ("", NotAPing::Word),
            ("Ping", NotAPing::Word),
            ("Pong 1 2.0", NotAPing::Word),
            ("Ping  1 2.0", NotAPing::Seq),
            ("Ping +1 2.0", NotAPing::Seq),
            ("Ping 4294967296 2.0", NotAPing::Seq),
            ("Ping 1", NotAPing::Time),
            ("Ping 1 .5", NotAPing::Time),
            ("Ping 1 1.", NotAPing::Time),
            ("Ping 1 1.0000000001", NotAPing::Time),
            ("Ping 1 1.-5", NotAPing::Time),
            ("Ping 1 1e9", NotAPing::Time),
        ] {
            assert_eq!(Ping::decode(text.as_bytes()), Err(expected), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(seq: u32, seconds: u64, nanoseconds in 0..1_000_000_000_u32, size in 0..100_usize, upper: bool) {
            let sent = ping(seq, seconds, nanoseconds);
            let mut datagram = Vec::new();
            sent.encode(size, &mut datagram);
            prop_assert!(datagram.len() >= size);
            if upper {
                datagram.make_ascii_uppercase();
            }
            prop_assert_eq!(Ping::decode(&datagram), Ok(sent));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, tail in "[-+ .0-9a-z\\n]{0,40}") {
            let _ = Ping::decode(&bytes);
            let _ = Ping::decode(format!("Ping {tail}").as_bytes());
        }
    }
}
