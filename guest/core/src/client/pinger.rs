//! The pinger: what to send when and where, what each received datagram means, and when the run is
//! over.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::config::Config;
use crate::client::datagram::{Arrival, SendCall, Transmit};
use crate::client::events::{Event, Happened, Times};
use crate::client::flow::{Flow, FlowId};
use crate::client::schedule::Schedule;
use crate::client::sent_pings::SentPings;
use crate::client::summary::{Punctuality, ReceiveTimes, Results, Summary};
use crate::planted::{Bug, is_planted};
use crate::seq::Seq;
use crate::stats::Distribution;
use crate::stats::delays::Delays;
use crate::stats::outcome::Fate;
use crate::time::{Instant, UnixTime};
use crate::wire::auth::Keys;

/// The number of settled pings remembered by all flows together, so that a late reply or a
/// duplicate can be told from a foreign datagram.
const HISTORY: usize = 65_536;

/// The minimum number of settled pings that each flow remembers.
const LEAST_HISTORY: usize = 4;

/// The maximum number of flows with their own percentiles, which take up to 1 MiB per flow; nobody
/// reads more.
const FLOWS_WITH_PERCENTILES: usize = 16;

/// The state of one run.
///
/// In a loop, the caller calls [`Self::handle_timeout`], calls [`Self::poll_transmit`] until
/// `None`, passes received datagrams to [`Self::handle_input`], calls [`Self::poll_event`] until
/// `None`, and waits until [`Self::poll_timeout`] or until a datagram arrives, as long as
/// [`Self::is_over`] returns false. Then it calls [`Self::finish`].
#[derive(Debug)]
pub struct Pinger {
    config: Config,
    start: Instant,
    schedule: Schedule,
    flows: Vec<Flow>,
    by_address: HashMap<(usize, SocketAddr), FlowId, foldhash::fast::RandomState>,
    /// Pings in the order in which they were sent, which is that of their timeouts, starting with
    /// the oldest awaited one.
    expiries: VecDeque<(FlowId, Seq)>,
    /// The rest of a burst: its flow, when it was due, and how many pings are left.
    burst: Option<(FlowId, Instant, u32)>,
    attempts: u64,
    stopped: bool,
    /// When the first ping was sent, or should have been.
    first_send: Option<Instant>,
    /// The latest time passed in by the caller, until the run was over.
    latest: Instant,
    /// The number of flows whose pings are all settled.
    finished: usize,
    /// The delays over all flows, if there are several.
    total: Option<Delays>,
    /// The number of datagrams from addresses that belong to no flow.
    strangers: u64,
    timer_error: Distribution,
    send_call: Distribution,
    receive_delay: Distribution,
    events: VecDeque<Happened>,
    datagram: Vec<u8>,
    scratch: Vec<u8>,
}

impl Pinger {
    /// Creates a run whose first ping is due at `start`.
    pub fn new(config: Config, start: Instant) -> Self {
        let (targets, ports) = (config.targets.len(), config.source_ports.get());
        let count = targets * ports;
        let kind = if count <= FLOWS_WITH_PERCENTILES {
            Distribution::with_percentiles
        } else {
            Distribution::of_moments
        };
        let history = (HISTORY / count.max(1)).max(LEAST_HISTORY);
        let flow = |index: usize| {
            let sent_pings = SentPings::new(config.first, history);
            let peer = config.targets[index % targets];
            Flow::new(peer, sent_pings, Delays::new(config.measured, kind), config.measured)
        };
        let flows: Vec<_> = (0..count).map(flow).collect();
        let address =
            |(index, flow): (usize, &Flow)| ((index / targets, flow.peer()), FlowId(index));
        Self {
            schedule: Schedule::new(start, config.interval, targets.max(1) as u64, config.pace)
                .on_grid(config.grid),
            start,
            by_address: flows.iter().enumerate().map(address).collect(),
            flows,
            expiries: VecDeque::new(),
            burst: None,
            attempts: 0,
            stopped: false,
            first_send: None,
            latest: start,
            finished: 0,
            total: (count > 1)
                .then(|| Delays::new(config.measured, Distribution::with_percentiles)),
            strangers: 0,
            timer_error: Distribution::with_percentiles(),
            send_call: Distribution::with_percentiles(),
            receive_delay: Distribution::with_percentiles(),
            events: VecDeque::new(),
            datagram: Vec::new(),
            scratch: Vec::new(),
            config,
        }
    }

    /// Returns the configuration of the run.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the index of a flow's target address and that of its source port, both starting at
    /// 0.
    pub fn target_and_port(&self, flow: FlowId) -> (usize, usize) {
        let targets = self.config.targets.len();
        (flow.0 % targets, flow.0 / targets)
    }

    /// Returns whether [`Self::poll_transmit`] has a datagram at `now`.
    pub fn is_due(&self, now: Instant) -> bool {
        self.burst.is_some() || self.next_send().is_some_and(|next| next <= now)
    }

    /// Returns the datagram that is due at `now`, if any; `wall` is its timestamp.
    ///
    /// It counts as sent at `now`, unless [`Self::departed`] gives another time or
    /// [`Self::not_sent`] reverts it.
    pub fn poll_transmit(&mut self, now: Instant, wall: UnixTime) -> Option<Transmit<'_>> {
        let (id, due) = self.due(now)?;
        self.attempts += 1;
        let flow = &mut self.flows[id.0];
        let seq = flow.send(due, now, wall);
        let to = flow.peer();
        if let Some((settled, sent)) = flow.forget_oldest() {
            self.tell(now, Event::Settled(id, settled, sent));
        }
        self.expiries.push_back((id, seq));
        self.config.codec.encode(seq, wall, &mut self.datagram);
        let source_port = self.target_and_port(id).1;
        Some(Transmit { flow: id, seq, source_port, to, datagram: &self.datagram })
    }

    /// Returns the flow whose turn it is at `now`, and when its turn was due.
    fn due(&mut self, now: Instant) -> Option<(FlowId, Instant)> {
        if self.has_sent_all() {
            return None;
        }
        loop {
            if let Some((flow, due, left)) = self.burst.take() {
                self.burst = (left > 1).then_some((flow, due, left - 1));
                return Some((flow, due));
            }
            let slot = self.schedule.take_due(now)?;
            #[expect(clippy::cast_possible_truncation, reason = "below the length, a usize")]
            let flow = FlowId((slot.index % self.flows.len() as u64) as usize);
            // A flow that has sent all its pings gives its turns to those that missed theirs.
            let left = self.quota(flow).saturating_sub(self.flows[flow.0].attempts());
            let burst = self.config.burst.get().min(u32::try_from(left).unwrap_or(u32::MAX));
            self.burst = (burst > 0).then_some((flow, slot.at, burst));
        }
    }

    /// Returns the number of pings that a flow sends: its share of its target's.
    fn quota(&self, flow: FlowId) -> u64 {
        let (ports, port) =
            (self.config.source_ports.get() as u64, self.target_and_port(flow).1 as u64);
        let burst = u64::from(self.config.burst.get());
        self.config.count.map_or(u64::MAX, |count| {
            // Whole bursts from port to port, and the remainder from the next port.
            let (rounds, rest) = (count.get() / (burst * ports), count.get() % (burst * ports));
            rounds * burst + rest.saturating_sub(port * burst).min(burst)
        })
    }

    /// Records that ping `seq` was sent by `call`.
    pub fn departed(&mut self, flow: FlowId, seq: Seq, call: SendCall) {
        let SendCall { began, left, ended } = call;
        self.first_send.get_or_insert(began);
        let Some(scheduled) = self.flows[flow.0].departed(seq, left, self.datagram.len()) else {
            return;
        };
        self.timer_error.record(began.since(scheduled));
        self.send_call.record(ended.since(began));
        self.tell(began, Event::Sent(flow, seq));
    }

    /// Records that the socket did not accept ping `seq` at `now`, for the given `reason`.
    pub fn not_sent(&mut self, flow: FlowId, seq: Seq, now: Instant, reason: String) {
        let Some(times) = self.flows[flow.0].get(seq).map(Times::from) else { return };
        self.first_send.get_or_insert(times.sent);
        if self.flows[flow.0].not_sent(seq) {
            self.tell(now, Event::NotSent(flow, seq, times, reason));
        }
    }

    /// Reports a network error at `now` that belongs to no ping in particular, but to those of
    /// `flow`, if that is known.
    pub fn network_error(&mut self, now: Instant, flow: Option<FlowId>, reason: String) {
        self.tell(now, Event::NetworkError(flow, reason));
    }

    /// Sends pings to `target`, the index of its address, to the address `to` from `now` on.
    /// Replies to earlier pings count if they come from where those were sent. Returns false,
    /// without effect, if another target has that address.
    pub fn readdress(&mut self, target: usize, to: SocketAddr, now: Instant) -> bool {
        if self.config.targets.contains(&to) {
            return false;
        }
        let from = std::mem::replace(&mut self.config.targets[target], to);
        for port in 0..self.config.source_ports.get() {
            let flow = FlowId(port * self.config.targets.len() + target);
            if let Some(forgotten) = self.flows[flow.0].readdress(to, now) {
                self.by_address.remove(&(port, forgotten));
            }
            self.by_address.insert((port, to), flow);
        }
        self.tell(now, Event::AddressChanged { target, from, to });
        true
    }

    /// Returns the flow from the given source port to `peer`.
    pub fn flow(&self, source_port: usize, peer: SocketAddr) -> Option<FlowId> {
        self.by_address.get(&(source_port, peer)).copied()
    }

    /// Replaces the keys: from now on, pings are tagged with the first of `keys`, and replies must
    /// be tagged with one of them. Has no effect without a previous key.
    pub fn set_keys(&mut self, keys: Keys) {
        if let Some(before) = &mut self.config.codec.keys {
            *before = keys;
        }
    }

    /// Handles a received datagram.
    pub fn handle_input(&mut self, arrival: Arrival, datagram: &[u8]) {
        let Arrival { now, from, waited, .. } = arrival;
        self.handle_timeout(now);
        if let Some(waited) = waited {
            self.receive_delay.record(waited);
        }
        let bytes = datagram.len();
        if self.settle_reply(arrival, datagram).is_none() {
            match self.by_address.get(&(arrival.source_port, from)) {
                Some(flow) => self.flows[flow.0].foreign(),
                None => self.strangers += 1,
            }
            self.tell(now, Event::Foreign { from, bytes });
        }
    }

    /// Returns `None` if the datagram's source is not the ping's destination, or its content was
    /// not sent.
    fn settle_reply(
        &mut self,
        Arrival { now, wall, source_port, from, .. }: Arrival,
        datagram: &[u8],
    ) -> Option<()> {
        let id = *self.by_address.get(&(source_port, from))?;
        let flow = &mut self.flows[id.0];
        let answer = self.config.codec.read(datagram)?;
        let seq = answer.seq;
        let sent = *flow.get(seq).filter(|sent| flow.went_to(from, sent.at))?;
        let reflected = self.config.codec.check(&answer, sent.wall, wall, &mut self.scratch)?;
        let rtt = now.since(sent.at);
        let bytes = datagram.len();
        let kind = flow.reply(seq, (rtt, bytes), reflected, self.total.as_mut())?;
        self.schedule.replied(now, rtt);
        let times = Times::from(&sent);
        self.tell(now, Event::Reply { flow: id, seq, from, bytes, times, rtt, kind });
        Some(())
    }

    /// Declares pings lost that have timed out at `now`, and ends the run if its deadline has
    /// passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
        while let Some((flow, seq)) = self.next_awaited() {
            let Some(expiry) = self.expiry(flow, seq).filter(|expiry| *expiry <= now) else {
                break;
            };
            self.expiries.pop_front();
            let times = self.flows[flow.0].get(seq).map(Times::from);
            if let (true, Some(times)) = (self.flows[flow.0].timed_out(seq), times) {
                self.tell(expiry.max(now), Event::Lost(flow, seq, times));
            }
        }
        if self.config.deadline.is_some_and(|deadline| now >= self.start + deadline) {
            self.stop();
        }
    }

    /// Returns when [`Self::poll_transmit`] or [`Self::handle_timeout`] must be called next; `None`
    /// if never.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let send = (!self.has_sent_all()).then(|| self.schedule.next());
        let expiry = self.next_awaited().and_then(|(flow, seq)| self.expiry(flow, seq));
        let deadline = self.config.deadline.map(|deadline| self.start + deadline);
        [send, expiry, deadline].into_iter().flatten().min()
    }

    /// Returns when the next ping is to be sent; `None` if there is none.
    pub fn next_send(&self) -> Option<Instant> {
        (!self.has_sent_all()).then(|| self.schedule.next())
    }

    /// Returns when the ping after the next is to be sent, if that is known, so that a timer can be
    /// created ahead of time.
    pub fn send_after_next(&self) -> Option<Instant> {
        self.next_send().and_then(|_| self.schedule.after_next())
    }

    /// Returns the oldest awaited ping, and drops the answered ones before it.
    fn next_awaited(&mut self) -> Option<(FlowId, Seq)> {
        while let Some(&(flow, seq)) = self.expiries.front() {
            if self.flows[flow.0].get(seq).is_some_and(|sent| sent.fate == Fate::Awaited) {
                return Some((flow, seq));
            }
            self.expiries.pop_front();
        }
        None
    }

    /// Returns the first instant at which a reply to ping `seq` would be late.
    fn expiry(&self, flow: FlowId, seq: Seq) -> Option<Instant> {
        let in_time = u64::from(!is_planted(Bug::TimeoutOffByOne));
        let first_late = self.config.timeout + Duration::from_nanos(in_time);
        Some(self.flows[flow.0].get(seq)?.at + first_late)
    }

    /// Returns the next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Happened> {
        self.events.pop_front()
    }

    /// Ends the run immediately: nothing more is sent or awaited.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Returns whether every ping was sent and then answered or timed out, or the run was stopped.
    pub fn is_over(&mut self) -> bool {
        self.stopped || (self.has_sent_all() && self.next_awaited().is_none())
    }

    /// Settles the next flow at `now`, after the run is over, and queues its last events. Must be
    /// called, and its events taken, until it returns false: then [`Self::results`] are final.
    pub fn finish(&mut self, now: Instant) -> bool {
        if self.finished == 0 {
            self.latest = self.latest.max(now);
        }
        let Some(flow) = self.flows.get_mut(self.finished) else { return false };
        while let Some((seq, sent)) = flow.take_oldest() {
            self.events.push_back(Happened {
                at: now,
                event: Event::Settled(FlowId(self.finished), seq, sent),
            });
        }
        self.finished += 1;
        true
    }

    /// Returns the results up to the latest time passed in, or up to the end of the run.
    pub fn results(&self) -> Results {
        let end = self.latest;
        let flows: Vec<_> = self.flows.iter().map(|flow| flow.summary(end)).collect();
        let mut total = match (&self.total, flows.as_slice()) {
            (Some(delays), _) => {
                let mut total = Summary::of_delays(delays);
                for flow in &flows {
                    total.add_counts(flow);
                }
                total
            }
            (None, [only]) => only.clone(),
            (None, _) => Summary::default(),
        };
        total.foreign += self.strangers;
        let punctuality = Punctuality {
            missed_slots: self.schedule.missed(),
            timer_error: self.timer_error.spread(),
            send_call: self.send_call.spread(),
        };
        let duration = self.first_send.map_or(Duration::ZERO, |first| end.since(first));
        Results {
            flows,
            total,
            duration,
            punctuality,
            dropped: None,
            receive_times: ReceiveTimes::default(),
            receive_delay: self.receive_delay.spread(),
        }
    }

    fn tell(&mut self, at: Instant, event: Event) {
        self.events.push_back(Happened { at, event });
    }

    fn has_sent_all(&self) -> bool {
        let all = self
            .config
            .count
            .map(|count| count.get().saturating_mul(self.config.targets.len() as u64));
        self.stopped || self.flows.is_empty() || all.is_some_and(|all| self.attempts >= all)
    }
}

#[cfg(test)]
#[path = "pinger_tests.rs"]
mod tests;
