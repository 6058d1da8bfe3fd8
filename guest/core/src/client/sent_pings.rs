//! The table of the pings sent in one flow: which are awaited, answered or lost, in O(1) per
//! datagram.

use std::collections::VecDeque;
use std::iter;
use std::time::Duration;

use crate::seq::Seq;
use crate::stats::outcome::{Fate, Sent};
use crate::time::{Instant, UnixTime};

/// Pings by consecutive sequence number, oldest first.
#[derive(Debug)]
pub(crate) struct SentPings {
    history: usize,
    oldest: Seq,
    slots: VecDeque<Sent>,
}

impl SentPings {
    /// Creates an empty table whose first ping has the number `first`. It holds the awaited pings
    /// and the last `history` others, so that a late reply or a duplicate can be told from a
    /// foreign datagram.
    pub(crate) fn new(first: Seq, history: usize) -> Self {
        Self { history, oldest: first, slots: VecDeque::new() }
    }

    /// Enters a ping that was due at `scheduled` and is sent at `at` with the timestamp `wall`.
    /// Returns its number.
    pub(crate) fn enter(&mut self, scheduled: Instant, at: Instant, wall: UnixTime) -> Seq {
        let seq = self.next_seq();
        let (fate, rtt) = (Fate::Awaited, Duration::ZERO);
        self.slots.push_back(Sent {
            scheduled,
            at,
            wall,
            fate,
            rtt,
            duplicates: 0,
            reflected: None,
        });
        seq
    }

    /// Returns the number of the next ping.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "2^32 slots, up to which numbers are told apart, would be 400 GiB"
    )]
    pub(crate) fn next_seq(&self) -> Seq {
        Seq(self.oldest.0.wrapping_add(self.slots.len() as u32))
    }

    /// Returns ping `seq`; `None` if it is not in the table.
    pub(crate) fn get(&self, seq: Seq) -> Option<&Sent> {
        self.slots.get(self.index(seq))
    }

    /// Returns a mutable reference to ping `seq`; `None` if it is not in the table.
    pub(crate) fn get_mut(&mut self, seq: Seq) -> Option<&mut Sent> {
        let index = self.index(seq);
        self.slots.get_mut(index)
    }

    /// Removes the oldest ping if the table exceeds its history and neither that ping nor the next,
    /// which may be compared with it, is awaited.
    pub(crate) fn forget_oldest(&mut self) -> Option<(Seq, Sent)> {
        let settled = |slot: &Sent| slot.fate != Fate::Awaited;
        let forgettable = self.slots.len() > self.history && self.slots.iter().take(2).all(settled);
        if forgettable { self.take_oldest() } else { None }
    }

    /// Removes the oldest ping unconditionally.
    pub(crate) fn take_oldest(&mut self) -> Option<(Seq, Sent)> {
        let sent = self.slots.pop_front()?;
        let seq = self.oldest;
        self.oldest = seq.next();
        Some((seq, sent))
    }

    /// Iterates over all pings, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Seq, &Sent)> {
        iter::successors(Some(self.oldest), |seq| Some(seq.next())).zip(&self.slots)
    }

    fn index(&self, seq: Seq) -> usize {
        seq.distance_from(self.oldest) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: UnixTime = UnixTime { seconds: 0, nanoseconds: 0 };

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn table(first: u32, history: usize, count: u64) -> SentPings {
        let mut table = SentPings::new(Seq(first), history);
        for ms in 0..count {
            table.enter(at(ms), at(ms), WALL);
        }
        table
    }

    #[test]
    fn pings_are_found_by_their_numbers_and_others_are_not() {
        let table = table(1, 10, 3);
        assert_eq!(table.next_seq(), Seq(4));
        assert_eq!(table.get(Seq(2)).map(|sent| sent.at), Some(at(1)));
        assert_eq!((table.get(Seq(0)), table.get(Seq(4))), (None, None));
    }

    #[test]
    fn numbers_wrap_without_a_gap() {
        let mut table = table(u32::MAX - 1, 0, 4);
        assert_eq!(table.next_seq(), Seq(2));
        assert_eq!(table.get(Seq(1)).map(|sent| sent.at), Some(at(3)));
        let taken: Vec<_> = iter::from_fn(|| table.take_oldest()).map(|(seq, _)| seq.0).collect();
        assert_eq!(taken, [u32::MAX - 1, u32::MAX, 0, 1]);
    }

    #[test]
    fn oldest_ping_is_forgotten_when_it_and_the_next_are_settled() {
        let mut table = table(1, 2, 4);
        assert_eq!(table.forget_oldest(), None, "ping 1 is awaited");
        table.get_mut(Seq(1)).unwrap().fate = Fate::Lost;
        assert_eq!(table.forget_oldest(), None, "ping 2 may be compared with ping 1");
        table.get_mut(Seq(2)).unwrap().fate = Fate::Received;
        assert_eq!(table.forget_oldest().map(|(seq, _)| seq), Some(Seq(1)));
        table.get_mut(Seq(3)).unwrap().fate = Fate::Received;
        assert_eq!(table.forget_oldest().map(|(seq, _)| seq), Some(Seq(2)));
        assert_eq!(table.forget_oldest(), None, "two are its history");
    }
}
