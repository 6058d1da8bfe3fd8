//! The server: what becomes of each datagram that arrives.
//!
//! Who is answered, and how often, is the same whatever a server speaks, and here. What is a
//! request, and what its answer, is a [`Protocol`]'s: [`Echo`] is one.

pub(crate) mod buckets;
pub(crate) mod cycles;
pub(crate) mod echo;
pub mod log;
pub(crate) mod loops;
pub(crate) mod reflector;
pub(crate) mod sessions;

pub use echo::{Echo, text};
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

/// A share of datagrams to drop on purpose: 0 to 100 percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropRate(f64);

impl DropRate {
    /// `None` where `percent` is not from 0 to 100.
    pub fn from_percent(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }
}

/// When a request says that it was sent, if it says so.
pub type Sent = Option<UnixTime>;

/// What a protocol reads in a datagram that it can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<R> {
    /// Request, as the protocol decodes it.
    pub request: R,
    /// When it says that it was sent.
    pub sent: Sent,
    /// Where it is well-formed, and does not look like a reply, what tells it from others of its
    /// source.
    pub number: Option<u64>,
}

/// What a server speaks: what is a request, and what is its answer. With a key, each protocol has
/// its own way to show that who sent a datagram has it.
pub trait Protocol {
    /// What such a server does, as its first line says it.
    const DOES: &str;

    /// What a request says that its answer is made of, besides its bytes.
    type Request;

    /// Reads what can be answered. With a key, that is what says when it was sent. This leaves no
    /// trace.
    ///
    /// # Errors
    ///
    /// Where there is no answer to it, or it is not from a sender who has the key.
    fn read(
        &self,
        key: Option<&Key>,
        arrival: Arrival,
        datagram: &[u8],
    ) -> Result<Received<Self::Request>, Refusal>;

    /// The part of a request that its tag is of, the tag included: with a key, all else is not to
    /// be trusted.
    fn authenticated<'a>(&self, datagram: &'a [u8]) -> &'a [u8];

    /// Makes of the datagram that held `request` the answer, but for what [`Self::depart`] does.
    fn answer(
        &mut self,
        arrival: Arrival,
        request: Self::Request,
        key: Option<&Key>,
        datagram: &mut Vec<u8>,
    );

    /// Completes answers that leave together, and now, which `clock` tells. Those that then do not
    /// leave come again.
    fn depart<'a>(
        &self,
        key: Option<&Key>,
        clock: impl FnOnce() -> UnixTime,
        answers: impl Iterator<Item = &'a mut [u8]>,
    );

    /// Whether `key` made an answer that [`Self::depart`] has completed; in a protocol whose
    /// answers it leaves as they are, that does not matter.
    fn is_made_with(&self, key: &Key, answer: &[u8]) -> bool;

    /// The number that a datagram carries, whoever made it.
    fn seq(&self, key: Option<&Key>, datagram: &[u8]) -> Option<Seq>;
}

/// Who is answered. By default that is everybody, as often as is safe, without a key.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The share to leave unanswered.
    pub drop_rate: DropRate,
    /// What the choice of those is derived from.
    pub seed: u64,
    /// Without a key: answer requests that come again, and what is no well-formed request, at any
    /// rate, too.
    pub echo_all: bool,
    /// Answer those alone who have a key.
    pub keyed: Option<Keyed>,
    /// Secret from which follows which sources share a place in the tables against loops.
    pub salt: u64,
}

impl Config {
    fn key(&self) -> Option<&Key> {
        self.keyed.as_ref().map(|keyed| keyed.keys.first())
    }

    /// The keys, where there are two.
    fn two_keys(&self) -> Option<&Keys> {
        self.keyed.as_ref().map(|keyed| &keyed.keys).filter(|keys| keys.second().is_some())
    }
}

/// A key, or two, and what they are good for.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// A request is answered that was made with one of them, and with the same one.
    pub keys: Keys,
    /// How far from this server's clock a request's time may be: for as long, one that was recorded
    /// can be sent again.
    pub replay_window: Duration,
}

/// What is known of a datagram besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Where it says that it comes from.
    pub from: SocketAddr,
    /// When, by the clock that never jumps.
    pub now: Instant,
    /// When, by the clock that tells what time it is.
    pub wall: UnixTime,
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It comes from port 0, to which nothing can be sent.
    PortZero,
    /// Its source is a group of hosts, or none.
    NoHost,
    /// It has no tag, or one that was not made with the key.
    Unauthentic,
    /// It is not a ping.
    NoPing,
    /// It is itself an answer, such as ours.
    Answer,
    /// Its time is too far from the server's.
    Stale,
    /// It came too often.
    Repeated,
    /// It is no well-formed request, and its source has sent too many of those.
    RateExceeded,
}

impl Refusal {
    /// All there are, in the order of the checks.
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

/// How many datagrams were refused, for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals([u64; Refusal::ALL.len()]);

impl Refusals {
    /// Adds one datagram that was refused for that reason.
    pub fn count(&mut self, refusal: Refusal) {
        self.0[refusal as usize] += 1;
    }

    /// Those for one reason.
    pub fn of(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize]
    }

    /// Those for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// What was done since the start, in datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of datagrams that arrived.
    pub received: u64,
    /// Whose answer the socket accepted.
    pub answered: u64,
    /// Left unanswered on purpose.
    pub dropped: u64,
    /// Whose answer the socket did not accept.
    pub failed: u64,
    /// That are not to be answered.
    pub refused: Refusals,
}

/// What to do with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it back as it now is, once [`Server::depart`] has completed it.
    Answer,
    /// Leave it: it is one of the share that is lost on purpose.
    Drop,
    /// Leave it, for this reason.
    Refuse(Refusal),
}

/// The server's state: a random sequence, what came repeatedly, how often others are answered, the
/// counts, and what its protocol keeps. None of it grows.
#[derive(Debug)]
pub struct Server<P> {
    config: Config,
    protocol: P,
    rng: Rng,
    /// What came with the key's tag.
    repeats: Repeats,
    /// Well-formed requests.
    cycles: Cycles,
    /// All else.
    buckets: Buckets,
    counts: Counts,
}

impl<P: Protocol> Server<P> {
    /// A server that has seen nothing yet.
    pub fn new(config: Config, protocol: P) -> Self {
        // With a key, what is repeated is remembered until its time alone refuses it: the window
        // lies on both sides of now.
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

    /// A datagram arrived: makes it the answer, or says why there is none, and then leaves it as it
    /// is.
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
            // So that it can be told which of them it is to depart with.
            self.protocol.depart(key, || arrival.wall, iter::once(datagram.as_mut_slice()));
        }
        Verdict::Answer
    }

    /// The request in a datagram that is to be answered; where it is not, the first reason that
    /// holds.
    ///
    /// First its source, which takes no time and keeps everything else from those that must get
    /// nothing whatever they send. Then what the protocol says; with a key, it first asks for a
    /// proof that the sender has it: so what follows, and the table of repeats above all, is only
    /// for those who have the key. Then its time, which leaves no trace; what leaves some comes
    /// last.
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
            // From wherever, and whatever else is in it: who has recorded it can send it from
            // anywhere, with more.
            if self.repeats.is_excessive(self.protocol.authenticated(datagram), now) {
                return Err(Refusal::Repeated);
            }
        } else if !self.config.echo_all {
            self.limit(from, number, now)?;
        }
        Ok((request, which))
    }

    /// Refuses what may be a round of a loop, if it comes faster than is safe.
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

    /// What the protocol says of a datagram, and which key it was made with, if any is asked for.
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

    /// Whether it answers only those who have a key.
    pub fn is_keyed(&self) -> bool {
        self.config.keyed.is_some()
    }

    /// From now on, those who have `keys` are answered, where a key was asked for before.
    pub fn set_keys(&mut self, keys: Keys) {
        if let Some(keyed) = &mut self.config.keyed {
            keyed.keys = keys;
        }
    }

    /// Completes answers that leave together, and now, which `clock` tells. Those that then do not
    /// leave must come again.
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

    /// The number that a datagram carries, if it carries one.
    pub fn seq(&self, datagram: &[u8]) -> Option<Seq> {
        self.protocol.seq(self.config.key(), datagram)
    }

    /// The socket accepted `count` answers.
    pub fn answered(&mut self, count: usize) {
        self.counts.answered += count as u64;
    }

    /// The socket did not accept `count` answers.
    pub fn failed(&mut self, count: usize) {
        self.counts.failed += count as u64;
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
pub(crate) mod tests;
