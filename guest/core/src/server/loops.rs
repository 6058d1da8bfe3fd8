//! What keeps this server out of loops, in which two servers answer each other's answers for ever
//! (CVE-2024-2169): one datagram with a forged source starts one.
//!
//! Well-formed requests of the protocol that the server speaks are answered at any rate, but for
//! those that come again ([`crate::server::cycles`]). Anything else may be what another server has
//! to say to an answer of this one: it is answered 16 times at once, and then once a second
//! ([`crate::server::buckets`]). With a key, strangers' datagrams are not answered at all, and
//! those that were recorded only a few times ([`Repeats`]).
//!
//! What cannot be told from a client, by anybody, is a service that answers a ping with the next
//! one: a well-formed request with a number of its own, and each time another. No such service is
//! known.

use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use foldhash::fast::{FixedState, FoldHasher};

use crate::time::Instant;

/// No loop over a network takes longer for a round.
pub(crate) const ROUND: Duration = Duration::from_secs(10);

/// How often the same request is answered: a network may duplicate one, and people try things out
/// by hand.
pub(crate) const ANSWERS: u8 = 5;

/// Of a datagram longer than two ends, these are looked at first: a digest of 60,000 bytes takes as
/// long as half of all else that is done with them.
const END: usize = 16;

/// How often ends may be the same before the whole is looked at. Of datagrams that differ only
/// between their ends, each is then answered [`ANSWERS`] less this often.
const ENDS: u8 = 2;

/// Datagrams that are remembered. The table takes 96 KiB.
const SLOTS: usize = 4_096;

/// Who has a slot loses it to the last of so many others that came since it last came itself.
const CLAIMS: u8 = 16;

/// Whether `ip` can be one host's: neither multicast, nor the limited broadcast address, nor the
/// unspecified one. The broadcast address of a subnet cannot be told from a host's; the system
/// refuses to send there.
pub(crate) fn is_host(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !(ip.is_multicast() || ip.is_unspecified() || ip == Ipv4Addr::BROADCAST)
}

/// A datagram that came, told from others by a digest of 64 bits.
#[derive(Clone, Copy, Debug)]
struct Slot {
    digest: u64,
    last: Instant,
    /// 0 where the slot is empty.
    times: u8,
    /// How many others wanted the slot since then.
    claims: u8,
}

/// A digest of a source: its address, zone and port. A flow label, which each datagram may have
/// another of, makes no other source (RFC 6437).
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

/// The place of `digest` in a table of so many.
#[expect(clippy::cast_possible_truncation, reason = "below `places`, a usize")]
pub(crate) fn place(digest: u64, places: usize) -> usize {
    (digest % places as u64) as usize
}

/// Counts how often the same authenticated bytes come again, from wherever, in O(1) and in a table
/// that never grows.
///
/// What shares a slot must not keep each other's count down. So a slot changes hands only when its
/// holder was away while [`CLAIMS`] others came. What was recorded is forgotten only for 65,000
/// others that are all new and have the key's tag.
#[derive(Debug)]
pub(crate) struct Repeats {
    memory: Duration,
    hasher: FixedState,
    /// Empty until the first datagram: an idle server needs no table.
    slots: Vec<Slot>,
}

impl Repeats {
    /// An empty table that forgets what did not come for longer than `memory`. From `salt` follows
    /// which datagrams share a slot: what their senders must not know.
    pub(crate) fn new(salt: u64, memory: Duration) -> Self {
        Self { memory, hasher: FixedState::with_seed(salt), slots: Vec::new() }
    }

    /// Enters that these `bytes` came at `now`, and says whether they came more often than
    /// [`ANSWERS`], with pauses that the table's memory outlasts. It counts on while they are
    /// refused: who goes on without a pause gets no more answers.
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

    /// Enters a digest, and says how often it came.
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
        /// Enters a datagram that tells itself from others by `number`.
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

    /// `count` numbers whose datagrams share a slot.
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
        /// Whatever comes and when: nothing is refused that did not come more than five times.
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
