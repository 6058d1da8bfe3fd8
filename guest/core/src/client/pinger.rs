//! The client: what to send when and where, what each datagram that arrives means, and when it is
//! over.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::config::Config;
use crate::client::datagram::{Arrival, Transmit};
use crate::client::events::{Event, Happened, Times};
use crate::client::flow::{Flow, FlowId};
use crate::client::schedule::Schedule;
use crate::client::sent_pings::SentPings;
use crate::client::summary::{Punctuality, Results, Summary};
use crate::seq::Seq;
use crate::stats::Distribution;
use crate::stats::delays::Delays;
use crate::stats::outcome::Fate;
use crate::time::{Instant, UnixTime};
use crate::wire::auth::Keys;

/// How many settled pings are remembered, by all flows together, so that a late reply or a
/// duplicate is told from a foreign datagram.
const HISTORY: usize = 65_536;

/// The fewest that each flow remembers.
const LEAST_HISTORY: usize = 4;

/// Up to so many flows each have percentiles of their own. They take up to 1 MiB a flow; and nobody
/// reads more.
const FLOWS_WITH_PERCENTILES: usize = 16;

/// One run.
///
/// The caller's loop: [`Self::handle_timeout`], [`Self::poll_transmit`] until `None`, feed what
/// arrived to [`Self::handle_input`], take [`Self::poll_event`] until `None`, and wait until
/// [`Self::poll_timeout`] or until a datagram comes; as long as [`Self::is_over`] says no. Then
/// [`Self::finish`].
#[derive(Debug)]
pub struct Pinger {
    config: Config,
    start: Instant,
    schedule: Schedule,
    flows: Vec<Flow>,
    by_address: HashMap<(usize, SocketAddr), FlowId, foldhash::fast::RandomState>,
    /// Pings in the order in which they were sent, and so in which they time out, from the oldest
    /// that is awaited.
    expiries: VecDeque<(FlowId, Seq)>,
    /// What is left of a burst: whose, when it was due, and how many.
    burst: Option<(FlowId, Instant, u32)>,
    attempts: u64,
    stopped: bool,
    /// When the first ping was sent, or was to be.
    first_send: Option<Instant>,
    /// The latest time that was told, until the run was over.
    latest: Instant,
    /// How many flows are settled for good.
    finished: usize,
    /// Over all flows, where there are several.
    total: Option<Delays>,
    /// From addresses that belong to no flow.
    strangers: u64,
    timer_error: Distribution,
    send_call: Distribution,
    events: VecDeque<Happened>,
    datagram: Vec<u8>,
    scratch: Vec<u8>,
}

impl Pinger {
    /// A run whose first ping is due at `start`.
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
            schedule: Schedule::new(start, config.interval, targets.max(1) as u64, config.pace),
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

    /// The target of a flow, as the index of its address, and its source port, from 0.
    pub fn target_and_port(&self, flow: FlowId) -> (usize, usize) {
        let targets = self.config.targets.len();
        (flow.0 % targets, flow.0 / targets)
    }

    /// The datagram that is due at `now`, if one is; `wall` is the time it carries.
    ///
    /// It counts as sent at `now`, unless [`Self::departed`] says when, or [`Self::not_sent`] takes
    /// it back.
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

    /// Whose turn it is at `now`, and when it was.
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
            // Whoever had all of its pings lets those catch up whose turns were missed.
            let left = self.quota(flow).saturating_sub(self.flows[flow.0].attempts());
            let burst = self.config.burst.get().min(u32::try_from(left).unwrap_or(u32::MAX));
            self.burst = (burst > 0).then_some((flow, slot.at, burst));
        }
    }

    /// How many pings a flow sends: its share of those to its target.
    fn quota(&self, flow: FlowId) -> u64 {
        let (ports, port) =
            (self.config.source_ports.get() as u64, self.target_and_port(flow).1 as u64);
        let burst = u64::from(self.config.burst.get());
        self.config.count.map_or(u64::MAX, |count| {
            // Whole bursts from port to port, and what is left from the next.
            let (rounds, rest) = (count.get() / (burst * ports), count.get() % (burst * ports));
            rounds * burst + rest.saturating_sub(port * burst).min(burst)
        })
    }

    /// Ping `seq` left by a call that began at `before`, from which its RTT is counted, and ended
    /// at `after`.
    pub fn departed(&mut self, flow: FlowId, seq: Seq, before: Instant, after: Instant) {
        self.first_send.get_or_insert(before);
        let Some(scheduled) = self.flows[flow.0].departed(seq, before, self.datagram.len()) else {
            return;
        };
        self.timer_error.record(before.since(scheduled));
        self.send_call.record(after.since(before));
        self.tell(before, Event::Sent(flow, seq));
    }

    /// The socket did not accept ping `seq` at `now`, for the `reason` given.
    pub fn not_sent(&mut self, flow: FlowId, seq: Seq, now: Instant, reason: String) {
        let Some(times) = self.flows[flow.0].get(seq).map(Times::from) else { return };
        self.first_send.get_or_insert(times.sent);
        if self.flows[flow.0].not_sent(seq) {
            self.tell(now, Event::NotSent(flow, seq, times, reason));
        }
    }

    /// The network reported an error at `now` that belongs to no ping in particular, but to those
    /// of `flow`, where that is known.
    pub fn network_error(&mut self, now: Instant, flow: Option<FlowId>, reason: String) {
        self.tell(now, Event::NetworkError(flow, reason));
    }

    /// Pings to `target`, the index of its address, go to `to` from `now` on; replies to earlier
    /// ones count from where those went. Whether that is so: not where another target has that
    /// address.
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

    /// The flow from that source port to `peer`.
    pub fn flow(&self, source_port: usize, peer: SocketAddr) -> Option<FlowId> {
        self.by_address.get(&(source_port, peer)).copied()
    }

    /// From now on, pings are tagged with the first of `keys`, and replies count that are tagged
    /// with one of them; where there was a key before.
    pub fn set_keys(&mut self, keys: Keys) {
        if let Some(before) = &mut self.config.codec.keys {
            *before = keys;
        }
    }

    /// Takes a datagram that arrived.
    pub fn handle_input(&mut self, arrival: Arrival, datagram: &[u8]) {
        let Arrival { now, from, .. } = arrival;
        self.handle_timeout(now);
        let bytes = datagram.len();
        if self.settle_reply(arrival, datagram).is_none() {
            match self.by_address.get(&(arrival.source_port, from)) {
                Some(flow) => self.flows[flow.0].foreign(),
                None => self.strangers += 1,
            }
            self.tell(now, Event::Foreign { from, bytes });
        }
    }

    /// `None` where the datagram came from elsewhere than the ping went, or holds what was not
    /// sent.
    fn settle_reply(
        &mut self,
        Arrival { now, wall, source_port, from }: Arrival,
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

    /// Declares lost whatever has timed out at `now`, and the run over when its deadline has
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

    /// When [`Self::poll_transmit`] or [`Self::handle_timeout`] next has something to do; `None`
    /// where it never will.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let send = (!self.has_sent_all()).then(|| self.schedule.next());
        let expiry = self.next_awaited().and_then(|(flow, seq)| self.expiry(flow, seq));
        let deadline = self.config.deadline.map(|deadline| self.start + deadline);
        [send, expiry, deadline].into_iter().flatten().min()
    }

    /// When the next ping is to be sent; `None` where none is.
    pub fn next_send(&self) -> Option<Instant> {
        (!self.has_sent_all()).then(|| self.schedule.next())
    }

    /// When the ping after that one is to be sent, as far as can be told: for a timer that is made
    /// ahead.
    pub fn send_after_next(&self) -> Option<Instant> {
        self.next_send().and_then(|_| self.schedule.after_next())
    }

    /// The oldest ping that is awaited. Those before it that were answered are passed over for
    /// good.
    fn next_awaited(&mut self) -> Option<(FlowId, Seq)> {
        while let Some(&(flow, seq)) = self.expiries.front() {
            if self.flows[flow.0].get(seq).is_some_and(|sent| sent.fate == Fate::Awaited) {
                return Some((flow, seq));
            }
            self.expiries.pop_front();
        }
        None
    }

    /// The first instant at which a reply to ping `seq` would be late.
    fn expiry(&self, flow: FlowId, seq: Seq) -> Option<Instant> {
        Some(self.flows[flow.0].get(seq)?.at + self.config.timeout + Duration::from_nanos(1))
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Happened> {
        self.events.pop_front()
    }

    /// Ends the run now: nothing more is sent or awaited.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether every ping was sent and answered or timed out, or the run was stopped.
    pub fn is_over(&mut self) -> bool {
        self.stopped || (self.has_sent_all() && self.next_awaited().is_none())
    }

    /// Settles the next flow at `now`, when the run is over: the last events follow. To be called,
    /// and its events taken, until it says that there was none left: then [`Self::results`] are
    /// final.
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

    /// The run so far: until the latest time that was told, or its end.
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
        Results { flows, total, duration, punctuality, dropped: None }
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
