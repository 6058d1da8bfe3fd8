//! Parsing of addresses, with the same rules in host and components.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// An IPv4 address, or an IPv6 address with or without a zone.
///
/// IPv4 is parsed as by ping and `inet_aton(3)`: one to four numbers separated by dots, decimal or,
/// after `0x`, hexadecimal, of which the last fills all remaining bytes: `127.1` and `0x7f000001`
/// are 127.0.0.1. A number with any other leading 0 is refused: it is octal to some programs and
/// decimal to others. IPv6 may be in brackets, and a zone (RFC 4007, section 11) follows a `%`, as
/// an interface's name or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address without its zone.
    pub ip: IpAddr,
    /// The interface of the link that it is on; only IPv6 addresses have one.
    pub zone: Option<Zone>,
}

/// The zone of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The index of an interface.
    Index(u32),
    /// The name of an interface, whose index only the system knows.
    Name(String),
}

/// The error for text that is not an address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not an IPv4 or IPv6 address")]
pub struct NotAnAddress;

/// The maximum length of an interface name, in bytes (Linux: `IFNAMSIZ`, less its final zero).
const LONGEST_ZONE: usize = 15;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Some(v4) = ipv4(text) {
            return Ok(Self { ip: v4.into(), zone: None });
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let (ip, zone) = match bare.split_once('%') {
            Some((ip, zone)) => (ip, Some(zone.parse()?)),
            None => (bare, None),
        };
        let ip: Ipv6Addr = ip.parse().map_err(|_| NotAnAddress)?;
        Ok(Self { ip: ip.into(), zone })
    }
}

impl FromStr for Zone {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Index).map_err(|_| NotAnAddress);
        }
        let is_name = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%' | '[' | ']');
        if (1..=LONGEST_ZONE).contains(&text.len()) && text.chars().all(is_name) {
            Ok(Self::Name(text.to_owned()))
        } else {
            Err(NotAnAddress)
        }
    }
}

/// Formats the zone as it follows `%`.
impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Parses an IPv4 address as described at [`Address`].
pub fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let numbers = text.split('.').map(number).collect::<Option<Vec<_>>>()?;
    let (last, before) = numbers.split_last()?;
    let free = 4_usize.checked_sub(before.len()).filter(|free| *free > 0)?;
    let mut bits = 0;
    for number in before {
        bits = bits << 8 | u32::from(u8::try_from(*number).ok()?);
    }
    let is_within = *last < 1_u64 << (8 * free);
    let high = u64::from(bits) << (8 * free);
    is_within.then(|| u32::try_from(high | last).ok().map(Ipv4Addr::from_bits))?
}

/// Returns whether `host` can only be an IPv4 address, since its last label is a number: no
/// top-level domain is one (RFC 3696, section 2). If [`ipv4`] refuses such a host, it is a mistake,
/// not a name.
pub fn ends_in_number(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or(host);
    let is_hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let after_prefix = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    !last.is_empty()
        && (last.bytes().all(|byte| byte.is_ascii_digit())
            || after_prefix.is_some_and(is_hexadecimal))
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let is_octal = radix == 10 && digits.len() > 1 && digits.starts_with('0');
    // The standard library's parser accepts a sign.
    let is_number = !is_octal && digits.len() <= 10 && digits.chars().all(|c| c.is_digit(radix));
    if is_number { u64::from_str_radix(digits, radix).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_read_as_inet_aton_reads_it_but_for_octal() {
        for (text, expected) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("127.1", Some("127.0.0.1")),
            ("127.0.1", Some("127.0.0.1")),
            ("0x7f000001", Some("127.0.0.1")),
            ("0x7F.1", Some("127.0.0.1")),
            ("2130706433", Some("127.0.0.1")),
            ("10.258", Some("10.0.1.2")),
            ("192.168.257", Some("192.168.1.1")),
            ("4294967295", Some("255.255.255.255")),
            ("0", Some("0.0.0.0")),
            ("4294967296", None),
            ("1.16777216", None),
            ("1.2.65536", None),
            ("1.2.3.256", None),
            ("256.1", None),
            ("1.2.3.4.5", None),
            ("010.0.0.1", None),
            ("0177.1", None),
            ("127.0.0.1.", None),
            ("127..1", None),
            ("0x", None),
            ("+1", None),
            ("", None),
            ("a.1", None),
        ] {
            assert_eq!(ipv4(text), expected.map(|text| text.parse().unwrap()), "{text:?}");
        }
    }

    #[test]
    fn a_name_never_ends_in_a_number() {
        for text in
            ["127.1", "0x7f000001", "010.0.0.1", "a.1", "a.0x1f", "1.2.3.4.", "0x", "1.2.3.4.5"]
        {
            assert!(ends_in_number(text), "{text:?}");
        }
        for text in ["localhost", "a1", "1a", "1.a", "0x1g", "x0x1", "", "0.0.0.a."] {
            assert!(!ends_in_number(text), "{text:?}");
        }
    }

    #[test]
    fn a_zone_is_an_index_or_a_name() {
        let ll: IpAddr = "fe80::1".parse().unwrap();
        for (text, zone) in [
            ("fe80::1", None),
            ("[fe80::1]", None),
            ("fe80::1%2", Some(Zone::Index(2))),
            ("fe80::1%eth0", Some(Zone::Name("eth0".to_owned()))),
            ("[fe80::1%eth0.7]", Some(Zone::Name("eth0.7".to_owned()))),
            ("fe80::1%2x", Some(Zone::Name("2x".to_owned()))),
        ] {
            assert_eq!(text.parse(), Ok(Address { ip: ll, zone }), "{text}");
        }
        for text in [
            "fe80::1%",
            "fe80::1%a%b",
            "fe80::1%a/b",
            "fe80::1%99999999999",
            "127.0.0.1%lo",
            "[127.0.0.1]",
            "[fe80::1",
        ] {
            assert_eq!(text.parse::<Address>(), Err(NotAnAddress), "{text}");
        }
        assert!(format!("fe80::1%{}", "x".repeat(16)).parse::<Address>().is_err());
    }
}
