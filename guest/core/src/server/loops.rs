//! Prevention of loops, in which two servers answer each other's answers forever (CVE-2024-2169):
//! one datagram with a forged source starts one.
//!
//! Well-formed requests of the server's protocol are answered at any rate, except repeated ones
//! ([`crate::server::cycles`]). Anything else may be another server's response to an answer of this
//! one: it is answered 16 times at once, and then once per second ([`crate::server::buckets`]).
//! With a key, unauthenticated datagrams are not answered at all, and replayed ones only a few
//! times ([`Repeats`]).
//!
//! One service cannot be distinguished from a client: one that answers a ping with the next one, a
//! well-formed request with a different number each time. No such service is known.

use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use foldhash::fast::{FixedState, FoldHasher};

use crate::time::Instant;

/// The maximum duration of one round of a loop over a network.
pub(crate) const ROUND: Duration = Duration::from_secs(10);

/// How often the same request is answered: a network may duplicate one, and people try things out
/// by hand.
pub(crate) const ANSWERS: u8 = 5;

/// The length of a datagram's ends, in bytes. If it is longer than both, they are compared first: a
/// digest of 60,000 bytes takes half as long as everything else done with them.
const END: usize = 16;

/// How often ends may be the same before the whole datagram is compared. Datagrams that differ only
/// between their ends are then answered [`ANSWERS`] less this many times each.
const ENDS: u8 = 2;

/// The number of datagrams that are remembered. The table takes 96 KiB.
const SLOTS: usize = 4_096;

/// A datagram loses its slot to the last of this many others that arrived since it last did.
const CLAIMS: u8 = 16;

/// Returns whether `ip` can be a single host's: neither multicast, nor the limited broadcast
/// address, nor the unspecified one. The broadcast address of a subnet cannot be told from a
/// host's; the system refuses to send there.
pub(crate) fn is_host(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !(ip.is_multicast() || ip.is_unspecified() || ip == Ipv4Addr::BROADCAST)
}

/// A received datagram, identified by a digest of 64 bits.
#[derive(Clone, Copy, Debug)]
struct Slot {
    digest: u64,
    last: Instant,
    /// How often it was received; 0 if the slot is empty.
    times: u8,
    /// How many other datagrams claimed the slot since then.
    claims: u8,
}

/// Returns a digest of a source: its address, zone and port. The flow label is ignored, since it
/// may differ between datagrams of one source (RFC 6437).
pub(crate) fn digest(hasher: &FixedState, source: SocketAddr) -> u64 {
    let mut hasher = hasher.build_hasher();
    match source {
        SocketAddr::V4(source) => {
            hasher.write_u64(u64::from(source.ip().to_bits()) << 16 | u64::from(source.port()));
        }
        SocketAddr::V6(source) => {
            hasher.write_u128(source.ip().to_bits());
            hasher.write_u64(u64::from(source.scope_id()) << 16 | u64::from(source.port()));
        }
    }
    hasher.finish()
}

/// Returns the index of `digest` in a table of `places` places.
#[expect(clippy::cast_possible_truncation, reason = "below `places`, a usize")]
pub(crate) fn place(digest: u64, places: usize) -> usize {
    (digest % places as u64) as usize
}

/// Counts how often the same authenticated bytes arrive, from any source, in O(1) and in a table of
/// constant size.
///
/// Datagrams that share a slot must not reset each other's count. So a slot changes hands only if
/// its holder did not arrive while [`CLAIMS`] others did. A recorded datagram is forgotten only
/// after 65,000 others that are all new and have the key's tag.
#[derive(Debug)]
pub(crate) struct Repeats {
    memory: Duration,
    hasher: FixedState,
    /// Empty until the first datagram: an idle server needs no table.
    slots: Vec<Slot>,
}

impl Repeats {
    /// Creates an empty table that forgets datagrams that did not arrive for longer than `memory`.
    /// `salt` determines which datagrams share a slot; their senders must not know it.
    pub(crate) fn new(salt: u64, memory: Duration) -> Self {
        Self { memory, hasher: FixedState::with_seed(salt), slots: Vec::new() }
    }

    /// Records that `bytes` arrived at `now`. Returns whether they arrived more than [`ANSWERS`]
    /// times, with pauses shorter than the table's memory. Refused datagrams are counted, too: a
    /// sender that continues without a pause gets no more answers.
    pub(crate) fn is_excessive(&mut self, bytes: &[u8], now: Instant) -> bool {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_usize(bytes.len());
        let whole = |mut hasher: FoldHasher<'_>| {
            hasher.write(bytes);
            hasher.finish()
        };
        match (bytes.first_chunk::<END>(), bytes.last_chunk::<END>()) {
            (Some(start), Some(end)) if bytes.len() > 2 * END => {
                let mut ends = hasher.clone();
                ends.write_u128(u128::from_ne_bytes(*start));
                ends.write_u128(u128::from_ne_bytes(*end));
                self.times(ends.finish(), now) > ENDS
                    && self.times(whole(hasher), now) > ANSWERS - ENDS
            }
            _ => self.times(whole(hasher), now) > ANSWERS,
        }
    }

    /// Records a digest, and returns how often it was received.
    fn times(&mut self, digest: u64, now: Instant) -> u8 {
        if self.slots.is_empty() {
            self.slots = vec![Slot { digest: 0, last: now, times: 0, claims: 0 }; SLOTS];
        }
        let slot = &mut self.slots[place(digest, SLOTS)];
        let held = slot.times > 0 && now.since(slot.last) <= self.memory;
        if held && slot.digest == digest {
            *slot = Slot { last: now, times: slot.times.saturating_add(1), claims: 0, ..*slot };
            return slot.times;
        }
        slot.claims += 1;
        if !held || slot.claims == CLAIMS {
            *slot = Slot { digest, last: now, times: 1, claims: 0 };
        }
        1
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

    impl Repeats {
        /// Records a datagram that is identified by `number`.
        fn number(&mut self, number: u64, now: Instant) -> bool {
            self.is_excessive(&number.to_ne_bytes(), now)
        }
    }

    #[test]
    fn hosts_are_told_from_what_is_many_or_none() {
        for ip in
            ["192.0.2.1", "127.0.0.1", "255.255.255.254", "::1", "fe80::1", "::ffff:192.0.2.1"]
        {
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
    fn sixth_identical_datagram_and_all_later_are_excessive() {
        for length in [0, 1, 31, 32, 33, 64, 65_507] {
            let (mut table, datagram) = (table(), vec![b'x'; length]);
            let excessive: Vec<_> =
                (0..300).map(|i| table.is_excessive(&datagram, at(i))).collect();
            assert_eq!(excessive.iter().position(|&excessive| excessive), Some(5), "{length}");
            assert!(excessive[5..].iter().all(|&excessive| excessive), "also past the 255th");
        }
    }

    #[test]
    fn what_differs_in_any_byte_or_in_its_length_is_not_the_same() {
        for length in [1_usize, 31, 33, 200] {
            let mut table = table();
            for i in 0..length {
                let mut datagram = vec![0; length];
                datagram[i] = 1;
                assert!(
                    (0..3).all(|_| !table.is_excessive(&datagram, at(0))),
                    "byte {i} of {length}"
                );
            }
        }
        let mut table = table();
        assert!((0..1_000).all(|length| !table.is_excessive(&vec![0; length], at(0))));
    }

    #[test]
    fn source_is_address_zone_and_port_without_the_flow_label() {
        let hasher = FixedState::with_seed(1);
        let digest = |source: &str| digest(&hasher, source.parse().unwrap());
        let sources = [
            "192.0.2.7:5000",
            "192.0.2.7:5001",
            "192.0.2.8:5000",
            "[::1]:5000",
            "[::2]:5000",
            "[::2]:5001",
            "[::2%3]:5000",
        ];
        let mut digests: Vec<_> = sources.iter().map(|source| digest(source)).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), sources.len());
        let labelled = std::net::SocketAddrV6::new("::2".parse().unwrap(), 5_000, 7, 0);
        assert_eq!(super::digest(&hasher, labelled.into()), digest("[::2]:5000"));
        assert_ne!(
            digest("[::2]:5000"),
            super::digest(&FixedState::with_seed(2), labelled.into()),
            "salted"
        );
    }

    #[test]
    fn loop_count_resets_only_after_a_pause_beyond_the_memory() {
        let mut table = table();
        for i in 0..5 {
            assert!(!table.number(0, at(i)));
        }
        assert!(table.number(0, at(4 + 10_000)));
        assert!(table.number(0, at(4 + 20_000)), "the refused one counted");
        for i in 0..5 {
            assert!(!table.number(0, at(4 + 30_001 + i)));
        }
        assert!(table.number(0, at(4 + 30_006)));
    }

    #[test]
    fn other_datagrams_in_between_do_not_help() {
        let mut table = table();
        let excessive = (0..60).filter(|i| table.number(i % 10, at(*i))).count();
        assert_eq!(excessive, 10);
    }

    /// Returns `count` numbers whose datagrams share a slot.
    fn colliding(count: usize) -> Vec<u64> {
        let slot = |number| {
            let mut table = table();
            table.number(number, at(0));
            table.slots.iter().position(|slot| slot.times > 0)
        };
        let wanted = slot(0);
        (0..).filter(|number| slot(*number) == wanted).take(count).collect()
    }

    #[test]
    fn colliding_repeats_up_to_the_claims_are_all_rejected() {
        let mut table = table();
        let mut alive = colliding(usize::from(CLAIMS));
        let mut rounds = 0;
        while !alive.is_empty() {
            alive.retain(|number| !table.number(*number, at(0)));
            rounds += 1;
            assert!(rounds < 200, "{} are still alive", alive.len());
        }
    }

    #[test]
    fn idle_slot_is_replaced_at_once_and_active_one_after_claims() {
        let [first, second] = colliding(2)[..] else { panic!() };
        for (start, claims) in [(10_001, 0), (10_000, u64::from(CLAIMS) - 1)] {
            let mut table = table();
            table.number(first, at(0));
            let answered = (0..1_000).take_while(|_| !table.number(second, at(start))).count();
            assert_eq!(answered as u64, claims + 5);
        }
    }

    #[test]
    fn the_table_does_not_grow() {
        let mut table = table();
        (0..100_000).for_each(|number| assert!(!table.number(number, at(number))));
        assert_eq!((table.slots.len(), size_of::<Slot>()), (SLOTS, 24));
    }

    proptest! {
        /// For any datagrams at any times: none is refused that did not come more than five times.
        #[test]
        fn nothing_is_refused_before_its_sixth_time(comings in prop::collection::vec((0..20_u8, 0..12_000_u64), 0..200)) {
            let mut table = table();
            let (mut now, mut times) = (0, [0; 20]);
            for (what, pause) in comings {
                now += pause;
                times[usize::from(what)] += 1;
                let excessive = table.is_excessive(&[what; 100], at(now));
                prop_assert!(!excessive || times[usize::from(what)] > 5);
            }
        }
    }
}
