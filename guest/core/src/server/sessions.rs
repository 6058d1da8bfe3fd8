//! The sessions of a stateful reflector.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use foldhash::fast::FixedState;
use lru::LruCache;

use crate::seq::Seq;

/// The maximum number of sessions; the least recently used one is evicted first. All of them take
/// about 1 MiB.
const MOST: NonZeroUsize = NonZeroUsize::new(16_384).expect("it is not 0");

/// The number of each session's next reply, found in O(1), in a bounded table.
///
/// A session is identified by its sender's address and port and by its SSID (RFC 8972, section 3).
/// One that was evicted, because many others came, starts again from 0.
pub struct Sessions(LruCache<(SocketAddr, u16), Seq, FixedState>);

impl Sessions {
    /// Creates an empty table. `salt` determines which sessions share a place in the table; their
    /// senders must not know it.
    pub fn new(salt: u64) -> Self {
        Self::with_room_for(MOST, salt)
    }

    fn with_room_for(most: NonZeroUsize, salt: u64) -> Self {
        Self(LruCache::with_hasher(most, FixedState::with_seed(salt)))
    }

    /// Returns the number of the next reply in a session: from 0, incremented for each (RFC 8762,
    /// section 4.3).
    pub fn next(&mut self, mut sender: SocketAddr, ssid: u16) -> Seq {
        // The flow label may differ between datagrams of one sender (RFC 6437).
        if let SocketAddr::V6(sender) = &mut sender {
            sender.set_flowinfo(0);
        }
        let next = self.0.get_or_insert_mut((sender, ssid), || Seq(0));
        std::mem::replace(next, next.next())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("count", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;

    use super::*;

    fn sender(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    fn room_for(most: usize) -> Sessions {
        Sessions::with_room_for(NonZeroUsize::new(most).unwrap(), 1)
    }

    #[test]
    fn each_session_counts_its_own_replies_from_0() {
        let mut sessions = Sessions::new(1);
        let others = [
            (sender(5_001), 0),
            (sender(5_000), 1),
            ("192.0.2.8:5000".parse().unwrap(), 0),
            ("[::1]:5000".parse().unwrap(), 0),
        ];
        for expected in 0..3 {
            assert_eq!(sessions.next(sender(5_000), 0), Seq(expected));
            for (sender, ssid) in others {
                assert_eq!(sessions.next(sender, ssid), Seq(expected), "{sender} {ssid}");
            }
        }
    }

    #[test]
    fn a_flow_label_makes_no_other_session_and_a_zone_does() {
        let mut sessions = Sessions::new(1);
        let sender =
            |flow, zone| SocketAddrV6::new("fe80::1".parse().unwrap(), 5_000, flow, zone).into();
        assert_eq!(sessions.next(sender(0, 1), 0), Seq(0));
        assert_eq!(sessions.next(sender(7, 1), 0), Seq(1));
        assert_eq!(sessions.next(sender(0, 2), 0), Seq(0));
    }

    #[test]
    fn the_session_that_was_silent_longest_is_forgotten_first() {
        let mut sessions = room_for(3);
        for port in [1, 2, 3, 1, 4] {
            sessions.next(sender(port), 0);
        }
        assert_eq!([1, 3, 4].map(|port| sessions.next(sender(port), 0)), [Seq(2), Seq(1), Seq(1)]);
        assert_eq!(sessions.next(sender(2), 0), Seq(0), "the one that was forgotten begins anew");
        assert_eq!(
            sessions.next(sender(1), 0),
            Seq(0),
            "and so does the one that had to go for it"
        );
    }

    #[test]
    fn the_table_does_not_grow_past_its_bound() {
        let mut sessions = Sessions::new(1);
        for ip in 0..100_000_u32 {
            assert_eq!(sessions.next(SocketAddr::from((ip.to_be_bytes(), 5_000)), 0), Seq(0));
        }
        assert_eq!(sessions.0.len(), MOST.get());
    }

    #[test]
    fn a_count_wraps_after_its_last_number() {
        let mut sessions = Sessions::new(1);
        sessions.0.put((sender(5_000), 0), Seq(u32::MAX));
        assert_eq!(
            [sessions.next(sender(5_000), 0), sessions.next(sender(5_000), 0)],
            [Seq(u32::MAX), Seq(0)]
        );
    }
}
