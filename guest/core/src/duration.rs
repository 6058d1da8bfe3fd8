//! Parsing and formatting of durations.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// The error for text that is not a duration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("not a duration: write 200ms, 1s or 1m30s; a bare number is seconds")]
pub struct NotADuration;

/// Parses `200ms`, `1s`, `1m30s` or `0.5s`. A bare number is seconds, as in ping; `.5` and `5.` are
/// accepted.
///
/// # Errors
///
/// [`NotADuration`] if the text is anything else, negative, or exceeds the range of [`Duration`].
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    // A dot with digits on one side only, which humantime does not accept.
    let number = match number {
        "." | ".." => return Err(NotADuration),
        _ if number.starts_with('.') => format!("0{number}"),
        _ => number.strip_suffix('.').unwrap_or(number).to_owned(),
    };
    let unit = if unit.is_empty() { "s" } else { unit };
    humantime::parse_duration(&format!("{number}{unit}")).map_err(|_| NotADuration)
}

/// Formats a duration as one number and one unit, without trailing zeros (`2 s`, `1.5 s`, `200 ms`,
/// `50 us`).
#[derive(Clone, Copy, Debug)]
pub struct Plain(pub Duration);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let (unit, name) = match nanos {
            1_000_000_000.. => (1e9, "s"),
            1_000_000.. => (1e6, "ms"),
            _ => (1e3, "us"),
        };
        write!(f, "{} {name}", nanos as f64 / unit)
    }
}

/// Formats an RTT in milliseconds with three decimals (`0.112`).
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0.as_nanos() as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_documented() {
        for (text, millis) in [
            ("200ms", 200),
            ("1s", 1_000),
            ("1m30s", 90_000),
            ("2", 2_000),
            ("0.2", 200),
            ("1.5s", 1_500),
            ("0", 0),
            (".2", 200),
            ("2.", 2_000),
            (".5s", 500),
            (".5ms", 0),
        ] {
            assert_eq!(parse(text).map(|span| span.as_millis()), Ok(millis), "{text}");
        }
        for text in
            ["", ".", "-1", "1x", "s", "1..2", "..", ".s", "1e3", "NaN", "99999999999999999999"]
        {
            assert_eq!(parse(text), Err(NotADuration), "{text:?}");
        }
    }

    #[test]
    fn durations_print_with_one_unit() {
        for (nanos, text) in [
            (2_000_000_000, "2 s"),
            (1_500_000_000, "1.5 s"),
            (200_000_000, "200 ms"),
            (50_000, "50 us"),
        ] {
            assert_eq!(Plain(Duration::from_nanos(nanos)).to_string(), text);
        }
        assert_eq!(Millis(Duration::from_nanos(112_499)).to_string(), "0.112");
    }
}
