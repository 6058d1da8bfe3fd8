//! The error estimate of a timestamp.

use std::time::Duration;

use crate::wire::stamp::Format;

/// The S bit: the clock is synchronised to UTC by an external source.
const S: u16 = 0x8000;

/// The Z bit: the timestamps are in PTP's format.
const Z: u16 = 0x4000;

/// The maximum of the six-bit scale.
const MAX_SCALE: u16 = 63;

/// The error estimate of a node's clock: 16 bits as in a packet (RFC 4656, section 4.1.2; the Z bit
/// is RFC 8186's, section 2.1). From the highest: S, Z, six bits of scale, eight of multiplier; the
/// error is `multiplier * 2^(scale - 32)` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorEstimate(u16);

/// The accuracy that NTP mostly achieves over the Internet.
const SYNCHRONISED: Duration = Duration::from_millis(10);

/// The error stated for a clock of unknown accuracy.
const UNKNOWN: Duration = Duration::from_secs(1);

impl ErrorEstimate {
    /// Returns the estimate for this machine's clock, in NTP's format. Whether it is synchronised
    /// to UTC by an external source is for its operator to say.
    pub fn of_clock(is_synchronised: bool) -> Self {
        if is_synchronised { Self::ntp(SYNCHRONISED).synchronised() } else { Self::ntp(UNKNOWN) }
    }

    /// Creates the estimate for an unsynchronised clock with timestamps in NTP's format. `error` is
    /// rounded up to one that can be encoded: by less than a hundredth of it, or to 2^-32 s. The
    /// maximum is 17,000 years.
    pub fn ntp(error: Duration) -> Self {
        let fraction = (u128::from(error.subsec_nanos()) << 32).div_ceil(1_000_000_000);
        let units = ((u128::from(error.as_secs()) << 32) + fraction).max(1);
        let scale = (u128::BITS - units.leading_zeros()).saturating_sub(8);
        let multiplier = units.div_ceil(1 << scale);
        // Rounding up may carry into one more bit, which is then the only one set.
        let (scale, multiplier) =
            if multiplier > 0xff { (scale + 1, multiplier >> 1) } else { (scale, multiplier) };
        if scale > u32::from(MAX_SCALE) {
            Self(MAX_SCALE << 8 | 0xff)
        } else {
            Self(((scale & 0x3f) as u16) << 8 | (multiplier & 0xff) as u16)
        }
    }

    /// Sets the S bit: the clock is synchronised to UTC by an external source, such as NTP or GPS.
    #[must_use]
    pub const fn synchronised(self) -> Self {
        Self(self.0 | S)
    }

    /// Creates an estimate from the bits in a packet.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Returns the bits in a packet.
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// Returns the error, in nanoseconds rounded up; `None` if the multiplier is 0, which is
    /// invalid.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 2^39 s; nanoseconds round up to a second at most, which is carried"
    )]
    pub fn error(self) -> Option<Duration> {
        let multiplier = u128::from(self.0 & 0xff);
        let units = multiplier << ((self.0 >> 8) & MAX_SCALE);
        let nanos = ((units & 0xffff_ffff) * 1_000_000_000).div_ceil(1 << 32);
        (multiplier > 0).then(|| Duration::new((units >> 32) as u64, nanos as u32))
    }

    /// Returns whether the clock is synchronised to UTC by an external source.
    pub const fn is_synchronised(self) -> bool {
        self.0 & S != 0
    }

    /// Returns whether the timestamps with this estimate are in PTP's format rather than NTP's.
    pub const fn is_ptp(self) -> bool {
        self.0 & Z != 0
    }

    /// Returns the format of the timestamps with this estimate.
    pub const fn format(self) -> Format {
        if self.is_ptp() { Format::Ptp } else { Format::Ntp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bits_are_read_as_rfc_4656_has_them() {
        for (bits, error, synchronised, ptp) in [
            (0x0001, Some(Duration::from_nanos(1)), false, false),
            (0x0005, Some(Duration::from_nanos(2)), false, false),
            (0x2001, Some(Duration::from_secs(1)), false, false),
            (0xa003, Some(Duration::from_secs(3)), true, false),
            (0x5f01, Some(Duration::from_millis(500)), false, true),
            (0x3fff, Some(Duration::new(255 << 31, 0)), false, false),
            (0x20ff, Some(Duration::from_secs(255)), false, false),
            (0xe000, None, true, true),
            (0x3f00, None, false, false),
        ] {
            let estimate = ErrorEstimate::from_bits(bits);
            assert_eq!(estimate.error(), error, "{bits:#06x}");
            assert_eq!(
                (estimate.is_synchronised(), estimate.is_ptp()),
                (synchronised, ptp),
                "{bits:#06x}"
            );
            assert_eq!(estimate.format() == Format::Ptp, ptp);
        }
    }

    #[test]
    fn an_error_is_written_with_eight_bits_rounded_up() {
        for (error, bits) in [
            (Duration::ZERO, 0x0001),
            (Duration::from_nanos(1), 0x0005),
            (Duration::from_secs(1), 0x1980),
            (Duration::from_secs(256), 0x2180),
            (Duration::from_secs(255), 0x20ff),
            (Duration::new(255, 1), 0x2180),
            // 0.01 * 2^32 is 42,949,672.96: 163.84 * 2^18.
            (Duration::from_millis(10), 0x12a4),
            (Duration::MAX, 0x3fff),
        ] {
            assert_eq!(ErrorEstimate::ntp(error).to_bits(), bits, "{error:?}");
            assert_eq!(ErrorEstimate::ntp(error).synchronised().to_bits(), bits | 0x8000);
        }
    }

    #[test]
    fn a_clock_is_synchronised_only_where_its_operator_says_so() {
        assert_eq!(ErrorEstimate::of_clock(false).to_bits(), 0x1980);
        assert_eq!(ErrorEstimate::of_clock(true).to_bits(), 0x92a4);
    }

    proptest! {
        #[test]
        fn encoded_error_is_at_least_the_actual_one_and_close_to_it(
            seconds in 0..1_u64 << 38, nanos in 0..1_000_000_000_u32,
        ) {
            let error = Duration::new(seconds, nanos);
            let written = ErrorEstimate::ntp(error).error().unwrap();
            prop_assert!(written >= error, "{written:?} for {error:?}");
            prop_assert!(written <= error + error / 100 + Duration::from_nanos(2), "{written:?} for {error:?}");
        }

        #[test]
        fn any_bits_decode_without_panic_and_valid_errors_round_trip(bits: u16) {
            let Some(error) = ErrorEstimate::from_bits(bits).error() else { return Ok(()) };
            let again = ErrorEstimate::ntp(error).error().unwrap();
            prop_assert!(again >= error && again <= error + error / 100 + Duration::from_nanos(2));
        }
    }
}
