//! The timestamps in a packet.

use crate::time::UnixTime;

/// Seconds from 1900-01-01, the start of NTP's era 0, to 1970-01-01 (RFC 5905, section 6).
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// Nanoseconds per second.
const NANOS: u32 = 1_000_000_000;

/// The format of a [`Timestamp`]: the Z bit of the error estimate with it (RFC 8186, section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NTP's format (RFC 5905, section 6): seconds since 1900, modulo 2^32, and a fraction in units
    /// of 2^-32 s, or 233 ps. It wraps on 2036-02-07.
    Ntp,
    /// PTPv2's truncated format (RFC 8877, section 4.3): seconds since 1970, modulo 2^32, and
    /// nanoseconds.
    ///
    /// Its seconds are interpreted as UTC: a clock on PTP's own time scale (TAI) is ahead by 37 s,
    /// but a packet does not tell its time scale.
    Ptp,
}

/// A timestamp as in a packet: 64 bits that have a meaning only together with their [`Format`] (RFC
/// 8762, section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Converts `time` to NTP's format, rounded to the nearest 2^-32 s: each nanosecond has a
    /// distinct timestamp.
    pub fn ntp(time: UnixTime) -> Self {
        let seconds = time.seconds.wrapping_add(NTP_TO_UNIX);
        // Below 2^32 even for the last nanosecond of a second. The whole seconds wrap, as the
        // format specifies.
        let nanos = u64::from(NANOS);
        let fraction = ((u64::from(time.nanoseconds) << 32) + nanos / 2) / nanos;
        Self((seconds << 32) + fraction)
    }

    /// Converts `time` to PTPv2's truncated format.
    pub fn ptp(time: UnixTime) -> Self {
        Self((time.seconds << 32) + u64::from(time.nanoseconds))
    }

    /// Creates a timestamp from the bytes in a packet.
    pub const fn from_be_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Returns the bytes in a packet.
    pub const fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Returns the nanoseconds from `earlier` to this time, negative if this time is before it.
    /// Both are in `format`.
    ///
    /// The result is exact for times that are whole nanoseconds, and rounded to the nearest one for
    /// others. Of the differences that are possible between two timestamps modulo 2^32 s, it is the
    /// smallest, and so correct for times up to 68 years apart.
    pub fn nanos_since(self, earlier: Self, format: Format) -> i64 {
        match format {
            Format::Ntp => {
                let units = self.0.wrapping_sub(earlier.0).cast_signed();
                let nanos = (i128::from(units) * i128::from(NANOS) + (1 << 31)) >> 32;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "at most 2^31 s, whose nanoseconds an i64 holds"
                )]
                {
                    nanos as i64
                }
            }
            Format::Ptp => {
                let seconds = self.seconds().wrapping_sub(earlier.seconds()).cast_signed();
                i64::from(seconds) * i64::from(NANOS) + i64::from(self.fraction())
                    - i64::from(earlier.fraction())
            }
        }
    }

    /// Converts the timestamp from `format`: of the times that it may stand for, which are 2^32 s
    /// apart, to the one nearest to `near`, such as the current time. The result is never before
    /// 1970.
    #[expect(clippy::cast_possible_truncation, reason = "a remainder of NANOS, a u32")]
    pub fn to_unix(self, format: Format, near: UnixTime) -> UnixTime {
        let reference = match format {
            Format::Ntp => Self::ntp(near),
            Format::Ptp => Self::ptp(near),
        };
        let near = i128::from(near.seconds) * i128::from(NANOS) + i128::from(near.nanoseconds);
        let nanos = (near + i128::from(self.nanos_since(reference, format))).max(0).cast_unsigned();
        let seconds = u64::try_from(nanos / u128::from(NANOS)).unwrap_or(u64::MAX);
        UnixTime { seconds, nanoseconds: (nanos % u128::from(NANOS)) as u32 }
    }

    const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    const fn fraction(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Format::{Ntp, Ptp};
    use super::*;
    use proptest::prelude::*;

    /// The first second of NTP's era 1: 2036-02-07T06:28:16Z (RFC 5905, figure 4).
    const ERA_1: u64 = 2_085_978_496;

    fn time(seconds: u64, nanoseconds: u32) -> UnixTime {
        UnixTime { seconds, nanoseconds }
    }

    fn bits(bits: u64) -> Timestamp {
        Timestamp::from_be_bytes(bits.to_be_bytes())
    }

    /// The dates are from RFC 5905, figure 4; the fractions were computed by hand.
    #[test]
    fn ntp_counts_from_1900_and_anew_from_2036() {
        for (time, expected) in [
            (time(0, 0), 2_208_988_800 << 32),
            (time(63_072_000, 0), 2_272_060_800 << 32),
            (time(1_700_000_000, 500_000_000), (3_908_988_800 << 32) | 0x8000_0000),
            (time(1_700_000_000, 1), (3_908_988_800 << 32) | 4),
            (time(ERA_1 - 1, 999_999_999), 0xffff_ffff_ffff_fffc),
            (time(ERA_1, 0), 0),
            (time(ERA_1 + 7, 250_000_000), (7 << 32) | 0x4000_0000),
        ] {
            assert_eq!(Timestamp::ntp(time), bits(expected), "{time}");
        }
    }

    #[test]
    fn ptp_counts_nanoseconds_from_1970() {
        assert_eq!(Timestamp::ptp(time(1_700_000_000, 42)), bits((1_700_000_000 << 32) + 42));
        assert_eq!(Timestamp::ptp(time((1 << 32) + 5, 0)), bits(5 << 32), "anew from 2106");
    }

    #[test]
    fn a_time_is_of_the_era_that_is_nearest() {
        for (seconds, near, expected) in [
            (3_908_988_800, 1_700_000_100, 1_700_000_000),
            (u64::from(u32::MAX), ERA_1, ERA_1 - 1),
            (0, ERA_1 - 1, ERA_1),
            (0, 1_700_000_000, ERA_1),
            (3_908_988_800, ERA_1 + 1_700_000_000, 1_700_000_000),
            (3_908_988_800, ERA_1 + 1_900_000_000, 1_700_000_000 + (1 << 32)),
        ] {
            assert_eq!(
                bits(seconds << 32).to_unix(Ntp, time(near, 9)),
                time(expected, 0),
                "{seconds} near {near}"
            );
        }
        assert_eq!(
            bits(5 << 32).to_unix(Ptp, time(u64::from(u32::MAX), 0)),
            time((1 << 32) + 5, 0)
        );
    }

    #[test]
    fn ptp_and_ntp_times_are_clamped_to_1970_and_the_maximum() {
        assert_eq!(bits(2_208_988_799 << 32).to_unix(Ntp, time(0, 0)), time(0, 0));
        let last = Timestamp::ptp(time(u64::MAX, 0));
        assert_eq!(last.to_unix(Ptp, time(u64::MAX, 999_999_999)), time(u64::MAX, 0));
        assert_eq!(
            bits(9 << 32).to_unix(Ptp, time(u64::MAX, 0)).seconds,
            u64::MAX,
            "ten seconds past the end"
        );
    }

    #[test]
    fn differences_go_over_the_end_of_an_era_in_either_direction() {
        let (before, after) =
            (Timestamp::ntp(time(ERA_1 - 1, 999_999_999)), Timestamp::ntp(time(ERA_1, 1)));
        assert_eq!(after.nanos_since(before, Ntp), 2);
        assert_eq!(before.nanos_since(after, Ntp), -2);
        let (before, after) = (
            Timestamp::ptp(time(u64::from(u32::MAX), 999_999_999)),
            Timestamp::ptp(time(1 << 32, 1)),
        );
        assert_eq!(after.nanos_since(before, Ptp), 2);
        assert_eq!(before.nanos_since(after, Ptp), -2);
    }

    #[test]
    fn a_difference_below_half_a_nanosecond_is_none() {
        assert_eq!(bits(2).nanos_since(bits(0), Ntp), 0);
        assert_eq!(bits(3).nanos_since(bits(0), Ntp), 1);
        assert_eq!(bits(0).nanos_since(bits(2), Ntp), 0);
        assert_eq!(bits(0).nanos_since(bits(3), Ntp), -1);
    }

    /// The nanoseconds from a sender may exceed a second.
    #[test]
    fn nanoseconds_past_a_second_are_carried() {
        let odd = bits((10 << 32) + 1_500_000_000);
        assert_eq!(odd.nanos_since(bits(10 << 32), Ptp), 1_500_000_000);
        assert_eq!(odd.to_unix(Ptp, time(0, 0)), time(11, 500_000_000));
    }

    proptest! {
        #[test]
        fn every_nanosecond_comes_back(
            seconds in 0..1_u64 << 40, nanoseconds in 0..1_000_000_000_u32, apart in -(1_i64 << 30)..1 << 30,
        ) {
            let time = time(seconds, nanoseconds);
            let near = UnixTime { seconds: seconds.saturating_add_signed(apart), nanoseconds: nanoseconds / 3 };
            prop_assert_eq!(Timestamp::ntp(time).to_unix(Ntp, near), time);
            prop_assert_eq!(Timestamp::ptp(time).to_unix(Ptp, near), time);
        }

        #[test]
        fn differences_are_exact(
            seconds in 0..1_u64 << 40, nanos in 0..1_000_000_000_u32, apart in -2_000_000_000_000_000_000..2_000_000_000_000_000_000_i64,
        ) {
            let earlier = UnixTime { seconds: seconds + (1 << 31), nanoseconds: nanos };
            let later = i128::from(earlier.seconds) * i128::from(NANOS) + i128::from(nanos) + i128::from(apart);
            let nanos = i128::from(NANOS);
            let later = time((later / nanos) as u64, (later % nanos) as u32);
            prop_assert_eq!(Timestamp::ntp(later).nanos_since(Timestamp::ntp(earlier), Ntp), apart);
            prop_assert_eq!(Timestamp::ptp(later).nanos_since(Timestamp::ptp(earlier), Ptp), apart);
        }

        #[test]
        fn no_bits_make_it_panic(a: u64, b: u64, seconds: u64, nanoseconds in 0..1_000_000_000_u32) {
            for format in [Ntp, Ptp] {
                let apart = bits(a).nanos_since(bits(b), format);
                let back = bits(b).nanos_since(bits(a), format);
                // A difference of half of 2^32 s is the same in both directions.
                prop_assert!(format == Ptp || apart == back || (apart + back).abs() <= 1, "{apart} {back}");
                prop_assert!(bits(a).to_unix(format, time(seconds, nanoseconds)).nanoseconds < 1_000_000_000);
            }
        }
    }
}
