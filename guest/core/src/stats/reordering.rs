//! Reordering of replies.

use crate::seq::Seq;

/// Counts Type-P-Reordered replies (RFC 4737, section 3.3): those whose number is smaller than the
/// next one expected, which is the largest that has arrived so far plus one.
///
/// A comparison with only the previous reply would count a single one if a whole train was
/// overtaken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reordering {
    expected: Option<Seq>,
    reordered: u64,
}

impl Reordering {
    /// Records that the first reply to ping `seq` arrived. Duplicates must not be recorded.
    pub(crate) fn record(&mut self, seq: Seq) {
        match self.expected {
            Some(expected) if expected.is_after(seq) => self.reordered += 1,
            _ => self.expected = Some(seq.next()),
        }
    }

    /// Returns the number of reordered replies.
    pub(crate) fn count(&self) -> u64 {
        self.reordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arrivals: &[u32]) -> u64 {
        let mut reordering = Reordering::default();
        for &number in arrivals {
            reordering.record(Seq(number));
        }
        reordering.count()
    }

    #[test]
    fn hand_worked_orders() {
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[1, 2, 5, 9]), 0, "gaps are no reordering");
        assert_eq!(of(&[1, 2, 4, 3, 5]), 1);
        // As in RFC 4737, section 3.4: 4, 5 and 6 come after 7; each of the three is late, not only
        // the first.
        assert_eq!(of(&[1, 2, 3, 7, 4, 5, 6, 8]), 3);
        assert_eq!(of(&[3, 2, 1]), 2);
    }

    #[test]
    fn the_wrap_is_no_reordering() {
        assert_eq!(of(&[u32::MAX - 1, u32::MAX, 0, 1]), 0);
        assert_eq!(of(&[u32::MAX, 1, 0, 2]), 1);
    }
}
