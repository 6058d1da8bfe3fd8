//! Values of the socket options.

use std::str::FromStr;

use clap::ValueEnum;
use serde::Deserialize;

/// A differentiated services code point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dscp(pub u8);

/// The names of code points, besides CS0 to CS7 and `AFxy`: RFC 3246, RFC 5865, RFC 8622.
const NAMES: [(&str, u8); 3] = [("ef", 46), ("va", 44), ("le", 1)];

impl FromStr for Dscp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let name = text.to_ascii_lowercase();
        let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, point)| *point);
        let digit = |c: u8, most: u8| c.checked_sub(b'0').filter(|digit| *digit <= most);
        let by_class = match name.as_bytes() {
            // Class selectors (RFC 2474, section 4.2.2.1).
            [b'c', b's', class] => digit(*class, 7).map(|class| class << 3),
            // Assured forwarding, classes 1 to 4 and drop precedences 1 to 3 (RFC 2597, section 6).
            [b'a', b'f', class, drop] => match (digit(*class, 4), digit(*drop, 3)) {
                (Some(class @ 1..), Some(drop @ 1..)) => Some(class << 3 | drop << 1),
                _ => None,
            },
            _ => None,
        };
        let number = || text.parse().ok().filter(|point| *point < 64);
        named
            .or(by_class)
            .or_else(number)
            .map(Self)
            .ok_or("not a number from 0 to 63, nor cs0 to cs7, af11 to af43, ef, va or le")
    }
}

/// Explicit congestion notification (RFC 3168, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ecn {
    /// Not capable
    NotEct,
    /// Capable, ECT(1)
    Ect1,
    /// Capable, ECT(0)
    Ect0,
    /// Congestion experienced
    Ce,
}

impl Ecn {
    /// The two bits of the ECN field.
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Ce => 3,
        }
    }
}

/// A mark for routing and filters, decimal or with 0x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub u32);

impl FromStr for Mark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let mark = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        mark.map(Self).map_err(|_| "not a number from 0 to 4294967295, or from 0x0 to 0xffffffff")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_have_the_names_of_their_rfcs() {
        for (text, point) in [
            ("0", 0),
            ("63", 63),
            ("cs1", 8),
            ("CS7", 56),
            ("af11", 10),
            ("af43", 38),
            ("EF", 46),
            ("va", 44),
            ("le", 1),
        ] {
            assert_eq!(text.parse(), Ok(Dscp(point)), "{text}");
        }
        for text in ["", "64", "cs8", "af01", "af14", "af51", "af1", "efx", "-1"] {
            assert!(text.parse::<Dscp>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mark_is_decimal_or_hexadecimal() {
        for (text, mark) in [("7", 7), ("0x1f", 31), ("4294967295", u32::MAX)] {
            assert_eq!(text.parse(), Ok(Mark(mark)), "{text}");
        }
        for text in ["", "0x", "-1", "1f", "4294967296"] {
            assert!(text.parse::<Mark>().is_err(), "{text}");
        }
    }
}
