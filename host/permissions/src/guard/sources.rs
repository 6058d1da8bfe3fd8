//! Whom a listening component has heard from, and what it may answer.

use std::net::{SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use super::table::Table;
use crate::grants::{AnswerRule, PeerCredit};
use wasi_datagram::SocketId;

/// Who sent something to which socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    socket: SocketId,
    address: SocketAddr,
}

impl Peer {
    /// `address`, as a socket sees it. Flow labels (RFC 6437), which a component can choose, do not
    /// make another peer.
    pub(super) fn of(socket: SocketId, address: SocketAddr) -> Self {
        let address = match address {
            SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
            SocketAddr::V4(_) => address,
        };
        Self { socket, address }
    }
}

/// The peers that a component may answer: each datagram that came is credit for as long as the
/// answer window, or up to a quarter of it less, and what is oldest is used first.
///
/// So what is sent to a peer is never more than came from it within the window, and what came
/// within the last three quarters of it can always be answered. Each peer takes about 250 bytes.
pub(super) struct Sources {
    peers: Table<Peer, Credit>,
    rule: AnswerRule,
    /// How much later than the first in a [`Period`] the last may have come.
    quarter: Duration,
}

/// How many periods of a peer can be within the answer window: between five, there would be four
/// times more than a quarter.
const PERIODS: u32 = 4;

/// What came from a peer, and may be answered.
struct Credit {
    /// When something came last.
    heard: Instant,
    /// What may still go there. Fractions come of the amplification.
    left: Amount,
    /// What came within the window, the newest first.
    periods: [Period; PERIODS as usize],
    /// When the oldest of them began in which something came.
    oldest: Instant,
}

/// What came in up to a quarter of the answer window. All of it counts as being as old as the
/// first.
#[derive(Clone, Copy)]
struct Period {
    start: Instant,
    came: Amount,
}

#[derive(Clone, Copy, Default)]
struct Amount {
    datagrams: f64,
    bytes: f64,
}

impl Sources {
    pub(super) fn new(rule: AnswerRule) -> Self {
        Self { peers: Table::new(), rule, quarter: rule.window / PERIODS }
    }

    /// A datagram of so many bytes came from there.
    pub(super) fn hear(&mut self, from: Peer, bytes: usize, now: Instant) {
        let AnswerRule { window, amplification } = self.rule;
        let credit = self.peers.get_or_insert(from, || Credit::none(now));
        if now.duration_since(credit.periods[0].start) > self.quarter {
            credit.begin_period(now, window);
        }
        let came = Amount { datagrams: amplification, bytes: bytes as f64 * amplification };
        credit.heard = now;
        credit.left.add(came);
        credit.periods[0].came.add(came);
    }

    /// How the component stands with `peer`, for a datagram of so many bytes.
    pub(super) fn credit(&mut self, peer: Peer, bytes: usize, now: Instant) -> PeerCredit {
        let window = self.rule.window;
        let Some(credit) = self.peers.peek(peer) else { return PeerCredit::None };
        credit.forget(now, window);
        if credit.left.datagrams >= 1.0 && credit.left.bytes >= bytes as f64 {
            PeerCredit::Available
        } else if now.duration_since(credit.heard) > window {
            PeerCredit::Expired
        } else {
            PeerCredit::Exhausted
        }
    }

    /// The least `--amplification`, a whole number, by which an answer of so many bytes could go to
    /// `peer` now; none where no number could do it.
    pub(super) fn amplification_for(&mut self, peer: Peer, bytes: usize) -> Option<f64> {
        let factor = self.rule.amplification;
        let credit = self.peers.peek(peer)?;
        let mut granted = Amount::default();
        credit.periods.iter().for_each(|period| granted.add(period.came));
        let enough = |granted: f64, left: f64, more: f64| {
            let (went, came) = (granted - left + more, granted / factor);
            // Also where nothing may be answered, so that what came is not known.
            if went <= 0.0 {
                Some(0.0)
            } else {
                Some(went / came).filter(|factor| factor.is_finite())
            }
        };
        let datagrams = enough(granted.datagrams, credit.left.datagrams, 1.0)?;
        let bytes = enough(granted.bytes, credit.left.bytes, bytes as f64)?;
        Some(datagrams.max(bytes).ceil())
    }

    /// An answer of so many bytes goes there.
    pub(super) fn charge(&mut self, peer: Peer, bytes: usize) {
        if let Some(credit) = self.peers.peek(peer) {
            credit.left.add(Amount { datagrams: -1.0, bytes: -(bytes as f64) });
        }
    }

    /// It did not go.
    pub(super) fn refund(&mut self, peer: Peer, bytes: usize) {
        if let Some(credit) = self.peers.peek(peer) {
            credit.left.add(Amount { datagrams: 1.0, bytes: bytes as f64 });
        }
    }
}

impl Credit {
    fn none(now: Instant) -> Self {
        let nothing = Amount::default();
        Self {
            heard: now,
            left: nothing,
            periods: [Period { start: now, came: nothing }; PERIODS as usize],
            oldest: now,
        }
    }

    fn begin_period(&mut self, now: Instant, window: Duration) {
        self.forget(now, window);
        self.periods.rotate_right(1);
        self.periods[0] = Period { start: now, came: Amount::default() };
        let used = self.periods[1..].iter().rev().find(|period| period.came.datagrams > 0.0);
        self.oldest = used.map_or(now, |period| period.start);
    }

    /// Forgets what came too long ago. Answers were for the oldest first: what is left is no more
    /// than what came since.
    fn forget(&mut self, now: Instant, window: Duration) {
        if now.duration_since(self.oldest) <= window {
            return;
        }
        let mut since = Amount::default();
        for period in &mut self.periods {
            if now.duration_since(period.start) > window {
                period.came = Amount::default();
            } else if period.came.datagrams > 0.0 {
                since.add(period.came);
                self.oldest = period.start;
            }
        }
        self.left.datagrams = self.left.datagrams.min(since.datagrams);
        self.left.bytes = self.left.bytes.min(since.bytes);
    }
}

impl Amount {
    fn add(&mut self, more: Self) {
        self.datagrams += more.datagrams;
        self.bytes += more.bytes;
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
