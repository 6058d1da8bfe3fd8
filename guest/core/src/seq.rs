//! Sequence numbers.

use std::fmt;

/// The sequence number of a ping. It wraps from 2^32 - 1 to 0 and is compared with serial number
/// arithmetic (RFC 1982).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// Returns the next sequence number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Returns the previous sequence number.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// Returns how many numbers `self` is after `earlier`, modulo 2^32.
    pub const fn distance_from(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Returns whether `self` comes after `other`: is one of the 2^31 - 1 numbers that follow it
    /// (RFC 1982, section 3.2).
    pub const fn is_after(self, other: Self) -> bool {
        let distance = self.distance_from(other);
        distance != 0 && distance < 1 << 31
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_at_two_to_the_thirty_second() {
        assert_eq!(Seq(u32::MAX).next(), Seq(0));
        assert_eq!(Seq(0).previous(), Seq(u32::MAX));
        assert_eq!(Seq(1).distance_from(Seq(u32::MAX)), 2);
    }

    #[test]
    fn a_number_is_after_those_less_than_half_the_circle_before_it() {
        assert!(Seq(0).is_after(Seq(u32::MAX)));
        assert!(!Seq(u32::MAX).is_after(Seq(0)));
        assert!(!Seq(7).is_after(Seq(7)));
        assert!(Seq((1 << 31) - 1).is_after(Seq(0)));
        assert!(!Seq(1 << 31).is_after(Seq(0)));
    }
}
