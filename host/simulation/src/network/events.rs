//! What is to come, in order of time; at one time in the order in which it was added.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::task::Waker;

use crate::fault::Fault;
use crate::network::packet::Packet;
use crate::network::sockets::Unreachable;
use crate::time::Time;

/// Something that will happen.
pub(super) enum Pending {
    /// A timer expires.
    Wake(Waker),
    /// A datagram arrives.
    Arrival(Packet),
    /// A node hears that a datagram did not arrive (ICMP).
    Unreachable(Unreachable),
    /// A fault.
    Fault(Fault),
}

#[derive(Default)]
pub(super) struct Events {
    pending: BTreeMap<(Time, u64), Pending>,
    added: u64,
}

impl Events {
    /// Adds an event. Returns a key to remove it by.
    pub(super) fn insert(&mut self, time: Time, event: Pending) -> (Time, u64) {
        let key = (time, self.added);
        self.added += 1;
        self.pending.insert(key, event);
        key
    }

    pub(super) fn remove(&mut self, key: (Time, u64)) {
        self.pending.remove(&key);
    }

    /// The number of events up to `time`.
    pub(super) fn due(&self, time: Time) -> usize {
        self.pending.range(..=(time, u64::MAX)).count()
    }

    /// The time of the first event.
    pub(super) fn next(&self) -> Option<Time> {
        self.pending.first_key_value().map(|((time, _), _)| *time)
    }

    /// The time of the first event after `time`.
    pub(super) fn next_after(&self, time: Time) -> Option<Time> {
        let after = (Bound::Excluded((time, u64::MAX)), Bound::Unbounded);
        self.pending.range(after).next().map(|((time, _), _)| *time)
    }

    /// Takes the first event.
    pub(super) fn pop(&mut self) -> Option<Pending> {
        self.pending.pop_first().map(|(_, event)| event)
    }
}
