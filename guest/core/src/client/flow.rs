//! Pings from one port to one address, with numbers of their own, and what came of them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::sent_pings::SentPings;
use crate::client::summary::Summary;
use crate::seq::Seq;
use crate::stats::delays::{Delays, Measured};
use crate::stats::jitter::Jitter;
use crate::stats::loss_directions::LossDirections;
use crate::stats::losses::Losses;
use crate::stats::one_way::Reflected;
use crate::stats::outcome::{Fate, Sent};
use crate::stats::reordering::Reordering;
use crate::time::{Instant, UnixTime};

/// A flow: a target and a source port. They are numbered from 0, by port and then by target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId(pub usize);

/// How a reply counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// As received.
    InTime,
    /// As late: its ping was lost before.
    Late,
    /// As duplicate: its ping was answered before.
    Duplicate,
}

/// Pings from one port to one address.
#[derive(Debug)]
pub(crate) struct Flow {
    peer: SocketAddr,
    /// Where pings went before, and until when.
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
    /// Pings to `peer`, of which none was sent yet.
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

    /// Where pings go to.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Pings go to `peer` from `now` on. Gives the address whose replies do not count any more,
    /// where there is one.
    pub(crate) fn readdress(&mut self, peer: SocketAddr, now: Instant) -> Option<SocketAddr> {
        let forgotten = self.before.replace((self.peer, now)).map(|(before, _)| before);
        self.peer = peer;
        forgotten.filter(|address| *address != peer)
    }

    /// Whether a ping that was sent at `sent` went to `from`: only replies from there count.
    pub(crate) fn went_to(&self, from: SocketAddr, sent: Instant) -> bool {
        match self.before {
            Some((before, until)) if sent < until => from == before,
            _ => from == self.peer,
        }
    }

    /// How many pings were tried to be sent.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Ping `seq`; `None` where it was not sent, or is forgotten.
    pub(crate) fn get(&self, seq: Seq) -> Option<&Sent> {
        self.sent_pings.get(seq)
    }

    /// Sends the next ping, due at `scheduled`, at `now`, which says that it was sent at `wall`.
    pub(crate) fn send(&mut self, scheduled: Instant, now: Instant, wall: UnixTime) -> Seq {
        self.attempts += 1;
        self.awaited += 1;
        self.sent_pings.enter(scheduled, now, wall)
    }

    /// Ping `seq`, the newest, was sent at `now` and not when it was entered, with `bytes` bytes.
    /// Gives when it was due.
    pub(crate) fn departed(&mut self, seq: Seq, now: Instant, bytes: usize) -> Option<Instant> {
        let sent = self.sent_pings.get_mut(seq)?;
        sent.at = now;
        self.sent_bytes += bytes as u64;
        Some(sent.scheduled)
    }

    /// The socket did not accept ping `seq`. Whether that was news.
    pub(crate) fn not_sent(&mut self, seq: Seq) -> bool {
        match self.sent_pings.get_mut(seq) {
            Some(sent) if sent.fate == Fate::Awaited => sent.fate = Fate::NotSent,
            _ => return false,
        }
        self.awaited -= 1;
        self.send_errors += 1;
        true
    }

    /// Nobody waits for ping `seq` any longer. Whether somebody did.
    pub(crate) fn timed_out(&mut self, seq: Seq) -> bool {
        match self.sent_pings.get_mut(seq) {
            Some(sent) if sent.fate == Fate::Awaited => sent.fate = Fate::Lost,
            _ => return false,
        }
        self.awaited -= 1;
        self.timed_out += 1;
        true
    }

    /// A reply of `bytes` bytes to ping `seq` came after `rtt`; `None` where that was never sent.
    /// What is recorded of one that is received goes to `total`, too.
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
        let neighbours = [received(seq.previous()), received(seq.next())];
        for delays in [Some(&mut self.delays), total].into_iter().flatten() {
            delays.record(&sent, neighbours);
        }
        Some(kind)
    }

    /// A datagram from the peer held what was not sent.
    pub(crate) fn foreign(&mut self) {
        self.foreign += 1;
    }

    /// Forgets the oldest ping, if that is settled and not needed any more: nothing more will
    /// become of it.
    pub(crate) fn forget_oldest(&mut self) -> Option<(Seq, Sent)> {
        let settled = self.sent_pings.forget_oldest();
        self.settle(settled)
    }

    /// Forgets the oldest ping, whatever became of it: the run is over.
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

    /// What came of the pings until `now`. Of those that were lost on one way alone, only those
    /// that are settled.
    pub(crate) fn summary(&self, now: Instant) -> Summary {
        let mut losses = self.losses.clone();
        self.sent_pings.iter().for_each(|sent| losses.record(sent.at, sent.fate));
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
            directed_losses: self.directions.as_ref().and_then(LossDirections::losses),
            ..Summary::of_delays(&self.delays)
        }
    }
}
