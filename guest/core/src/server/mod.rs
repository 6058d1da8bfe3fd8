//! The server: what is done with each received datagram.
//!
//! Which datagrams are answered, and how often, is independent of the protocol and decided here. A
//! [`Protocol`], such as [`Echo`], defines what a request is, and its answer.

pub(crate) mod buckets;
pub(crate) mod cycles;
pub(crate) mod echo;
pub mod log;
pub(crate) mod loops;
mod protocol;
pub(crate) mod reflector;
pub(crate) mod sessions;

pub use echo::{Echo, text};
pub use protocol::{Protocol, Received, Sent};
pub use reflector::Reflector;
pub use sessions::Sessions;

use std::iter;
use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;

use crate::seq::Seq;
use crate::server::buckets::Buckets;
use crate::time::{Instant, UnixTime};
use crate::wire::auth::{Key, Keys, Which};
use cycles::Cycles;
use loops::Repeats;

/// The share of datagrams to drop on purpose: 0 to 100 percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropRate(f64);

impl DropRate {
    /// Returns `None` if `percent` is not from 0 to 100.
    pub fn from_percent(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }
}

/// The configuration of a server. By default it answers everybody, as often as is safe, without a
/// key.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The share of requests to leave unanswered.
    pub drop_rate: DropRate,
    /// The seed of the random choice of those.
    pub seed: u64,
    /// Without a key: answer repeated requests, and datagrams that are not well-formed requests, at
    /// any rate.
    pub echo_all: bool,
    /// Answer only senders with a key.
    pub keyed: Option<Keyed>,
    /// A secret that determines which sources share a place in the tables against loops.
    pub salt: u64,
}

impl Config {
    fn key(&self) -> Option<&Key> {
        self.keyed.as_ref().map(|keyed| keyed.keys.first())
    }

    /// Returns the keys if there are two.
    fn two_keys(&self) -> Option<&Keys> {
        self.keyed.as_ref().map(|keyed| &keyed.keys).filter(|keys| keys.second().is_some())
    }
}

/// The keys, and how they are checked.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// The accepted keys. A request is answered with the same key that it was made with.
    pub keys: Keys,
    /// The maximum difference between a request's time and this server's clock, and thus the time
    /// for which a recorded request can be replayed.
    pub replay_window: Duration,
}

/// The metadata of a received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The source address, which may be forged.
    pub from: SocketAddr,
    /// The time of receipt on the monotonic clock.
    pub now: Instant,
    /// The time of receipt on the wall clock.
    pub wall: UnixTime,
}

/// The reason for which a datagram is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its source port is 0, to which nothing can be sent.
    PortZero,
    /// Its source is a multicast, broadcast or unspecified address.
    NoHost,
    /// It has no tag, or one that was not made with the key.
    Unauthentic,
    /// It is not a ping.
    NoPing,
    /// It is itself a reply, such as this server's.
    Answer,
    /// Its time differs too much from the server's.
    Stale,
    /// It was received too often.
    Repeated,
    /// It is not a well-formed request, and its source has sent too many of those.
    RateExceeded,
}

impl Refusal {
    /// All reasons, in the order of the checks.
    pub const ALL: [Self; 8] = [
        Self::PortZero,
        Self::NoHost,
        Self::Unauthentic,
        Self::NoPing,
        Self::Answer,
        Self::Stale,
        Self::Repeated,
        Self::RateExceeded,
    ];
}

/// The number of refused datagrams for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals([u64; Refusal::ALL.len()]);

impl Refusals {
    /// Counts one datagram that was refused for that reason.
    pub fn count(&mut self, refusal: Refusal) {
        self.0[refusal as usize] += 1;
    }

    /// Returns the number of datagrams refused for one reason.
    pub fn of(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize]
    }

    /// Returns the number of datagrams refused for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// The counts of datagrams since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of received datagrams.
    pub received: u64,
    /// The number whose answer the socket accepted.
    pub answered: u64,
    /// The number left unanswered on purpose.
    pub dropped: u64,
    /// The number whose answer the socket did not accept.
    pub failed: u64,
    /// The number refused, for each reason.
    pub refused: Refusals,
}

/// The decision on a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it back as it now is, once [`Server::depart`] has completed it.
    Answer,
    /// Do not answer it: it belongs to the share dropped on purpose.
    Drop,
    /// Do not answer it, for this reason.
    Refuse(Refusal),
}

/// The state of a server: the random number generator, the tables of repeated requests and of token
/// buckets, the counts, and the protocol's state. None of it grows without bound.
#[derive(Debug)]
pub struct Server<P> {
    config: Config,
    protocol: P,
    rng: Rng,
    /// The authenticated datagrams.
    repeats: Repeats,
    /// The well-formed requests.
    cycles: Cycles,
    /// All other datagrams.
    buckets: Buckets,
    counts: Counts,
}

impl<P: Protocol> Server<P> {
    /// Creates a server that has not received anything.
    pub fn new(config: Config, protocol: P) -> Self {
        // With a key, repeated requests are remembered until they are refused by their time alone:
        // the window extends to both sides of now.
        let memory = config
            .keyed
            .as_ref()
            .map_or(loops::ROUND, |keyed| keyed.replay_window.saturating_mul(2));
        Self {
            rng: Rng::with_seed(config.seed),
            repeats: Repeats::new(config.salt, memory),
            cycles: Cycles::new(config.salt),
            buckets: Buckets::new(config.salt),
            counts: Counts::default(),
            config,
            protocol,
        }
    }

    /// Handles a received datagram. Turns it into the answer, or returns why there is none and
    /// leaves it unchanged.
    pub fn receive(&mut self, arrival: Arrival, datagram: &mut Vec<u8>) -> Verdict {
        self.counts.received += 1;
        let (request, which) = match self.guard(arrival, datagram) {
            Ok(guarded) => guarded,
            Err(refusal) => {
                self.counts.refused.count(refusal);
                return Verdict::Refuse(refusal);
            }
        };
        if self.config.drop_rate.0 > 0.0 && self.rng.f64() * 100.0 < self.config.drop_rate.0 {
            self.counts.dropped += 1;
            return Verdict::Drop;
        }
        let key = self.config.keyed.as_ref().map(|keyed| keyed.keys.get(which));
        self.protocol.answer(arrival, request, key, datagram);
        if self.config.two_keys().is_some() {
            // Identifies the key that it must be completed with later.
            self.protocol.depart(key, || arrival.wall, iter::once(datagram.as_mut_slice()));
        }
        Verdict::Answer
    }

    /// Returns the request in a datagram that is to be answered, or the first reason not to.
    ///
    /// The source is checked first: this takes no time, and sources that must not be answered get
    /// no further. The protocol comes next; with a key, it first verifies the sender's tag, so that
    /// everything after it, in particular the table of repeats, is reached only by senders with the
    /// key. The time is checked next, which changes no state; checks that change state come last.
    fn guard(&mut self, arrival: Arrival, datagram: &[u8]) -> Result<(P::Request, Which), Refusal> {
        let Arrival { from, now, wall } = arrival;
        if from.port() == 0 {
            return Err(Refusal::PortZero);
        }
        if !loops::is_host(from.ip()) {
            return Err(Refusal::NoHost);
        }
        let (Received { request, sent, number }, which) = self.read(arrival, datagram)?;
        if let Some(Keyed { replay_window, .. }) = &self.config.keyed {
            if sent.is_none_or(|sent| sent.distance(wall) > *replay_window) {
                return Err(Refusal::Stale);
            }
            // From any source, and only the authenticated part: a recorded request can be sent from
            // anywhere, with additions.
            if self.repeats.is_excessive(self.protocol.authenticated(datagram), now) {
                return Err(Refusal::Repeated);
            }
        } else if !self.config.echo_all {
            self.limit(from, number, now)?;
        }
        Ok((request, which))
    }

    /// Refuses a datagram that may be a round of a loop, if it arrives faster than is safe.
    fn limit(
        &mut self,
        from: SocketAddr,
        number: Option<u64>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let refusal = match number.map(|number| self.cycles.enter(from, number, now)) {
            Some(cycles::Request::New) => return Ok(()),
            Some(cycles::Request::Repeated) => return Err(Refusal::Repeated),
            Some(cycles::Request::Again | cycles::Request::Suspect) => Refusal::Repeated,
            None => Refusal::RateExceeded,
        };
        if self.buckets.take(from, now) { Ok(()) } else { Err(refusal) }
    }

    /// Decodes a datagram, and returns which key it was made with, if one is required.
    fn read(
        &self,
        arrival: Arrival,
        datagram: &[u8],
    ) -> Result<(Received<P::Request>, Which), Refusal> {
        let with = |key, which| {
            self.protocol.read(key, arrival, datagram).map(|received| (received, which))
        };
        let second = self.config.two_keys().and_then(Keys::second);
        match (with(self.config.key(), Which::First), second) {
            (Err(Refusal::Unauthentic), Some(_)) => with(second, Which::Second),
            (result, _) => result,
        }
    }

    /// Returns whether only senders with a key are answered.
    pub fn is_keyed(&self) -> bool {
        self.config.keyed.is_some()
    }

    /// Replaces the accepted keys. Has no effect on a server without a key.
    pub fn set_keys(&mut self, keys: Keys) {
        if let Some(keyed) = &mut self.config.keyed {
            keyed.keys = keys;
        }
    }

    /// Completes answers that are sent together now, at the time that `clock` returns. Those that
    /// could not be sent then must be passed in again.
    pub fn depart<'a>(
        &self,
        clock: impl FnOnce() -> UnixTime,
        answers: impl Iterator<Item = &'a mut [u8]>,
    ) {
        let Some(keys) = self.config.two_keys() else {
            return self.protocol.depart(self.config.key(), clock, answers);
        };
        let now = clock();
        for answer in answers {
            let key = keys.iter().find(|key| self.protocol.is_made_with(key, answer));
            self.protocol.depart(key.or(Some(keys.first())), || now, iter::once(answer));
        }
    }

    /// Returns the sequence number in a datagram, if there is one.
    pub fn seq(&self, datagram: &[u8]) -> Option<Seq> {
        self.protocol.seq(self.config.key(), datagram)
    }

    /// Records that the socket accepted `count` answers.
    pub fn answered(&mut self, count: usize) {
        self.counts.answered += count as u64;
    }

    /// Records that the socket did not accept `count` answers.
    pub fn failed(&mut self, count: usize) {
        self.counts.failed += count as u64;
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
pub(crate) mod tests;
