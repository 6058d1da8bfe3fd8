//! The client: what to send when, what each datagram that arrives means, and when it is over.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::auth::{Direction, Key, TAG};
use crate::in_flight::{InFlight, Verdict};
use crate::schedule::Schedule;
use crate::seq::Seq;
use crate::stats::{RttStats, RttSummary};
use crate::time::{Instant, UnixTime};
use crate::wire::Ping;

/// The number of the first ping, as in the classic lab.
pub const FIRST: Seq = Seq(1);

/// What one run does.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to send to, and the only address whose replies count.
    pub peer: SocketAddr,
    /// How many pings to send.
    pub count: NonZeroU32,
    /// Time from one send to the next; not zero.
    pub interval: Duration,
    /// How long each ping is awaited.
    pub timeout: Duration,
    /// Bytes in a datagram, tag and all: the text is padded up to it, and longer text is sent as it is.
    pub size: usize,
    /// What pings are tagged with, and what replies must be tagged with.
    pub key: Option<Key>,
}

impl Config {
    /// Replaces what is in `datagram` with `ping` as it is sent.
    pub fn encode(&self, ping: Ping, datagram: &mut Vec<u8>) {
        self.encode_text(ping, datagram);
        if let Some(key) = &self.key {
            let tag = key.tag(Direction::Request, datagram);
            datagram.extend(tag);
        }
    }

    /// The same without its tag.
    fn encode_text(&self, ping: Ping, text: &mut Vec<u8>) {
        let tag = if self.key.is_some() { TAG } else { 0 };
        ping.encode(self.size.saturating_sub(tag), text);
    }
}

/// Something that a reader of the run wants to know as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first reply to a ping, within the timeout; or, by `kind`, one that does not count as such.
    Reply {
        /// The ping it answers.
        seq: Seq,
        /// Length of the reply.
        bytes: usize,
        /// From send to receipt.
        rtt: Duration,
        /// How it counts.
        kind: ReplyKind,
    },
    /// The timeout passed without a reply.
    Lost(Seq),
    /// The socket did not accept the datagram.
    NotSent(Seq, String),
    /// The network reported an error that belongs to no ping in particular, such as an ICMP port unreachable.
    NetworkError(String),
    /// A datagram from another address, with content that was not sent, or without the tag that it should have.
    Foreign {
        /// Who sent it.
        from: SocketAddr,
        /// Its length.
        bytes: usize,
    },
}

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

/// The run so far, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Datagrams that the socket accepted.
    pub sent: u64,
    /// Pings whose first reply came within the timeout.
    pub received: u64,
    /// Pings whose first reply came after the timeout, before the end of the run. Neither received nor lost.
    pub late: u64,
    /// Pings whose timeout passed, less those answered late.
    pub lost: u64,
    /// Pings neither answered nor timed out: not zero only where the run was stopped.
    pub awaited: u64,
    /// Replies to pings already answered.
    pub duplicates: u64,
    /// Datagrams from another address, or with content that was not sent.
    pub foreign: u64,
    /// Datagrams that the socket did not accept.
    pub send_errors: u64,
    /// Grid points skipped because the sender was more than half an interval late.
    pub missed_slots: u64,
    /// Over the pings received; `None` where there are none.
    pub rtt: Option<RttSummary>,
}

impl Summary {
    /// Whether any reply came at all, in time or late.
    pub fn answered(&self) -> bool {
        self.received + self.late > 0
    }

    /// Share of the pings whose fate is known that were lost, in percent.
    pub fn loss_percent(&self) -> f64 {
        let known = self.sent - self.awaited;
        if known == 0 { 0.0 } else { 100.0 * self.lost as f64 / known as f64 }
    }
}

/// One run.
///
/// The caller's loop: [`Self::handle_timeout`], [`Self::poll_send`] until `None`, feed what arrived to
/// [`Self::handle_datagram`], take [`Self::poll_event`] until `None`, and wait until [`Self::next_wake`] or until a datagram
/// comes; as long as [`Self::is_over`] says no.
#[derive(Debug)]
pub struct Pinger {
    config: Config,
    schedule: Schedule,
    in_flight: InFlight,
    attempts: u32,
    stopped: bool,
    rtts: RttStats,
    timed_out: u64,
    late: u64,
    duplicates: u64,
    foreign: u64,
    send_errors: u64,
    events: VecDeque<Event>,
    datagram: Vec<u8>,
    expected: Vec<u8>,
}

impl Pinger {
    /// A run whose first ping is due at `start`.
    pub fn new(config: Config, start: Instant) -> Self {
        Self {
            schedule: Schedule::new(start, config.interval),
            in_flight: InFlight::new(FIRST, config.timeout),
            config,
            attempts: 0,
            stopped: false,
            rtts: RttStats::default(),
            timed_out: 0,
            late: 0,
            duplicates: 0,
            foreign: 0,
            send_errors: 0,
            events: VecDeque::new(),
            datagram: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// The datagram that is due at `now`, if one is; `wall` is the time it carries.
    ///
    /// It counts as sent at `now`, unless [`Self::not_sent`] takes that back.
    pub fn poll_send(&mut self, now: Instant, wall: UnixTime) -> Option<(Seq, &[u8])> {
        if self.has_sent_all() {
            return None;
        }
        self.schedule.take_due(now)?;
        self.attempts += 1;
        let seq = self.in_flight.enter(now, wall);
        self.config.encode(Ping { seq, sent_at: wall }, &mut self.datagram);
        Some((seq, &self.datagram))
    }

    /// Ping `seq` left at `now`: what its RTT is counted from. Between [`Self::poll_send`] and the socket, its text was
    /// made.
    pub fn departed(&mut self, seq: Seq, now: Instant) {
        self.in_flight.departed(seq, now);
    }

    /// The socket did not accept ping `seq`, for the `reason` given.
    pub fn not_sent(&mut self, seq: Seq, reason: String) {
        self.in_flight.not_sent(seq);
        self.send_errors += 1;
        self.events.push_back(Event::NotSent(seq, reason));
    }

    /// The network reported an error that belongs to no ping in particular.
    pub fn network_error(&mut self, reason: String) {
        self.events.push_back(Event::NetworkError(reason));
    }

    /// A datagram arrived at `now`.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        self.handle_timeout(now);
        let settled = self.answered_ping(from, datagram).and_then(|(seq, sent)| {
            let kind = match self.in_flight.reply(seq, now)? {
                Verdict::Reply => ReplyKind::InTime,
                Verdict::Late => ReplyKind::Late,
                Verdict::Duplicate => ReplyKind::Duplicate,
                Verdict::Unsent => return None,
            };
            Some((seq, now.since(sent), kind))
        });
        let bytes = datagram.len();
        let Some((seq, rtt, kind)) = settled else {
            self.foreign += 1;
            self.events.push_back(Event::Foreign { from, bytes });
            return;
        };
        match kind {
            ReplyKind::InTime => self.rtts.record(rtt),
            ReplyKind::Late => self.late += 1,
            ReplyKind::Duplicate => self.duplicates += 1,
        }
        self.events.push_back(Event::Reply { seq, bytes, rtt, kind });
    }

    /// Declares lost whatever has timed out at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(seq) = self.in_flight.expire(now) {
            self.timed_out += 1;
            self.events.push_back(Event::Lost(seq));
        }
    }

    /// When [`Self::poll_send`] or [`Self::handle_timeout`] next has something to do; `None` where it never will.
    pub fn next_wake(&self) -> Option<Instant> {
        let send = (!self.has_sent_all()).then(|| self.schedule.next());
        [send, self.in_flight.next_expiry()].into_iter().flatten().min()
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Ends the run now: nothing more is sent or awaited.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether every ping was sent and answered or timed out, or the run was stopped.
    pub fn is_over(&self) -> bool {
        self.stopped || (self.has_sent_all() && self.in_flight.awaited() == 0)
    }

    /// The run so far.
    pub fn summary(&self) -> Summary {
        Summary {
            sent: u64::from(self.attempts) - self.send_errors,
            received: self.rtts.count(),
            late: self.late,
            lost: self.timed_out - self.late,
            awaited: self.in_flight.awaited() as u64,
            duplicates: self.duplicates,
            foreign: self.foreign,
            send_errors: self.send_errors,
            missed_slots: self.schedule.missed(),
            rtt: self.rtts.summary(),
        }
    }

    fn has_sent_all(&self) -> bool {
        self.stopped || self.attempts >= self.config.count.get()
    }

    /// The ping that `datagram` is a reply to, and when that was sent: it came from the peer, and it is what was sent to the
    /// letter, or that upper-cased, as the classic lab's server answers; with a reply's tag, where there is a key.
    fn answered_ping(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<(Seq, Instant)> {
        if from != self.config.peer {
            return None;
        }
        let text = match &self.config.key {
            Some(key) => key.open(Direction::Reply, datagram)?,
            None => datagram,
        };
        let seq = Ping::decode(text).ok()?.seq;
        let (sent, wall) = self.in_flight.sent(seq)?;
        self.config.encode_text(Ping { seq, sent_at: wall }, &mut self.expected);
        text.eq_ignore_ascii_case(&self.expected).then_some((seq, sent))
    }
}

#[cfg(test)]
#[path = "pinger_tests.rs"]
mod tests;
