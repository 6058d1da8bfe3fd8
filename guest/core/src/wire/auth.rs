//! The shared key of a client and a server, with which only they can create a tag for a message
//! (HMAC-SHA-256, RFC 2104).

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;

/// The length of a tag, in bytes.
pub const TAG: usize = 32;

/// The length of a truncated tag, as used by STAMP, in bytes.
pub(crate) const TRUNCATED: usize = 16;

/// The permitted lengths of a key, in bytes: not guessable, and not longer than the block of
/// SHA-256; RFC 2104 would hash a longer one.
pub const LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

/// The direction of a message. A tag is valid for one direction only: a server's reply cannot be
/// replayed to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Reply,
}

impl Direction {
    /// Returns the prefix that is authenticated before the message. Neither is a prefix of the
    /// other.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Request => b"udping request\n",
            Self::Reply => b"udping reply\n",
        }
    }
}

/// A key, stored as the HMAC states after the start of each message, which is the same for all
/// messages.
#[derive(Clone, Debug)]
pub struct Key {
    request: Hmac<Sha256>,
    reply: Hmac<Sha256>,
    plain: Hmac<Sha256>,
}

/// The error for text that is not a key. It does not contain the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadKey {
    /// The text has characters other than hexadecimal digits, or an odd number of them.
    #[error("not a key: write its bytes as hexadecimal digits, two for each")]
    NotHexadecimal,
    /// The key is too short to be safe, or too long to be used unhashed; with its length in bytes.
    #[error("not a key: it has {0} bytes; a key has from {first} to {last}", first = LENGTHS.start(), last = LENGTHS.end())]
    Length(usize),
    /// There are more than two keys.
    #[error("more than two keys: write one, or two with a comma between them")]
    TooMany,
}

/// The keys in use: one, or two while one is being replaced by the other.
#[derive(Clone, Debug)]
pub struct Keys {
    first: Key,
    second: Option<Key>,
}

/// The one of two [`Keys`] that tagged a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first key, with which requests are tagged.
    First,
    /// The second key, which replaces the first.
    Second,
}

impl Keys {
    /// Parses the hexadecimal digits of one key, or of two separated by a comma.
    ///
    /// # Errors
    ///
    /// Those of [`Key::from_hex`] for either key, and [`BadKey::TooMany`] for more than two.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        let mut keys = text.split(',').map(Key::from_hex);
        let first = keys.next().ok_or(BadKey::Length(0))??;
        let second = keys.next().transpose()?;
        if keys.next().is_some() { Err(BadKey::TooMany) } else { Ok(Self { first, second }) }
    }

    /// Returns the key with which requests are tagged.
    pub fn first(&self) -> &Key {
        &self.first
    }

    /// Returns the second key, if there is one.
    pub fn second(&self) -> Option<&Key> {
        self.second.as_ref()
    }

    /// Iterates over all keys, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        [&self.first].into_iter().chain(self.second())
    }

    /// Returns the key that `which` names; the first if there is no second.
    pub fn get(&self, which: Which) -> &Key {
        match (which, &self.second) {
            (Which::Second, Some(second)) => second,
            _ => &self.first,
        }
    }
}

impl From<Key> for Keys {
    fn from(first: Key) -> Self {
        Self { first, second: None }
    }
}

impl Key {
    /// Parses the hexadecimal digits of a key, in either case.
    ///
    /// # Errors
    ///
    /// [`BadKey::NotHexadecimal`] for any other character or an odd number of digits,
    /// [`BadKey::Length`] for too few or too many bytes.
    pub fn from_hex(digits: &str) -> Result<Self, BadKey> {
        let bytes = base16ct::mixed::decode_vec(digits).map_err(|_| BadKey::NotHexadecimal)?;
        if !LENGTHS.contains(&bytes.len()) {
            return Err(BadKey::Length(bytes.len()));
        }
        let plain =
            Hmac::<Sha256>::new_from_slice(&bytes).map_err(|_| BadKey::Length(bytes.len()))?;
        let start = |direction: Direction| plain.clone().chain_update(direction.label());
        Ok(Self { request: start(Direction::Request), reply: start(Direction::Reply), plain })
    }

    /// Returns the tag of a message.
    pub fn tag(&self, direction: Direction, message: &[u8]) -> [u8; TAG] {
        self.start(direction).clone().chain_update(message).finalize().into_bytes().into()
    }

    /// Returns the message in a datagram that ends with its tag; `None` if the tag is wrong or
    /// missing.
    pub fn open<'a>(&self, direction: Direction, datagram: &'a [u8]) -> Option<&'a [u8]> {
        let (message, tag) = datagram.split_last_chunk::<TAG>()?;
        // In constant time: timing must not show how much of a guess is right.
        self.start(direction).clone().chain_update(message).verify_slice(tag).ok()?;
        Some(message)
    }

    /// Returns the first bytes of the plain HMAC of a message, which STAMP has in place of a tag
    /// (RFC 8762, section 4.4). It is the same in both directions.
    pub fn truncated(&self, message: &[u8]) -> [u8; TRUNCATED] {
        let mut truncated = [0; TRUNCATED];
        truncated.copy_from_slice(
            &self.plain.clone().chain_update(message).finalize().into_bytes()[..TRUNCATED],
        );
        truncated
    }

    /// Returns whether `tag` is [`Self::truncated`] of `message`, in constant time.
    pub fn is_truncated(&self, message: &[u8], tag: &[u8; TRUNCATED]) -> bool {
        self.plain.clone().chain_update(message).verify_truncated_left(tag).is_ok()
    }

    fn start(&self, direction: Direction) -> &Hmac<Sha256> {
        match direction {
            Direction::Request => &self.request,
            Direction::Reply => &self.reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{Reply, Request};
    use super::*;
    use proptest::prelude::*;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f";

    fn key() -> Key {
        Key::from_hex(DIGITS).unwrap()
    }

    fn sealed(key: &Key, direction: Direction, message: &[u8]) -> Vec<u8> {
        [message, &key.tag(direction, message)].concat()
    }

    /// From Python, which uses OpenSSL: `hmac.digest(bytes(range(16)), b"udping request\nPing 1
    /// 2.5", "sha256")`.
    #[test]
    fn a_tag_is_the_hmac_of_label_and_message() {
        let hex =
            |direction, message| base16ct::lower::encode_string(&key().tag(direction, message));
        assert_eq!(
            hex(Request, b"Ping 1 2.5"),
            "29c49bb83fe10a0a0f4e3517b1a8d0ec0d50f43aeb4bd26cb216108cc09820fb"
        );
        assert_eq!(
            hex(Reply, b"Ping 1 2.5"),
            "e2c071719ae68b31801e638b6b047cdd7ec927e9c315a4ca0426d8322e0782e7"
        );
        assert_eq!(
            hex(Request, b""),
            "6e0febbfe888c683af9c531e95c6bde16358136415cb8c8421909da496dda270"
        );
    }

    /// From Python, which uses OpenSSL: `hmac.digest(bytes(range(16)), bytes(range(96)),
    /// "sha256")[:16]`.
    #[test]
    fn a_truncated_tag_is_the_start_of_the_plain_hmac() {
        let message: Vec<u8> = (0..96).collect();
        let tag = key().truncated(&message);
        assert_eq!(base16ct::lower::encode_string(&tag), "dab3f79a7873ef81b8ad4f70836374f4");
        assert!(key().is_truncated(&message, &tag));
        let other = Key::from_hex(&DIGITS.replace('f', "e")).unwrap();
        assert!(!other.is_truncated(&message, &tag));
        for bit in 0..TRUNCATED * 8 {
            let mut wrong = tag;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!key().is_truncated(&message, &wrong), "{bit}");
        }
        for byte in 0..message.len() {
            let mut wrong = message.clone();
            wrong[byte] ^= 1;
            assert!(!key().is_truncated(&wrong, &tag), "{byte}");
        }
    }

    #[test]
    fn a_key_is_16_to_64_bytes_in_hexadecimal() {
        for digits in [DIGITS.to_owned(), DIGITS.to_uppercase(), "5a".repeat(64)] {
            assert!(Key::from_hex(&digits).is_ok(), "{digits}");
        }
        for (digits, complaint) in [
            (String::new(), BadKey::Length(0)),
            ("00".repeat(15), BadKey::Length(15)),
            ("00".repeat(65), BadKey::Length(65)),
            (DIGITS[1..].to_owned(), BadKey::NotHexadecimal),
            (format!("{DIGITS}\n"), BadKey::NotHexadecimal),
            (format!("0x{DIGITS}"), BadKey::NotHexadecimal),
            ("key".repeat(16), BadKey::NotHexadecimal),
        ] {
            assert_eq!(Key::from_hex(&digits).map(|_| ()), Err(complaint), "{digits:?}");
        }
        assert_eq!(
            BadKey::Length(15).to_string(),
            "not a key: it has 15 bytes; a key has from 16 to 64"
        );
    }

    #[test]
    fn keys_are_one_or_two_with_a_comma_between_them() {
        let (a, b) = (DIGITS, "5a".repeat(16));
        let tags = |text: &str| {
            Keys::from_hex(text)
                .map(|keys| keys.iter().map(|key| key.tag(Request, b"")).collect::<Vec<_>>())
        };
        let tag = |digits: &str| Key::from_hex(digits).unwrap().tag(Request, b"");
        assert_eq!(tags(a), Ok(vec![tag(a)]));
        assert_eq!(tags(&format!("{a},{b}")), Ok(vec![tag(a), tag(&b)]));
        assert_eq!(Keys::from_hex(&format!("{b},{a}")).unwrap().first().tag(Request, b""), tag(&b));
        for (text, complaint) in [
            (String::new(), BadKey::Length(0)),
            (format!("{a},"), BadKey::Length(0)),
            (format!(",{a}"), BadKey::Length(0)),
            (format!("{a}, {b}"), BadKey::NotHexadecimal),
            (format!("{a},{b},{b}"), BadKey::TooMany),
        ] {
            assert_eq!(tags(&text), Err(complaint), "{text:?}");
        }
    }

    #[test]
    fn a_tag_is_good_for_one_key_and_one_direction() {
        let other = Key::from_hex(&DIGITS.replace('f', "e")).unwrap();
        let request = sealed(&key(), Request, b"Ping");
        assert_eq!(key().open(Request, &request), Some(&b"Ping"[..]));
        assert_eq!(key().open(Reply, &request), None);
        assert_eq!(other.open(Request, &request), None);
        assert_eq!(key().open(Request, &sealed(&key(), Reply, b"Ping")), None);
    }

    #[test]
    fn every_byte_of_a_tag_counts() {
        let right = sealed(&key(), Request, b"Ping");
        for i in 0..right.len() {
            let mut wrong = right.clone();
            wrong[i] ^= 1;
            assert_eq!(key().open(Request, &wrong), None, "{i}");
            assert_eq!(key().open(Request, &right[..i]), None, "{i}");
        }
    }

    #[test]
    fn a_key_does_not_show_when_it_is_printed() {
        let text = format!("{:?}", Key::from_hex(&"5a".repeat(16)).unwrap());
        assert!(!text.contains("5a") && !text.contains("90"), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_tagged_is_opened_and_one_bit_spoils_it(message: Vec<u8>, bit: prop::sample::Index) {
            let mut datagram = sealed(&key(), Request, &message);
            prop_assert_eq!(key().open(Request, &datagram), Some(&message[..]));
            let bit = bit.index(datagram.len() * 8);
            datagram[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(key().open(Request, &datagram), None);
        }

        #[test]
        fn no_bytes_are_opened_that_were_not_tagged(datagram: Vec<u8>) {
            prop_assert_eq!(key().open(Request, &datagram), None);
            prop_assert_eq!(key().open(Reply, &datagram), None);
        }

        #[test]
        fn no_text_makes_the_reader_of_keys_panic(text: String, digits in "[0-9a-fA-F]{0,140}") {
            let _ = Key::from_hex(&text);
            prop_assert_eq!(Key::from_hex(&digits).is_ok(), digits.len() % 2 == 0 && LENGTHS.contains(&(digits.len() / 2)));
        }
    }
}
