//! Parsing of numbers on a command line, with messages that state the valid range.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// Returns a value parser for whole numbers in `range`, in decimal digits.
pub fn within<T: FromStr>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| whole(text, &range).ok_or_else(|| expected(&range))
}

/// Parses `text` as a number; `None` if it is not a whole number in `range`.
pub fn whole<T: FromStr>(text: &str, range: &RangeInclusive<u64>) -> Option<T> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = text.parse().ok().filter(|_| is_digits)?;
    if range.contains(&number) { number.to_string().parse().ok() } else { None }
}

/// Returns the message for text that is not a number in `range`.
pub fn expected(range: &RangeInclusive<u64>) -> String {
    let (first, last) = range.clone().into_inner();
    // The largest number of 64 bits would not help anybody.
    if last == u64::MAX {
        format!("not a whole number of {first} or more")
    } else {
        format!("not a whole number from {first} to {last}")
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    #[test]
    fn only_numbers_in_the_range_are_taken() {
        let port = within::<NonZeroU16>(1..=65_535);
        for (text, expected) in [("1", Some(1)), ("65535", Some(65_535)), ("007", Some(7))] {
            assert_eq!(port(text).ok().map(NonZeroU16::get), expected, "{text}");
        }
        for text in ["", "0", "65536", "+7", "-7", "7 ", "1e3", "x", "99999999999999999999"] {
            assert_eq!(
                port(text),
                Err("not a whole number from 1 to 65535".to_owned()),
                "{text:?}"
            );
        }
        assert_eq!(
            within::<u64>(1..=u64::MAX)("0"),
            Err("not a whole number of 1 or more".to_owned())
        );
    }
}
