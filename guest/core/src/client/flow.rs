//! The pings from one source port to one address, with their own sequence numbers, and their
//! outcomes.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::sent_pings::SentPings;
use crate::client::summary::Summary;
use crate::planted::{Bug, is_planted};
use crate::seq::Seq;
use crate::stats::delays::{Delays, Measured};
use crate::stats::jitter::Jitter;
use crate::stats::loss_directions::LossDirections;
use crate::stats::losses::Losses;
use crate::stats::one_way::Reflected;
use crate::stats::outcome::{Fate, Sent};
use crate::stats::reordering::Reordering;
use crate::time::{Instant, UnixTime};

/// The index of a flow: a target and a source port. Flows are numbered from 0, by port, then by
/// target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId(pub usize);

/// How a reply is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// As received.
    InTime,
    /// As late: the ping had timed out before.
    Late,
    /// As a duplicate: the ping had been answered before.
    Duplicate,
}

/// The pings from one source port to one address.
#[derive(Debug)]
pub(crate) struct Flow {
    peer: SocketAddr,
    /// The previous destination, and the time until which pings were sent to it.
    before: Option<(SocketAddr, Instant)>,
    sent_pings: SentPings,
    delays: Delays,
    jitter: Jitter,
    reordering: Reordering,
    losses: Losses,
    directions: Option<LossDirections>,
    attempts: u64,
    awaited: u64,
    timed_out: u64,
    late: u64,
    duplicates: u64,
    foreign: u64,
    send_errors: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

impl Flow {
    /// Creates a flow to `peer` without any pings.
    pub(crate) fn new(
        peer: SocketAddr,
        sent_pings: SentPings,
        delays: Delays,
        measured: Measured,
    ) -> Self {
        Self {
            peer,
            before: None,
            sent_pings,
            delays,
            jitter: Jitter::default(),
            reordering: Reordering::default(),
            losses: Losses::default(),
            directions: measured.one_way.then(|| LossDirections::new(measured.stateful)),
            attempts: 0,
            awaited: 0,
            timed_out: 0,
            late: 0,
            duplicates: 0,
            foreign: 0,
            send_errors: 0,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    /// Returns the destination of the pings.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Sends pings to `peer` from `now` on. Returns the address whose replies no longer count, if
    /// there is one.
    pub(crate) fn readdress(&mut self, peer: SocketAddr, now: Instant) -> Option<SocketAddr> {
        let forgotten = self.before.replace((self.peer, now)).map(|(before, _)| before);
        self.peer = peer;
        forgotten.filter(|address| *address != peer)
    }

    /// Returns whether a ping sent at `sent` had the destination `from`: only replies from there
    /// count.
    pub(crate) fn went_to(&self, from: SocketAddr, sent: Instant) -> bool {
        match self.before {
            Some((before, until)) if sent < until => from == before,
            _ => from == self.peer,
        }
    }

    /// Returns the number of attempts to send a ping.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Returns ping `seq`; `None` if it was not sent or has been forgotten.
    pub(crate) fn get(&self, seq: Seq) -> Option<&Sent> {
        self.sent_pings.get(seq)
    }

    /// Enters the next ping, due at `scheduled`, as sent at `now` with the timestamp `wall`.
    pub(crate) fn send(&mut self, scheduled: Instant, now: Instant, wall: UnixTime) -> Seq {
        self.attempts += 1;
        self.awaited += 1;
        self.sent_pings.enter(scheduled, now, wall)
    }

    /// Records that the newest ping, `seq`, was sent at `now`, not when it was entered, with
    /// `bytes` bytes. Returns when it was due.
    pub(crate) fn departed(&mut self, seq: Seq, now: Instant, bytes: usize) -> Option<Instant> {
        let sent = self.sent_pings.get_mut(seq)?;
        sent.at = now;
        self.sent_bytes += bytes as u64;
        Some(sent.scheduled)
    }

    /// Records that the socket did not accept ping `seq`. Returns whether it was still awaited.
    pub(crate) fn not_sent(&mut self, seq: Seq) -> bool {
        match self.sent_pings.get_mut(seq) {
            Some(sent) if sent.fate == Fate::Awaited => sent.fate = Fate::NotSent,
            _ => return false,
        }
        self.awaited -= 1;
        self.send_errors += 1;
        true
    }

    /// Records that ping `seq` timed out. Returns whether it was still awaited.
    pub(crate) fn timed_out(&mut self, seq: Seq) -> bool {
        match self.sent_pings.get_mut(seq) {
            Some(sent) if sent.fate == Fate::Awaited => sent.fate = Fate::Lost,
            _ => return false,
        }
        self.awaited -= 1;
        self.timed_out += 1;
        true
    }

    /// Records a reply of `bytes` bytes to ping `seq`, received after `rtt`. Returns `None` if the
    /// ping was never sent. The measurements of a ping that counts as received are also recorded in
    /// `total`.
    pub(crate) fn reply(
        &mut self,
        seq: Seq,
        (rtt, bytes): (Duration, usize),
        reflected: Option<Reflected>,
        total: Option<&mut Delays>,
    ) -> Option<ReplyKind> {
        let sent = self.sent_pings.get_mut(seq)?;
        let kind = match sent.fate {
            Fate::Awaited => ReplyKind::InTime,
            Fate::Lost => ReplyKind::Late,
            Fate::Received | Fate::Late => ReplyKind::Duplicate,
            Fate::NotSent => return None,
        };
        if kind == ReplyKind::Duplicate {
            sent.duplicates = sent.duplicates.saturating_add(1);
            self.duplicates += 1;
            let (first, further) = (
                sent.reflected.map(|first| first.counter),
                reflected.map(|further| further.counter),
            );
            if let (Some(directions), Some(counter)) =
                (&mut self.directions, further.filter(|_| first != further))
            {
                directions.duplicated(counter);
            }
            return Some(kind);
        }
        (sent.rtt, sent.reflected) = (rtt, reflected);
        self.received_bytes += bytes as u64;
        self.reordering.record(seq);
        if kind == ReplyKind::Late {
            if is_planted(Bug::LateIsLost) {
                return Some(kind);
            }
            sent.fate = Fate::Late;
            self.late += 1;
            return Some(kind);
        }
        sent.fate = Fate::Received;
        let sent = *sent;
        self.awaited -= 1;
        self.jitter.record(rtt);
        let received =
            |seq| self.sent_pings.get(seq).copied().filter(|other| other.fate == Fate::Received);
        let mut neighbours = [received(seq.previous()), received(seq.next())];
        if is_planted(Bug::IpdvAcrossGap) && neighbours.iter().all(Option::is_none) {
            neighbours[0] = received(seq.previous().previous());
        }
        for delays in [Some(&mut self.delays), total].into_iter().flatten() {
            delays.record(&sent, neighbours);
        }
        Some(kind)
    }

    /// Counts a datagram from the peer with content that was not sent.
    pub(crate) fn foreign(&mut self) {
        self.foreign += 1;
    }

    /// Removes the oldest ping if it is settled and no longer needed; its outcome is final.
    pub(crate) fn forget_oldest(&mut self) -> Option<(Seq, Sent)> {
        let settled = self.sent_pings.forget_oldest();
        self.settle(settled)
    }

    /// Removes the oldest ping unconditionally, when the run is over.
    pub(crate) fn take_oldest(&mut self) -> Option<(Seq, Sent)> {
        let settled = self.sent_pings.take_oldest();
        self.settle(settled)
    }

    fn settle(&mut self, settled: Option<(Seq, Sent)>) -> Option<(Seq, Sent)> {
        if let Some((seq, sent)) = &settled {
            self.losses.record(sent.at, sent.fate);
            if let Some(directions) = &mut self.directions {
                directions.record(*seq, sent);
            }
        }
        settled
    }

    /// Returns the summary of the pings up to `now`. Losses by direction include only pings before
    /// the first awaited one.
    pub(crate) fn summary(&self, now: Instant) -> Summary {
        let mut losses = self.losses.clone();
        self.sent_pings.iter().for_each(|(_, sent)| losses.record(sent.at, sent.fate));
        let directions = self.directions.clone().map(|mut directions| {
            let is_known = |(_, sent): &(Seq, &Sent)| sent.fate != Fate::Awaited;
            let known = self.sent_pings.iter().take_while(is_known);
            known.for_each(|(seq, sent)| directions.record(seq, sent));
            directions
        });
        Summary {
            sent: self.attempts - self.send_errors,
            received: self.delays.rtt.count(),
            late: self.late,
            lost: self.timed_out - self.late,
            awaited: self.awaited,
            duplicates: self.duplicates,
            reordered: self.reordering.count(),
            foreign: self.foreign,
            send_errors: self.send_errors,
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
            longest_loss_burst: losses.longest_burst(),
            longest_outage: losses.longest_outage(now),
            jitter: self.jitter.value(),
            directed_losses: directions.as_ref().and_then(LossDirections::losses),
            ..Summary::of_delays(&self.delays)
        }
    }
}
