//! Formatting of numbers with units.

use std::fmt;
use std::time::Duration;

/// A duration with three significant digits: `782 ns`, `34.3 us`, `1.21 ms`, `2.50 s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short(pub Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos() as f64;
        // A value that would be rounded to 1000 is printed in the next unit.
        let (scale, unit) = match nanos {
            _ if nanos < 999.5 => (1.0, "ns"),
            _ if nanos < 999.5e3 => (1e3, "us"),
            _ if nanos < 999.5e6 => (1e6, "ms"),
            _ => (1e9, "s"),
        };
        let value = nanos / scale;
        let decimals = if unit == "ns" { 0 } else { decimals(value) };
        write!(f, "{value:.decimals$} {unit}")
    }
}

/// A number per second, with three significant digits: `0.50`, `12.5`, `1000`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(pub f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = decimals(self.0);
        write!(f, "{:.decimals$}", self.0)
    }
}

/// A rate in bytes per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByteRate(pub f64);

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scale, unit) = match self.0 {
            rate if rate < 999.5 => (1.0, "B/s"),
            rate if rate < 999.5e3 => (1e3, "kB/s"),
            rate if rate < 999.5e6 => (1e6, "MB/s"),
            _ => (1e9, "GB/s"),
        };
        write!(f, "{} {unit}", Rate(self.0 / scale))
    }
}

#[expect(clippy::bool_to_int_with_if, reason = "these are numbers of digits")]
fn decimals(value: f64) -> usize {
    if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_three_digits_and_a_unit() {
        for (nanos, text) in [
            (0, "0 ns"),
            (782, "782 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (9_994, "9.99 us"),
            (9_996, "10.0 us"),
            (34_300, "34.3 us"),
            (999_499, "999 us"),
            (999_500, "1.00 ms"),
            (20_880_000, "20.9 ms"),
            (1_210_000_000, "1.21 s"),
            (61_000_000_000, "61.0 s"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(Short(Duration::from_nanos(nanos)).to_string(), text);
        }
    }

    #[test]
    fn a_rate_has_three_digits() {
        for (rate, text) in
            [(0.0, "0.00 B/s"), (35.55, "35.5 B/s"), (999.6, "1.00 kB/s"), (1.5e9, "1.50 GB/s")]
        {
            assert_eq!(ByteRate(rate).to_string(), text);
        }
    }
}
