//! Durations and counts in readable form.

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
}

impl Unit {
    /// Chooses the unit for round-trip times around `typical_ns`.
    pub(crate) fn of_rtt(typical_ns: u64) -> Self {
        match typical_ns {
            0..1_000_000 => Self::Us,
            1_000_000..10_000_000_000 => Self::Ms,
            _ => Self::S,
        }
    }

    /// The unit's symbol, as in the rest of udping.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Ms => "ms",
            Self::S => "s",
        }
    }

    /// Converts nanoseconds to this unit.
    pub(crate) fn of(self, ns: f64) -> f64 {
        ns / match self {
            Self::Us => 1e3,
            Self::Ms => 1e6,
            Self::S => 1e9,
        }
    }
}

/// Formats with four significant digits, or more if they are before the point, and no more than
/// three decimals.
pub(crate) fn figures(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        ..9.9995 => 3,
        ..99.995 => 2,
        ..999.95 => 1,
        _ => 0,
    };
    decimal(value, decimals)
}

/// Formats a share as a percentage: one decimal, or more for two significant digits.
pub(crate) fn percent(share: f64) -> String {
    let percentage = share * 100.0;
    let decimals = if percentage > 0.0 { 1.0 - percentage.log10().floor() } else { 1.0 };
    decimal(percentage, decimals.clamp(1.0, 12.0) as usize)
}

/// Formats with that number of decimals, and commas between thousands.
pub(crate) fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign =
        if value < 0.0 && text.contains(|digit| ('1'..='9').contains(&digit)) { "-" } else { "" };
    format!("{sign}{}{fraction}", with_commas(whole))
}

/// Formats a count with commas between thousands.
pub(crate) fn count(number: u64) -> String {
    with_commas(&number.to_string())
}

fn with_commas(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_four_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (0.0123, "0.012"),
            (5.849, "5.849"),
            (9.9996, "10.00"),
            (29.04, "29.04"),
            (177.42, "177.4"),
            (999.96, "1,000"),
            (50_123.0, "50,123"),
            (-29.04, "-29.04"),
            (-0.0001, "0.000"),
        ] {
            assert_eq!(figures(value), text);
        }
    }

    #[test]
    fn a_share_that_is_not_nothing_does_not_look_like_nothing() {
        for (share, text) in [
            (0.0, "0.0"),
            (0.3333, "33.3"),
            (1.0, "100.0"),
            (0.001, "0.10"),
            (0.000_001, "0.00010"),
            (1e-9, "0.00000010"),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[expect(clippy::float_cmp, reason = "a power of two is exact")]
    #[test]
    fn a_unit_is_one_in_which_numbers_are_short() {
        assert_eq!(
            [999_999, 1_000_000, 10_000_000_000].map(Unit::of_rtt),
            [Unit::Us, Unit::Ms, Unit::S]
        );
        assert_eq!(Unit::Ms.of(1.5e6), 1.5);
    }
}
