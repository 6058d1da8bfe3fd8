//! Numbers on a command line, and messages that say which ones are taken.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// A value parser that takes the whole numbers in `range`, in decimal digits.
pub fn within<T: FromStr>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| whole(text, &range).ok_or_else(|| expected(&range))
}

/// The number that `text` is, where it is one in `range`.
pub fn whole<T: FromStr>(text: &str, range: &RangeInclusive<u64>) -> Option<T> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = text.parse().ok().filter(|_| is_digits)?;
    if range.contains(&number) { number.to_string().parse().ok() } else { None }
}

/// What is wrong with a text that is no number in `range`.
pub fn expected(range: &RangeInclusive<u64>) -> String {
    let (first, last) = range.clone().into_inner();
    // Nobody has to be told the largest number of 64 bits.
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
