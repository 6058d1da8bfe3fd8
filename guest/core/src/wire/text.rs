//! The message of the UDP Pinger lab of Kurose and Ross's textbook: `Ping <seq> <date>`. Here the
//! date is Unix time with a fraction, and the message is padded with tabs.

use std::io::Write as _;

use thiserror::Error;

use crate::seq::Seq;
use crate::time::UnixTime;

/// The largest UDP payload over IPv4, in bytes: 65535, less 20 of IP header and 8 of UDP header.
pub const MAX_DATAGRAM: usize = 65_507;

/// White space, which terminates a number, but not a space: a server that splits the text at spaces
/// gets three words.
const PADDING: u8 = b'\t';

/// A ping as encoded in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The sequence number of the ping.
    pub seq: Seq,
    /// The time at which its sender says it was sent.
    pub sent_at: UnixTime,
}

/// The error for a datagram that is not a ping.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotAPing {
    /// It does not start with the word `Ping` and a space, in either case.
    #[error("does not start with \"Ping \"")]
    Word,
    /// The second word is not a decimal number below 2^32.
    #[error("has no sequence number")]
    Seq,
    /// The third word is not a time in seconds with at most nine decimals.
    #[error("has no time")]
    Time,
}

impl Ping {
    /// Replaces the content of `datagram` with this ping's text, padded with tabs to at least
    /// `size` bytes.
    pub fn encode(&self, size: usize, datagram: &mut Vec<u8>) {
        datagram.clear();
        // Writing to a Vec cannot fail.
        let _ = write!(datagram, "Ping {} {}", self.seq, self.sent_at);
        if datagram.len() < size {
            datagram.resize(size, PADDING);
        }
    }

    /// Returns the sequence number of a ping by any client, in either case, with a date in any
    /// format: the textbook does not specify one. This is called for every received datagram, and
    /// inspects few of its bytes.
    pub fn number(datagram: &[u8]) -> Option<Seq> {
        const CASE: u32 = 0x2020_2020;
        let (word, rest) = datagram.split_first_chunk::<4>()?;
        if u32::from_ne_bytes(*word) | CASE != u32::from_ne_bytes(*b"ping")
            || rest.first() != Some(&b' ')
        {
            return None;
        }
        let (mut seq, mut digits) = (0_u64, 0);
        let mut rest = &rest[1..];
        while let Some((digit, after)) = rest.split_first().filter(|(b, _)| b.is_ascii_digit()) {
            seq = seq * 10 + u64::from(digit - b'0');
            digits += 1;
            if digits > 10 {
                return None;
            }
            rest = after;
        }
        let (space, date) = rest.split_first()?;
        let is_ping = digits > 0 && space.is_ascii_whitespace() && starts_as_date(date);
        u32::try_from(seq).ok().filter(|_| is_ping).map(Seq)
    }

    /// Decodes a ping, in upper case or as sent, ignoring what follows it after white space.
    ///
    /// # Errors
    ///
    /// The first of its three words that is missing or wrong.
    pub fn decode(datagram: &[u8]) -> Result<Self, NotAPing> {
        let (word, rest) = datagram.split_at_checked(5).ok_or(NotAPing::Word)?;
        if !word.eq_ignore_ascii_case(b"ping ") {
            return Err(NotAPing::Word);
        }
        let mut fields = rest.splitn(3, u8::is_ascii_whitespace);
        let seq = fields
            .next()
            .and_then(decimal)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or(NotAPing::Seq)?;
        let sent_at = fields.next().and_then(unix_time).ok_or(NotAPing::Time)?;
        Ok(Self { seq: Seq(seq), sent_at })
    }
}

/// The maximum length of a date's first word that is inspected, in bytes: more digits than any
/// clock has.
const DATE: usize = 48;

/// What a date may begin with besides digits; the first three letters of each suffice.
const NAMES: [&str; 19] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Returns whether a field begins like a date or time: `1700000000.5`, `2026-11-26 09:40:38`,
/// `09:40:38`, `Thu Nov 26 09:40:38 2026`. Only its first word is inspected and, if that is a name,
/// whether a digit follows soon.
fn starts_as_date(field: &[u8]) -> bool {
    let field = &field[..field.len().min(DATE)];
    if !field.first().is_some_and(u8::is_ascii_digit) {
        let word = field.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let word = word.strip_suffix(b",").or(word.strip_suffix(b".")).unwrap_or(word);
        let begins = |name: &&str| {
            name.as_bytes().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        return word.len() >= 3 && NAMES.iter().any(begins) && field.iter().any(u8::is_ascii_digit);
    }
    let mut rest = field;
    while let Some((_, after)) =
        rest.split_first_chunk().filter(|(block, _)| are_digits_and_marks(**block))
    {
        rest = after;
    }
    let is_in_date = |b: &u8| {
        matches!(b, b'+'..=b':' | b'A' | b'M' | b'P' | b'T' | b'Z' | b'a' | b'e' | b'm' | b'p')
    };
    match rest.iter().position(|b| !is_in_date(b)) {
        Some(end) => rest[end].is_ascii_whitespace() || rest[end] == 0,
        None => field.len() < DATE,
    }
}

/// Returns whether all eight bytes are among `0` to `9` and `+,-./:`, which are adjacent in ASCII.
fn are_digits_and_marks(block: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let bytes = u64::from_ne_bytes(block);
    let above = bytes.wrapping_add(u64::from(0x7f - b':') * ONES);
    let below = !(bytes | HIGH).wrapping_sub(u64::from(b'+') * ONES);
    (bytes | above | below) & HIGH == 0
}

/// Parses a number of one or more decimal digits and nothing else: no sign, which `u64::from_str`
/// would accept.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.iter().all(u8::is_ascii_digit) {
        std::str::from_utf8(digits).ok()?.parse().ok()
    } else {
        None
    }
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
        assert_eq!(datagram, b"Ping 7 1700000000.000005000\t\t\t");
    }

    #[test]
    fn space_separated_parsing_finds_three_words_at_any_size() {
        for (seq, size) in [(1, 0), (1, 27), (1, 28), (u32::MAX, 32), (7, 1_400), (7, MAX_DATAGRAM)]
        {
            let mut datagram = Vec::new();
            ping(seq, 1_700_000_000, 5_000).encode(size, &mut datagram);
            let words: Vec<_> = str::from_utf8(&datagram).unwrap().split(' ').collect();
            assert_eq!((words.len(), words[0], words[1]), (3, "Ping", seq.to_string().as_str()));
            assert_eq!(words[2].trim_end(), "1700000000.000005000");
        }
    }

    #[test]
    fn other_writers_of_the_same_message_are_understood() {
        assert_eq!(Ping::decode(b"PING 3 12.5"), Ok(ping(3, 12, 500_000_000)));
        assert_eq!(Ping::decode(b"ping 3 12 and more"), Ok(ping(3, 12, 0)));
        assert_eq!(Ping::decode(b"Ping 4294967295 0.000000001\n"), Ok(ping(u32::MAX, 0, 1)));
    }

    #[test]
    fn a_date_is_whatever_a_student_writes() {
        for date in [
            "1700000000.1234567",
            "1700000000",
            "0.000012345678",
            "1.5e-05",
            "3 and more",
            "1700000000.5\r\n",
            "5\0\0\0",
            "2026-11-26 09:40:38.123456",
            "2026-11-26T09:40:38.123Z",
            "2026-11-26T09:40:38+00:00",
            "09:40:38",
            "9:40:38AM",
            "26/11/2026, 09:40:38",
            "26.11.2026 09:40",
            "Thu Nov 26 09:40:38 2026",
            "Thu, 26 Nov 2026 09:40:38 GMT",
            "Thursday, November 26, 2026",
            "Nov. 26 2026",
            "THU NOV 26 09:40:38 UTC 2026",
            "1,700,000,000",
        ] {
            for word in ["Ping", "PING", "ping"] {
                assert_eq!(
                    Ping::number(format!("{word} 12 {date}").as_bytes()),
                    Some(Seq(12)),
                    "{date}"
                );
            }
        }
    }

    #[test]
    fn what_services_answer_is_no_ping() {
        for text in [
            "",
            "Ping",
            "Ping 1",
            "Ping 1 ",
            "Ping  1 2",
            "Pong 1 2.5",
            "Ping: 1 2.5",
            "re: Ping 1 2.5",
            "Ping +1 2.5",
            "Ping 4294967296 2.5",
            "Ping 00000000001 2.5",
            "Ping 1 received",
            "Ping 1 reply 2",
            "Ping 1 Monkey 2",
            "Ping 1 Mon",
            "Ping 1 .5",
            "Ping 1 -5",
            "Ping 1 5th try",
            "Ping 1 2.5!",
            "!\"#$%&'()*+,-./0123456789",
            "Thu Nov 26 09:40:38 2026",
            "answer 17",
        ] {
            assert_eq!(Ping::number(text.as_bytes()), None, "{text:?}");
        }
        let long = format!("Ping 1 {}", "1".repeat(60));
        assert_eq!(Ping::number(long.as_bytes()), None);
    }

    #[test]
    fn eight_bytes_are_looked_at_as_one_by_one() {
        for at in 0..8 {
            for byte in 0..=255 {
                let mut block = *b"12:34.56";
                block[at] = byte;
                assert_eq!(
                    are_digits_and_marks(block),
                    (b'+'..=b':').contains(&byte),
                    "{byte} at {at}"
                );
            }
        }
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
            prop_assert_eq!(Ping::number(&datagram), Some(sent.seq));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, tail in "[-+ .0-9a-z\\n]{0,40}") {
            for bytes in [bytes, format!("Ping {tail}").into_bytes(), format!("Ping 7 {tail}").into_bytes()] {
                let number = Ping::number(&bytes);
                prop_assert!(Ping::decode(&bytes).is_ok_and(|ping| number == Some(ping.seq)) || Ping::decode(&bytes).is_err());
            }
        }
    }
}
