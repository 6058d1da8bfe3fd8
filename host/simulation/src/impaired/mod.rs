//! Impairments of the real network at the boundary of a component: the same model as that of the
//! virtual network's links, without root and without tc-netem(8).
//!
//! What a component sends crosses one link before the system gets it, and what arrives crosses another
//! before the component does. A delay shifts the time of arrival that the system has recorded, too.

mod delayed;
mod socket;

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;
use wasi_datagram::{Buffers, Family, Reports, Timer, Tuning, UdpSocket, World};
use wasmtime_wasi::async_trait;

use crate::link::{Fate, Link, LinkError, Path, Queue};
use crate::time::Time;
use delayed::Delayed;
use socket::ImpairedSocket;

/// What happens to datagrams between a component and the system.
#[derive(Clone, Debug, PartialEq)]
pub struct Impairments {
    /// What everything that happens by chance is drawn from.
    pub seed: u64,
    /// The link that sent datagrams cross.
    pub send: Link,
    /// The link that received datagrams cross.
    pub receive: Link,
}

/// Why a text does not describe impairments.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ImpairmentsError {
    /// A property of a link is wrong.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The seed is not a number.
    #[error("seed={0}: not a whole number")]
    Seed(String),
}

impl FromStr for Impairments {
    type Err = ImpairmentsError;

    /// Parses `NAME=VALUE,...`: properties of both links, or of one where the name starts with
    /// `send.` or `receive.`, and `seed`.
    fn from_str(text: &str) -> Result<Self, ImpairmentsError> {
        let mut impairments = Self { seed: 1, send: Link::default(), receive: Link::default() };
        for property in text.split(',') {
            let Some((name, value)) = property.split_once('=') else {
                return Err(LinkError::NoValue(property.to_owned()).into());
            };
            let (name, value) = (name.trim(), value.trim());
            if name == "seed" {
                let seed = value.parse();
                impairments.seed = seed.map_err(|_| ImpairmentsError::Seed(value.to_owned()))?;
            } else if let Some(name) = name.strip_prefix("send.") {
                impairments.send.set(name, value)?;
            } else if let Some(name) = name.strip_prefix("receive.") {
                impairments.receive.set(name, value)?;
            } else {
                impairments.send.set(name, value)?;
                impairments.receive.set(name, value)?;
            }
        }
        impairments.send.check()?;
        impairments.receive.check()?;
        Ok(impairments)
    }
}

/// A world whose datagrams are impaired.
pub struct Impaired {
    inner: Arc<dyn World>,
    send: Arc<OneWay>,
    receive: Arc<OneWay>,
    delayed: Arc<Delayed>,
}

impl Impaired {
    /// Creates a world that is `inner`, but for its datagrams.
    ///
    /// # Errors
    ///
    /// If no thread can be started, by which delayed datagrams leave.
    pub fn new(inner: Arc<dyn World>, impairments: &Impairments) -> io::Result<Self> {
        let Impairments { seed, send, receive } = impairments;
        let one_way = |link: &Link, name: &[u8]| {
            let state = State { path: Path::new(*seed, name), queue: Queue::default() };
            Arc::new(OneWay { link: link.clone(), start: Instant::now(), state: Mutex::new(state) })
        };
        Ok(Self {
            inner,
            send: one_way(send, b"send"),
            receive: one_way(receive, b"receive"),
            delayed: Delayed::start()?,
        })
    }
}

impl fmt::Debug for Impaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impaired")
            .field("send", &self.send.link)
            .field("receive", &self.receive.link)
            .finish_non_exhaustive()
    }
}

/// A link in one direction, which all sockets of a world share.
struct OneWay {
    link: Link,
    start: Instant,
    state: Mutex<State>,
}

struct State {
    path: Path,
    queue: Queue,
}

/// A datagram after its link.
struct Passed {
    /// When it arrives at the end of the link.
    at: Instant,
    data: Vec<u8>,
}

/// The bytes of the headers of IPv4 and UDP.
const HEADERS: usize = 28;

impl OneWay {
    /// Has a datagram cross the link at `now`. Returns it, its copy too, or nothing.
    fn cross(&self, now: Instant, data: &[u8]) -> Vec<Passed> {
        let mut state = self.state();
        let length = data.len() + HEADERS;
        let time = Time::START + now.saturating_duration_since(self.start);
        let is_too_large = self.link.mtu.is_some_and(|mtu| length > usize::from(mtu));
        let queued = state.queue.append(&self.link, time, length).filter(|_| !is_too_large);
        match (queued, state.path.next(&self.link)) {
            (None, _) | (_, Fate::Lost) => Vec::new(),
            (Some(queued), Fate::Arrives { delay, corrupt, copy, .. }) => {
                let passed = |delay| Passed { at: now + queued + delay, data: data.to_vec() };
                let mut arrivals = vec![passed(delay)];
                if let Some(corruption) = corrupt {
                    corruption.apply(&mut arrivals[0].data);
                }
                arrivals.extend(copy.map(passed));
                arrivals
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic while the lock is held leaves the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl World for Impaired {
    fn open(&self, family: Family) -> io::Result<Box<dyn UdpSocket>> {
        let inner = self.inner.open(family)?;
        let (send, receive) = (self.send.clone(), self.receive.clone());
        let (world, delayed) = (self.inner.clone(), self.delayed.clone());
        Ok(Box::new(ImpairedSocket {
            inner,
            send,
            receive,
            world,
            delayed,
            sender: Mutex::default(),
        }))
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wall_clock(&self) -> SystemTime {
        self.inner.wall_clock()
    }

    fn records_arrivals(&self) -> bool {
        self.inner.records_arrivals()
    }

    fn arrival_resolution(&self) -> Duration {
        self.inner.arrival_resolution()
    }

    fn timer(&self, at: Instant) -> Box<dyn Timer> {
        self.inner.timer(at)
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.random(bytes)
    }

    fn reports(&self) -> &Arc<Reports> {
        self.inner.reports()
    }

    fn buffers(&self) -> &Arc<Buffers> {
        self.inner.buffers()
    }

    fn tuning(&self) -> Tuning {
        self.inner.tuning()
    }

    fn poll_in_place(&self, poll: &mut dyn FnMut() -> bool) -> bool {
        self.inner.poll_in_place(poll)
    }

    async fn yield_now(&self) {
        self.inner.yield_now().await;
    }
}

#[cfg(test)]
mod tests;
