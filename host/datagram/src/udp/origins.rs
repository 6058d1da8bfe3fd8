//! The local address that each peer sent to, from which replies to it leave: a peer discards
//! replies from an address that it did not send to (RFC 1122, section 4.1.3.5).
//!
//! WASI's datagrams do not carry the local address, so that each sent datagram has to be matched
//! with a received one: a datagram to a peer answers that peer's oldest unanswered datagram. As
//! long as a peer uses one local address, as nearly all do, the result is that address. If a peer
//! uses several, and the component leaves some datagrams unanswered, order alone would be wrong
//! from then on: the match is first by what a reply repeats of its request. An echo starts as its
//! request does, and a STAMP or TWAMP reflector repeats the request's start after 24 bytes of its
//! own (RFC 8762, section 4.3).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foldhash::fast::{FixedState, RandomState};

use crate::world::Local;

/// The number of peers per generation of the table, which has two. Each peer takes about 100 bytes.
const PEERS: usize = 8_192;

/// The maximum number of unanswered datagrams of a peer that uses several addresses: twice as many
/// as a component receives at once.
const WAITING: usize = 128;

/// The maximum number of unanswered datagrams of all peers: 2 MiB.
const WAITING_OF_ALL: usize = 65_536;

/// How long a datagram waits for its reply.
const WAIT: Duration = Duration::from_secs(5);

/// The peers of one socket and the local addresses that they sent to.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// The peers that were active recently, and the generation before.
    peers: [HashMap<Peer, Origin, RandomState>; 2],
    /// The total length of all queues.
    waiting: usize,
}

#[derive(Debug)]
enum Origin {
    /// The component sent to it first: what it sends is no reply, and leaves from the system's
    /// choice of address.
    Ours,
    /// The peer sends to one local address.
    One(One),
    /// The peer sends to several, of which this is the last used.
    Several(Local, VecDeque<Waiting>),
}

/// The datagrams to the only local address that a peer uses.
#[derive(Clone, Copy, Debug)]
struct One {
    local: Local,
    /// The number of unanswered datagrams, at most [`WAITING`].
    unanswered: usize,
    /// The start of the last datagram. It is hashed when the peer uses another address, as few do:
    /// hashing each datagram cost some of the throughput with coalesced ones.
    last: [u8; ECHOED],
    length: usize,
    /// Whether all unanswered datagrams have the same start.
    alike: bool,
}

impl One {
    fn new(local: Local, datagram: &[u8]) -> Self {
        let mut one = Self { local, unanswered: 0, last: [0; ECHOED], length: 0, alike: true };
        one.hear(datagram);
        one
    }

    fn hear(&mut self, datagram: &[u8]) {
        let start = &datagram[..datagram.len().min(ECHOED)];
        let is_same = start == &self.last[..self.length];
        if !is_same {
            self.last[..start.len()].copy_from_slice(start);
            self.length = start.len();
        }
        self.alike = self.unanswered == 0 || (self.alike && is_same);
        self.unanswered = (self.unanswered + 1).min(WAITING);
    }

    /// The unanswered datagrams as a queue.
    fn waiting(&self) -> VecDeque<Waiting> {
        let (since, last) = (Instant::now(), Start::of(&self.last[..self.length]));
        let waiting = |place| {
            // The starts of those before the last are known only if they are all the same.
            let start =
                if self.alike || place + 1 == self.unanswered { last } else { Start::default() };
            Waiting { local: self.local, since, start }
        };
        (0..self.unanswered).map(waiting).collect()
    }
}

/// An unanswered datagram.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    local: Local,
    since: Instant,
    start: Start,
}

/// Hashes of a datagram's start, by which its reply is recognized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Start {
    /// The hash of what an echo starts with, ignoring ASCII case.
    of_echo: Option<u64>,
    /// The hash of what a reflector repeats: sequence number, timestamp and error estimate.
    of_reflector: Option<u64>,
}

/// The number of bytes of an echo that are compared.
const ECHOED: usize = 64;

/// The length and offset, in bytes, of what a reflector repeats (RFC 8762, sections 4.2.1 and
/// 4.3.1).
const REFLECTED: usize = 14;
const REFLECTED_AT: usize = 24;

impl Start {
    fn of(datagram: &[u8]) -> Self {
        Self { of_echo: hash(datagram), of_reflector: datagram.get(..REFLECTED).and_then(hash) }
    }

    /// Whether `answer`, the hashes at the start of a datagram and at a reflector's offset, answers
    /// a datagram with this start.
    fn is_answered_by(&self, answer: (Option<u64>, Option<u64>)) -> bool {
        let is = |own: Option<u64>, other| own.is_some() && own == other;
        is(self.of_echo, answer.0) || is(self.of_reflector, answer.1)
    }
}

fn hash(bytes: &[u8]) -> Option<u64> {
    let length = bytes.len().min(ECHOED);
    let mut start = [0; ECHOED];
    start[..length].copy_from_slice(&bytes[..length]);
    start.make_ascii_lowercase();
    (length > 0).then(|| FixedState::default().hash_one(&start[..length]))
}

impl Origins {
    /// Records that the component received `datagram` from `peer`, which was sent to `local`.
    pub(super) fn hear(&mut self, peer: SocketAddr, local: Local, datagram: &[u8]) {
        let peer = Peer::of(peer);
        let Some(origin) = Self::find(&mut self.peers, peer) else {
            return self.insert(peer, Origin::One(One::new(local, datagram)));
        };
        match origin {
            Origin::Ours => return,
            Origin::One(one) if one.local == local => return one.hear(datagram),
            Origin::One(other) => {
                let queue = other.waiting();
                self.waiting += queue.len();
                *origin = Origin::Several(local, queue);
            }
            Origin::Several(..) => {}
        }
        if let Some(Origin::Several(last, queue)) = Self::find(&mut self.peers, peer) {
            *last = local;
            if queue.len() == WAITING || self.waiting >= WAITING_OF_ALL {
                self.waiting -= usize::from(queue.pop_front().is_some());
            }
            queue.push_back(Waiting { local, since: Instant::now(), start: Start::of(datagram) });
            self.waiting += 1;
        }
    }

    /// Does the same for datagrams received from one `peer`, which were all sent to `local`.
    pub(super) fn hear_all<'a>(
        &mut self,
        peer: SocketAddr,
        local: Local,
        mut datagrams: impl Iterator<Item = &'a [u8]>,
    ) {
        if let Some(Origin::One(one)) = Self::find(&mut self.peers, Peer::of(peer))
            && one.local == local
        {
            datagrams.by_ref().for_each(|datagram| one.hear(datagram));
        }
        for datagram in datagrams {
            self.hear(peer, local, datagram);
        }
    }

    /// Returns the local address that all of `count` datagrams to `peer` leave from, if that does
    /// not depend on them: as long as the peer uses one address.
    pub(super) fn answer_all(&mut self, peer: SocketAddr, count: usize) -> Option<Local> {
        match Self::find(&mut self.peers, Peer::of(peer))? {
            Origin::One(one) => {
                one.unanswered = one.unanswered.saturating_sub(count);
                Some(one.local)
            }
            Origin::Ours | Origin::Several(..) => None,
        }
    }

    /// Returns the local address that `datagram` to `peer` leaves from; `None` if the system
    /// chooses it.
    pub(super) fn answer(&mut self, peer: SocketAddr, datagram: &[u8]) -> Option<Local> {
        let peer = Peer::of(peer);
        match Self::find(&mut self.peers, peer) {
            None => {
                self.insert(peer, Origin::Ours);
                None
            }
            Some(Origin::Ours) => None,
            Some(Origin::One(one)) => {
                one.unanswered = one.unanswered.saturating_sub(1);
                Some(one.local)
            }
            Some(Origin::Several(last, queue)) => {
                let before = queue.len();
                while queue.front().is_some_and(|first| first.since.elapsed() > WAIT) {
                    queue.pop_front();
                }
                let answer = (
                    hash(datagram),
                    datagram.get(REFLECTED_AT..REFLECTED_AT + REFLECTED).and_then(hash),
                );
                let repeated =
                    queue.iter().position(|waiting| waiting.start.is_answered_by(answer));
                let answered = queue.remove(repeated.unwrap_or(0));
                self.waiting -= before - queue.len();
                Some(answered.map_or(*last, |answered| answered.local))
            }
        }
    }

    /// Records that `datagram` was not sent to `peer` from `local`: the datagram that it answers is
    /// unanswered again.
    pub(super) fn not_answered(&mut self, peer: SocketAddr, local: Local, datagram: &[u8]) {
        match Self::find(&mut self.peers, Peer::of(peer)) {
            Some(Origin::One(one)) if one.local == local => one.unanswered += 1,
            Some(Origin::Several(_, queue)) => {
                // The request's start is not known any more: the reply's takes its place.
                queue.push_front(Waiting {
                    local,
                    since: Instant::now(),
                    start: Start::of(datagram),
                });
                self.waiting += 1;
            }
            _ => {}
        }
    }

    fn find(
        peers: &mut [HashMap<Peer, Origin, RandomState>; 2],
        peer: Peer,
    ) -> Option<&mut Origin> {
        let [lately, before] = peers;
        Some(match lately.entry(peer) {
            Entry::Occupied(known) => known.into_mut(),
            // Moved to the recent generation, so that a peer in use is not forgotten.
            Entry::Vacant(place) => place.insert(before.remove(&peer)?),
        })
    }

    fn insert(&mut self, peer: Peer, origin: Origin) {
        if self.peers[0].len() >= PEERS {
            let waiting = |origin: &Origin| {
                if let Origin::Several(_, queue) = origin { queue.len() } else { 0 }
            };
            self.waiting -= self.peers[1].values().map(waiting).sum::<usize>();
            self.peers[1].clear();
            self.peers.swap(0, 1);
        }
        self.peers[0].insert(peer, origin);
    }
}

/// A peer of one socket, in two numbers, since it is hashed for each datagram: the address, and the
/// port with the zone. A flow label (RFC 6437) does not distinguish peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Peer(u128, u64);

impl Peer {
    fn of(address: SocketAddr) -> Self {
        match address {
            // All peers of a socket are of one family.
            SocketAddr::V4(v4) => Self(u32::from(*v4.ip()).into(), v4.port().into()),
            SocketAddr::V6(v6) => {
                Self((*v6.ip()).into(), u64::from(v6.scope_id()) << 16 | u64::from(v6.port()))
            }
        }
    }
}

#[cfg(test)]
#[path = "origins_tests.rs"]
mod tests;
