//! The peers that a listening component has received from, and what it may answer.

use std::net::{SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use super::table::Table;
use crate::grants::{AnswerRule, PeerCredit};
use wasi_datagram::SocketId;

/// A source of datagrams, and the socket that received them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    socket: SocketId,
    address: SocketAddr,
}

impl Peer {
    /// Creates a peer from an address as seen by a socket. Flow labels (RFC 6437), which a
    /// component can choose, do not distinguish peers.
    pub(super) fn of(socket: SocketId, address: SocketAddr) -> Self {
        let address = match address {
            SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
            SocketAddr::V4(_) => address,
        };
        Self { socket, address }
    }
}

/// The peers that a component may answer: each received datagram is credit for the answer window,
/// or up to a quarter of it less, and the oldest credit is used first.
///
/// So what is sent to a peer never exceeds what was received from it within the window, and what
/// was received within the last three quarters of it can always be answered. Each peer takes about
/// 250 bytes.
pub(super) struct Sources {
    peers: Table<Peer, Credit>,
    rule: AnswerRule,
    /// The maximum time between the first and last datagram in a [`Period`].
    quarter: Duration,
}

/// The maximum number of periods of a peer within the answer window: between five, there would be
/// four times more than a quarter.
const PERIODS: u32 = 4;

/// The credit of a peer: what was received from it and may be answered.
struct Credit {
    /// The instant of the last received datagram.
    heard: Instant,
    /// The credit left. Fractions result from the amplification.
    left: Amount,
    /// The credit received within the window, the newest period first.
    periods: [Period; PERIODS as usize],
    /// The start of the oldest period with credit.
    oldest: Instant,
}

/// What was received in up to a quarter of the answer window. All of it counts as being as old as
/// the first datagram.
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

    /// Adds credit for a received datagram of `bytes` bytes.
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

    /// The credit of `peer` for an answer of `bytes` bytes.
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

    /// The smallest integral `--amplification` that would permit an answer of `bytes` bytes to
    /// `peer` now; `None` if no number would.
    pub(super) fn amplification_for(&mut self, peer: Peer, bytes: usize) -> Option<f64> {
        let factor = self.rule.amplification;
        let credit = self.peers.peek(peer)?;
        let mut granted = Amount::default();
        credit.periods.iter().for_each(|period| granted.add(period.came));
        let enough = |granted: f64, left: f64, more: f64| {
            let (went, came) = (granted - left + more, granted / factor);
            // Also if nothing may be answered, so that what was received is not known.
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

    /// Charges `peer` for an answer of `bytes` bytes.
    pub(super) fn charge(&mut self, peer: Peer, bytes: usize) {
        if let Some(credit) = self.peers.peek(peer) {
            credit.left.add(Amount { datagrams: -1.0, bytes: -(bytes as f64) });
        }
    }

    /// Reverses [`Self::charge`].
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

    /// Forgets periods before the window. The oldest credit was used first: what is left is at most
    /// what was received since.
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
