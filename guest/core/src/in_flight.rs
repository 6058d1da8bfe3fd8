//! The table of pings sent: which are awaited, answered or lost, in O(1) for each datagram.

use std::collections::VecDeque;
use std::time::Duration;

use crate::seq::Seq;
use crate::time::{Instant, UnixTime};

/// How many settled pings are remembered, so that a late reply or a duplicate is told from a foreign datagram.
pub const HISTORY: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awaited,
    Answered,
    Lost,
    NotSent,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    sent: Instant,
    wall: UnixTime,
    state: State,
}

/// What a reply is to the ping it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first reply, within the timeout.
    Reply,
    /// The first reply, after the timeout.
    Late,
    /// A further reply.
    Duplicate,
    /// A reply to a ping that the socket never accepted.
    Unsent,
}

/// Pings by consecutive sequence number, oldest first.
#[derive(Debug)]
pub struct InFlight {
    timeout: Duration,
    oldest: Seq,
    slots: VecDeque<Slot>,
    /// No slot before this index is awaited. All have the same timeout, so they expire in the order they were sent.
    settled: usize,
    awaited: usize,
}

impl InFlight {
    /// An empty table, whose first ping will be number `first`. A ping is lost `timeout` after it was sent.
    pub fn new(first: Seq, timeout: Duration) -> Self {
        Self { timeout, oldest: first, slots: VecDeque::new(), settled: 0, awaited: 0 }
    }

    /// Enters the ping sent at `sent`, which says of itself that it was sent at `wall`, and gives its number.
    pub fn enter(&mut self, sent: Instant, wall: UnixTime) -> Seq {
        while self.slots.len() >= HISTORY && self.settled > 0 {
            self.slots.pop_front();
            self.oldest = self.oldest.next();
            self.settled -= 1;
        }
        let seq = self.next_seq();
        self.slots.push_back(Slot { sent, wall, state: State::Awaited });
        self.awaited += 1;
        seq
    }

    /// The number that the next ping gets.
    pub fn next_seq(&self) -> Seq {
        // Longer than 2^32 slots it cannot be: numbers are told apart only up to there, and it would be 128 GiB.
        Seq(self.oldest.0.wrapping_add(self.slots.len() as u32))
    }

    /// When ping `seq` was sent, by the monotonic clock and by its own text; `None` where the table does not know it.
    pub fn sent(&self, seq: Seq) -> Option<(Instant, UnixTime)> {
        self.slots.get(self.index(seq)).map(|slot| (slot.sent, slot.wall))
    }

    /// Settles a reply to `seq` that came at `now`. `None` where the table does not know it.
    pub fn reply(&mut self, seq: Seq, now: Instant) -> Option<Verdict> {
        let index = self.index(seq);
        let slot = self.slots.get_mut(index)?;
        let verdict = match slot.state {
            State::Awaited if now.since(slot.sent) <= self.timeout => Verdict::Reply,
            State::Awaited | State::Lost => Verdict::Late,
            State::Answered => Verdict::Duplicate,
            State::NotSent => Verdict::Unsent,
        };
        match slot.state {
            State::Awaited => self.settle(index, State::Answered),
            State::Lost => slot.state = State::Answered,
            State::Answered | State::NotSent => {}
        }
        Some(verdict)
    }

    /// Ping `seq`, the newest, was sent at `now` and not when it was entered.
    pub fn departed(&mut self, seq: Seq, now: Instant) {
        let index = self.index(seq);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.sent = now;
        }
    }

    /// Takes back that `seq` was sent: the socket did not accept it.
    pub fn not_sent(&mut self, seq: Seq) {
        let index = self.index(seq);
        if self.slots.get(index).is_some_and(|slot| slot.state == State::Awaited) {
            self.settle(index, State::NotSent);
        }
    }

    /// The next ping whose time is up at `now`; it is lost from here on. To be called until it gives `None`.
    pub fn expire(&mut self, now: Instant) -> Option<Seq> {
        if self.next_expiry()? > now {
            return None;
        }
        let index = self.settled;
        self.settle(index, State::Lost);
        Some(Seq(self.oldest.0.wrapping_add(index as u32)))
    }

    /// When the next awaited ping's time is up: the first instant at which a reply would be late.
    pub fn next_expiry(&self) -> Option<Instant> {
        let oldest_awaited = self.slots.get(self.settled)?;
        Some(oldest_awaited.sent + self.timeout + Duration::from_nanos(1))
    }

    /// How many pings are neither answered nor lost yet.
    pub fn awaited(&self) -> usize {
        self.awaited
    }

    fn index(&self, seq: Seq) -> usize {
        seq.distance_from(self.oldest) as usize
    }

    /// Gives an awaited slot its end, and moves `settled` past all that have one.
    fn settle(&mut self, index: usize, end: State) {
        self.slots[index].state = end;
        self.awaited -= 1;
        while self.slots.get(self.settled).is_some_and(|slot| slot.state != State::Awaited) {
            self.settled += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: UnixTime = UnixTime { seconds: 0, nanoseconds: 0 };

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn table(first: u32, sent_at_ms: &[u64]) -> InFlight {
        let mut table = InFlight::new(Seq(first), Duration::from_millis(100));
        for &ms in sent_at_ms {
            table.enter(at(ms), WALL);
        }
        table
    }

    #[test]
    fn time_runs_from_the_departure() {
        let mut table = table(1, &[0]);
        table.departed(Seq(1), at(5));
        assert_eq!(table.sent(Seq(1)).unwrap().0, at(5));
        assert_eq!(table.reply(Seq(1), at(104)), Some(Verdict::Reply));
    }

    #[test]
    fn replies_are_matched_in_any_order_and_the_second_is_a_duplicate() {
        let mut table = table(1, &[0, 10, 20]);
        assert_eq!(table.reply(Seq(3), at(30)), Some(Verdict::Reply));
        assert_eq!(table.reply(Seq(1), at(31)), Some(Verdict::Reply));
        assert_eq!(table.reply(Seq(3), at(32)), Some(Verdict::Duplicate));
        assert_eq!(table.awaited(), 1);
        assert_eq!(table.expire(at(111)), Some(Seq(2)));
        assert_eq!((table.expire(at(500)), table.next_expiry()), (None, None));
    }

    #[test]
    fn a_reply_at_the_timeout_counts_and_a_nanosecond_later_is_late() {
        let mut table = table(1, &[0, 0]);
        assert_eq!(table.expire(at(100)), None);
        assert_eq!(table.reply(Seq(1), at(100)), Some(Verdict::Reply));
        assert_eq!(table.reply(Seq(2), Instant::from_nanos(100_000_001)), Some(Verdict::Late));
        assert_eq!(table.awaited(), 0);
    }

    #[test]
    fn a_lost_ping_can_still_be_answered_late_once() {
        let mut table = table(1, &[0]);
        assert_eq!(table.expire(at(101)), Some(Seq(1)));
        assert_eq!(table.reply(Seq(1), at(150)), Some(Verdict::Late));
        assert_eq!(table.reply(Seq(1), at(151)), Some(Verdict::Duplicate));
    }

    #[test]
    fn numbers_never_given_out_are_unknown() {
        let mut table = table(1, &[0]);
        assert_eq!(table.reply(Seq(0), at(1)), None);
        assert_eq!(table.reply(Seq(2), at(1)), None);
    }

    #[test]
    fn a_ping_that_the_socket_refused_is_neither_awaited_nor_lost() {
        let mut table = table(1, &[0, 1]);
        table.not_sent(Seq(1));
        assert_eq!(table.reply(Seq(1), at(2)), Some(Verdict::Unsent));
        assert_eq!(table.expire(at(500)), Some(Seq(2)));
        assert_eq!(table.expire(at(500)), None);
    }

    #[test]
    fn numbers_wrap_without_a_gap() {
        let mut table = table(u32::MAX - 1, &[0, 1, 2, 3]);
        assert_eq!(table.next_seq(), Seq(2));
        assert_eq!(table.reply(Seq(1), at(4)), Some(Verdict::Reply));
        assert_eq!(table.reply(Seq(u32::MAX), at(4)), Some(Verdict::Reply));
        assert_eq!(table.expire(at(200)), Some(Seq(u32::MAX - 1)));
        assert_eq!(table.expire(at(200)), Some(Seq(0)));
    }

    #[test]
    fn settled_pings_are_forgotten_beyond_the_history_and_awaited_ones_never() {
        let mut table = InFlight::new(Seq(0), Duration::from_millis(100));
        for _ in 0..HISTORY + 10 {
            table.enter(at(0), WALL);
        }
        assert_eq!(table.slots.len(), HISTORY + 10);
        for n in 0..HISTORY as u32 + 10 {
            assert_eq!(table.reply(Seq(n), at(1)), Some(Verdict::Reply));
        }
        table.enter(at(2), WALL);
        assert_eq!(table.slots.len(), HISTORY);
        assert_eq!(table.reply(Seq(10), at(2)), None);
        assert_eq!(table.reply(Seq(11), at(2)), Some(Verdict::Duplicate));
    }
}
