//! What keeps this server out of loops, in which two servers answer each other's answers for ever (CVE-2024-2169): one
//! datagram with a forged source starts one.

use std::hash::{BuildHasher as _, Hash};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fastrand::Rng;
use foldhash::quality::FixedState;

use crate::time::Instant;

/// How often the same datagram is answered: a network may duplicate one, and people try things out by hand.
pub const ANSWERS: u8 = 5;

/// Datagrams that are remembered. The table takes 96 KiB.
const SLOTS: usize = 4_096;

/// Of so many datagrams that find their slot taken, one gets it.
const TAKEOVER: u8 = 4;

/// Whether `ip` can be one host's: neither multicast, nor the limited broadcast address, nor the unspecified one. The
/// broadcast address of a subnet cannot be told from a host's; the system refuses to send there.
pub fn is_host(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !(ip.is_multicast() || ip.is_unspecified() || ip == Ipv4Addr::BROADCAST)
}

/// A datagram of which more came than are answered, told from others by a digest of 64 bits.
#[derive(Clone, Copy, Debug)]
struct Slot {
    digest: u64,
    last: Instant,
    /// 0 where the slot is empty.
    times: u8,
}

/// Counts how often the same comes again, in O(1) and in a table that never grows.
///
/// Datagrams that share a slot must not keep each other's count down: else a loop would be kept alive by a second one, and
/// the two by nobody. So a slot in use changes hands by lot. A loop that has it is cut when it keeps it for as many rounds
/// as there are answers; against nine others in the same slot it still does once in 400,000 tries. A loop that is cut is
/// over: nothing of it is under way any more. What can keep loops alive is traffic that is always new and takes each slot
/// more often than the loop comes round: 4,096 slots outlast 16,000 such datagrams; and only while it lasts.
#[derive(Debug)]
pub struct Repeats {
    memory: Duration,
    hasher: FixedState,
    lot: Rng,
    /// Empty until the first datagram: an idle server needs no table.
    slots: Vec<Slot>,
}

impl Repeats {
    /// An empty table that forgets what did not come for longer than `memory`. From `salt` follows which datagrams share a
    /// slot: what their senders must not know.
    pub fn new(salt: u64, memory: Duration) -> Self {
        Self { memory, hasher: FixedState::with_seed(salt), lot: Rng::with_seed(salt), slots: Vec::new() }
    }

    /// Enters that `this` came at `now`, and says whether it came more often than [`ANSWERS`], with pauses that the table's
    /// memory outlasts. It counts on while it is refused: who goes on without a pause gets no more answers.
    pub fn is_excessive(&mut self, this: impl Hash, now: Instant) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![Slot { digest: 0, last: now, times: 0 }; SLOTS];
        }
        let digest = self.hasher.hash_one(this);
        let slot = &mut self.slots[digest as usize % SLOTS];
        let in_use = slot.times > 0 && now.since(slot.last) <= self.memory;
        if in_use && slot.digest == digest {
            slot.last = now;
            slot.times = slot.times.saturating_add(1);
            return slot.times > ANSWERS;
        }
        if !in_use || self.lot.u8(..TAKEOVER) == 0 {
            *slot = Slot { digest, last: now, times: 1 };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MEMORY: Duration = Duration::from_secs(10);

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn table() -> Repeats {
        Repeats::new(1, MEMORY)
    }

    #[test]
    fn hosts_are_told_from_what_is_many_or_none() {
        for ip in ["192.0.2.1", "127.0.0.1", "255.255.255.254", "::1", "fe80::1", "::ffff:192.0.2.1"] {
            assert!(is_host(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "239.255.255.255", "::", "ff02::1"] {
            assert!(!is_host(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["::ffff:0.0.0.0", "::ffff:255.255.255.255", "::ffff:224.0.0.1"] {
            assert!(!is_host(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn the_sixth_of_the_same_is_one_too_many_and_so_are_all_after_it() {
        let mut table = table();
        let excessive: Vec<_> = (0..300).map(|i| table.is_excessive("a", at(i))).collect();
        assert_eq!(excessive.iter().position(|&excessive| excessive), Some(5));
        assert!(excessive[5..].iter().all(|&excessive| excessive), "also past the 255th");
    }

    #[test]
    fn a_pause_longer_than_the_memory_starts_anew_and_one_as_long_does_not() {
        let mut table = table();
        for i in 0..5 {
            assert!(!table.is_excessive("a", at(i)));
        }
        assert!(table.is_excessive("a", at(4 + 10_000)));
        assert!(table.is_excessive("a", at(4 + 20_000)), "the refused one counted");
        for i in 0..5 {
            assert!(!table.is_excessive("a", at(4 + 30_001 + i)));
        }
        assert!(table.is_excessive("a", at(4 + 30_006)));
    }

    #[test]
    fn other_datagrams_in_between_do_not_help() {
        let mut table = table();
        let excessive = (0..60).filter(|i| table.is_excessive(i % 10, at(*i))).count();
        assert_eq!(excessive, 10);
    }

    /// `count` numbers that share a slot.
    fn colliding(count: usize) -> Vec<u64> {
        let hasher = table().hasher;
        let slot = |n: &u64| hasher.hash_one(n) as usize % SLOTS;
        (0..).filter(|n| slot(n) == slot(&0)).take(count).collect()
    }

    #[test]
    fn loops_in_one_slot_do_not_keep_each_other_alive() {
        let mut table = table();
        let mut alive = colliding(10);
        let mut rounds = 0;
        while !alive.is_empty() {
            rounds += 1;
            alive.retain(|n| !table.is_excessive(n, at(0)));
            assert!(rounds < 10_000_000, "{} loops still alive", alive.len());
        }
    }

    #[test]
    fn a_slot_that_is_left_alone_is_taken_at_once() {
        let mut table = table();
        let [first, second] = colliding(2)[..] else { panic!() };
        table.is_excessive(first, at(0));
        for i in 0..5 {
            assert!(!table.is_excessive(second, at(10_001 + i)));
        }
        assert!(table.is_excessive(second, at(10_006)));
    }

    #[test]
    fn the_table_does_not_grow() {
        let mut table = table();
        (0..100_000).for_each(|n| assert!(!table.is_excessive(n, at(n))));
        assert_eq!((table.slots.len(), size_of::<Slot>()), (SLOTS, 24));
    }

    proptest! {
        /// Whatever comes and when: nothing is refused that did not come more than five times.
        #[test]
        fn nothing_is_refused_before_its_sixth_time(comings in prop::collection::vec((0..20_u8, 0..12_000_u64), 0..200)) {
            let mut table = table();
            let (mut now, mut times) = (0, [0; 20]);
            for (what, pause) in comings {
                now += pause;
                times[usize::from(what)] += 1;
                prop_assert!(!table.is_excessive(what, at(now)) || times[usize::from(what)] > 5);
            }
        }
    }
}
