//! The server: what becomes of each datagram that arrives.

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;

use crate::auth::{Direction, Key, TAG};
use crate::loops::{self, Repeats};
use crate::time::{Instant, UnixTime};
use crate::wire::Ping;

/// Ports below this one are those of services, not of clients (RFC 6335, section 6): many of them answer whatever comes.
const FIRST_CLIENT_PORT: u16 = 1_024;

/// A source that repeats a datagram gets answers again when it has paused for longer than this: no loop over a network takes
/// so long for a round.
const PAUSE: Duration = Duration::from_secs(10);

/// A share of datagrams to drop on purpose: 0 to 100 percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropRate(f64);

impl DropRate {
    /// `None` where `percent` is not from 0 to 100.
    pub fn from_percent(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }
}

/// How the server answers. By default it drops nothing on purpose, changes nothing, and has no key.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The share to leave unanswered.
    pub drop_rate: DropRate,
    /// What the choice of those is derived from.
    pub seed: u64,
    /// Answer in upper case, as the classic lab's server does.
    pub uppercase: bool,
    /// Answer ports below 1024, too.
    pub low_ports: bool,
    /// Answer nothing but pings.
    pub pings_only: bool,
    /// Answer those alone who have a key.
    pub keyed: Option<Keyed>,
    /// Something that senders do not know: see [`Repeats::new`].
    pub salt: u64,
}

/// A key, and what it is good for.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// The key.
    pub key: Key,
    /// How far from this server's clock a ping's time may be: for as long, one that was recorded can be sent again.
    pub replay_window: Duration,
}

/// What is known of a datagram besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Where it says that it comes from.
    pub from: SocketAddr,
    /// The port that it came to.
    pub port: u16,
    /// When, by the clock that never jumps.
    pub now: Instant,
    /// When, by the clock that pings are stamped with.
    pub wall: UnixTime,
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It comes from the port that the server itself listens on, here or elsewhere: two of these servers on one port, which is
    /// what people run, would answer each other.
    OwnPort,
    /// It comes from a port below 1024.
    LowPort,
    /// Its source is a group of hosts, or none.
    NoHost,
    /// It has no tag, or one that was not made with the key.
    Unauthentic,
    /// It is not a ping.
    NoPing,
    /// Its time is too far from the server's.
    Stale,
    /// It came too often.
    Repeated,
}

impl Refusal {
    /// All there are, in the order of the checks.
    pub const ALL: [Self; 7] =
        [Self::OwnPort, Self::LowPort, Self::NoHost, Self::Unauthentic, Self::NoPing, Self::Stale, Self::Repeated];
}

/// How many datagrams were refused, for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals([u64; Refusal::ALL.len()]);

impl Refusals {
    /// Counts one.
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
    /// That arrived.
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
    /// Send it back as it now is.
    Answer,
    /// Leave it: it is one of the share that is lost on purpose.
    Drop,
    /// Leave it, for this reason.
    Refuse(Refusal),
}

/// The server's state: a random sequence, what came repeatedly, and the counts. None of it grows.
#[derive(Debug)]
pub struct Echo {
    config: Config,
    rng: Rng,
    repeats: Repeats,
    counts: Counts,
}

impl Echo {
    /// A server that has seen nothing yet.
    pub fn new(config: Config) -> Self {
        // With a key, what is repeated is remembered until its time alone refuses it: the window lies on both sides of now.
        let memory = config.keyed.as_ref().map_or(PAUSE, |keyed| keyed.replay_window.saturating_mul(2));
        let (rng, repeats) = (Rng::with_seed(config.seed), Repeats::new(config.salt, memory));
        Self { config, rng, repeats, counts: Counts::default() }
    }

    /// A datagram arrived: makes it the answer, in place, or says why there is none.
    pub fn receive(&mut self, arrival: Arrival, datagram: &mut [u8]) -> Verdict {
        self.counts.received += 1;
        if let Some(refusal) = self.refusal(arrival, datagram) {
            self.counts.refused.count(refusal);
            return Verdict::Refuse(refusal);
        }
        if self.config.drop_rate.0 > 0.0 && self.rng.f64() * 100.0 < self.config.drop_rate.0 {
            self.counts.dropped += 1;
            return Verdict::Drop;
        }
        let text = self.text_length(datagram);
        let (text, tag) = datagram.split_at_mut(text);
        if self.config.uppercase {
            text.make_ascii_uppercase();
        }
        if let Some(keyed) = &self.config.keyed {
            tag.copy_from_slice(&keyed.key.tag(Direction::Reply, text));
        }
        Verdict::Answer
    }

    /// Whether and why a datagram is not to be answered: the first reason that holds.
    ///
    /// First its source, which takes no time and keeps everything else from those that must get nothing whatever they send.
    /// Then, with a key, the tag: so what follows, and the table of repeats above all, is only for those who have the key.
    /// Then the ping and its time, which leave no trace; repeats come last, because they do.
    fn refusal(&mut self, Arrival { from, port, now, wall }: Arrival, datagram: &[u8]) -> Option<Refusal> {
        if from.port() == port {
            return Some(Refusal::OwnPort);
        }
        // Nothing can be sent to port 0.
        if from.port() == 0 || (from.port() < FIRST_CLIENT_PORT && !self.config.low_ports) {
            return Some(Refusal::LowPort);
        }
        if !loops::is_host(from.ip()) {
            return Some(Refusal::NoHost);
        }
        let excessive = if let Some(Keyed { key, replay_window }) = &self.config.keyed {
            let Some(message) = key.open(Direction::Request, datagram) else { return Some(Refusal::Unauthentic) };
            let Ok(ping) = Ping::decode(message) else { return Some(Refusal::NoPing) };
            if ping.sent_at.distance(wall) > *replay_window {
                return Some(Refusal::Stale);
            }
            // From wherever: who has recorded it can send it from anywhere.
            self.repeats.is_excessive(None, datagram, now)
        } else {
            if self.config.pings_only && Ping::decode(datagram).is_err() {
                return Some(Refusal::NoPing);
            }
            self.repeats.is_excessive(Some(from), datagram, now)
        };
        excessive.then_some(Refusal::Repeated)
    }

    /// A datagram without the tag that it has where there is a key.
    pub fn text<'a>(&self, datagram: &'a [u8]) -> &'a [u8] {
        &datagram[..self.text_length(datagram)]
    }

    fn text_length(&self, datagram: &[u8]) -> usize {
        datagram.len().saturating_sub(if self.config.keyed.is_some() { TAG } else { 0 })
    }

    /// The socket accepted `count` answers.
    pub fn answered(&mut self, count: usize) {
        self.counts.answered += count as u64;
    }

    /// The socket did not accept an answer.
    pub fn failed(&mut self) {
        self.counts.failed += 1;
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
#[path = "echo_tests.rs"]
mod tests;
