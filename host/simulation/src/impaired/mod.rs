//! Impairments of the real network at the boundary of a component: the same model as that of the
//! virtual network's links, without root and without tc-netem(8).
//!
//! What a component sends crosses one link before the system gets it, and what arrives crosses another
//! before the component does. A delay shifts the time of arrival that the system has recorded, too.

mod delayed;
mod halves;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use thiserror::Error;
use wasi_datagram::World;

use crate::link::{Fate, Link, LinkError, Path, Queue, packet_length};
use crate::time::Time;
use crate::wrapped::Wrapped;
use delayed::Delayed;

/// What happens to datagrams between a component and the system.
#[derive(Clone, Debug, PartialEq)]
pub struct Impairments {
    /// What everything that happens by chance is drawn from.
    pub seed: u64,
    /// The flow of a simulation whose fates all datagrams have: its address that stands for the
    /// component's, and its peer.
    pub flow: Option<(SocketAddr, SocketAddr)>,
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
    /// The flow is not two addresses.
    #[error("flow={0}: not of the form ADDRESS:PORT-ADDRESS:PORT, the component's and its peer's")]
    Flow(String),
}

impl FromStr for Impairments {
    type Err = ImpairmentsError;

    /// Parses `NAME=VALUE,...`: properties of both links, or of one where the name starts with
    /// `send.` or `receive.`, `seed` and `flow`.
    fn from_str(text: &str) -> Result<Self, ImpairmentsError> {
        let mut impairments =
            Self { seed: 1, flow: None, send: Link::default(), receive: Link::default() };
        for property in text.split(',') {
            let Some((name, value)) = property.split_once('=') else {
                return Err(LinkError::NoValue(property.to_owned()).into());
            };
            let (name, value) = (name.trim(), value.trim());
            if name == "seed" {
                let seed = value.parse();
                impairments.seed = seed.map_err(|_| ImpairmentsError::Seed(value.to_owned()))?;
            } else if name == "flow" {
                let flow = value.split_once('-');
                let flow =
                    flow.and_then(|(own, peer)| Some((own.parse().ok()?, peer.parse().ok()?)));
                let no_flow = || ImpairmentsError::Flow(value.to_owned());
                impairments.flow = Some(flow.ok_or_else(no_flow)?);
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

/// Puts impairments between a component and `inner`.
///
/// # Errors
///
/// If no thread can be started, by which delayed datagrams leave.
pub fn impaired(inner: Arc<dyn World>, impairments: &Impairments) -> io::Result<Arc<dyn World>> {
    let Impairments { seed, flow, send, receive } = impairments;
    let (sent, received) = match *flow {
        Some((own, peer)) => (Path::between(*seed, own, peer), Path::between(*seed, peer, own)),
        None => (Path::new(*seed, b"send"), Path::new(*seed, b"receive")),
    };
    let one_way = |link: &Link, path: Path| {
        let state = State { path, queue: Queue::default(), travelling: 0 };
        Arc::new(OneWay { link: link.clone(), start: Instant::now(), state: Mutex::new(state) })
    };
    let halves = Impairing {
        send: one_way(send, sent),
        receive: one_way(receive, received),
        delayed: Delayed::start()?,
    };
    Ok(Arc::new(Wrapped { inner, halves: Arc::new(halves) }))
}

/// Has datagrams cross a link.
struct Impairing {
    send: Arc<OneWay>,
    receive: Arc<OneWay>,
    delayed: Arc<Delayed>,
}

impl fmt::Debug for Impairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impairing")
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
    /// The number of datagrams on the link.
    travelling: usize,
}

/// A datagram after its link.
struct Passed {
    /// When it arrives at the end of the link.
    at: Instant,
    data: Vec<u8>,
    place: Place,
}

/// The place of a datagram on its link, which it has until it has arrived.
struct Place(Arc<OneWay>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state().travelling -= 1;
    }
}

impl OneWay {
    /// Has a datagram cross the link at `now`. Returns it, its copy too, or nothing.
    fn cross(self: &Arc<Self>, now: Instant, is_ipv6: bool, data: &[u8]) -> Vec<Passed> {
        let mut state = self.state();
        let length = packet_length(is_ipv6, data.len());
        let time = Time::START + now.saturating_duration_since(self.start);
        let is_too_large = self.link.mtu.is_some_and(|mtu| length > usize::from(mtu));
        let queued = state.queue.append(&self.link, time, length).filter(|_| !is_too_large);
        let fate = state.path.next(&self.link);
        let (Some(queued), Fate::Arrives { delay, corrupt, copy, .. }) = (queued, fate) else {
            return Vec::new();
        };
        let mut arrivals = Vec::new();
        for (delay, corrupt) in
            [Some((delay, corrupt)), copy.map(|delay| (delay, None))].into_iter().flatten()
        {
            // As in its queue, one more than wait.
            if state.travelling > self.link.limit {
                break;
            }
            state.travelling += 1;
            let mut data = data.to_vec();
            if let Some(corruption) = corrupt {
                corruption.apply(&mut data);
            }
            arrivals.push(Passed { at: now + queued + delay, data, place: Place(self.clone()) });
        }
        arrivals
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic while the lock is held leaves the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
