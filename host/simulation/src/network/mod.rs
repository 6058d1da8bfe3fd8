//! The virtual network: nodes with addresses and sockets, links between them, and the events that
//! are to come.

mod clock;
mod events;
mod node;
mod packet;
mod sockets;
mod state;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Instant, SystemTime};

use crate::fault::{Action, Fault};
use crate::link::Link;
use crate::time::Time;
use crate::trace::{NodeId, Record};
pub use clock::{EPOCH, WallClock};
use events::Pending;
use node::Node;
use sockets::Socket;
pub(crate) use sockets::{SocketError, SocketKey};
use state::State;

/// A virtual network, shared by the worlds of its nodes.
pub struct Network {
    state: Mutex<State>,
    /// The [`Instant`] at which virtual time starts: an `Instant` cannot be made of a number.
    base: Instant,
    /// How often components were run.
    turns: AtomicU64,
}

impl Network {
    /// Creates a network without nodes. What happens by chance is drawn from `seed`; nodes are
    /// connected by `link`, each with each, in both directions.
    pub fn new(seed: u64, link: Link) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(seed, link)),
            base: Instant::now(),
            turns: AtomicU64::new(0),
        })
    }

    /// Has `observer` called for each record from now on.
    pub fn observe(&self, observer: impl FnMut(&Record<'_>) + Send + 'static) {
        self.state().observer = Some(Box::new(observer));
    }

    /// Adds a node. Without an address it gets the next one of 10.0.0.0/8.
    pub fn add_node(&self, name: &str, addresses: &[IpAddr]) -> NodeId {
        let mut state = self.state();
        let index = u32::try_from(state.nodes.len()).unwrap_or(u32::MAX);
        let id = NodeId(index);
        let addresses = if addresses.is_empty() {
            // 10.0.0.1 is the first.
            vec![IpAddr::from((0x0a00_0001_u32 + index).to_be_bytes())]
        } else {
            addresses.to_vec()
        };
        for address in &addresses {
            state.addresses.insert(*address, id);
        }
        state.names.insert(name.to_owned(), id);
        state.nodes.push(Node::new(name, addresses));
        id
    }

    /// Sets the link of one direction.
    pub fn set_link(&self, from: NodeId, to: NodeId, link: Link) {
        self.state().links.insert((from, to), link);
    }

    /// Has `fault` happen at `time`.
    pub fn schedule(&self, time: Time, fault: Fault) {
        self.state().events.insert(time, Pending::Fault(fault));
    }

    /// The current virtual time.
    pub fn now(&self) -> Time {
        self.state().now
    }

    /// The name of a node.
    pub fn name(&self, node: NodeId) -> String {
        self.state().nodes[node.index()].name.clone()
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.state().names.get(name).copied()
    }

    /// The addresses of a node.
    pub fn addresses(&self, node: NodeId) -> Vec<IpAddr> {
        self.state().nodes[node.index()].addresses.clone()
    }

    /// The wall clock of a node.
    pub fn wall_clock(&self, node: NodeId) -> WallClock {
        self.state().nodes[node.index()].wall.clone()
    }

    /// The addresses of the node named `name`; `None` if there is no such node. An error if the name
    /// server does not answer.
    pub(crate) fn resolve(&self, name: &str) -> Result<Option<Vec<IpAddr>>, Silent> {
        let state = self.state();
        if state.is_name_server_silent {
            return Err(Silent);
        }
        Ok(state.names.get(name).map(|node| state.nodes[node.index()].addresses.clone()))
    }

    /// The virtual time of an [`Instant`] of a world.
    pub(crate) fn time(&self, instant: Instant) -> Time {
        Time::START + instant.saturating_duration_since(self.base)
    }

    /// The [`Instant`] of a virtual time.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.base + time.since_start()
    }

    /// Reads the monotonic clock of `node`.
    pub(crate) fn read_clock(&self, node: NodeId) -> Instant {
        let now = self.state().read_clock(node);
        self.instant(now)
    }

    /// Reads the wall clock of `node`.
    pub(crate) fn read_wall_clock(&self, node: NodeId) -> SystemTime {
        let mut state = self.state();
        let now = state.read_clock(node);
        state.nodes[node.index()].wall.at(now)
    }

    /// Has `waker` woken at `time`. Returns a key to [`Self::forget`] it by.
    pub(crate) fn wake_at(&self, time: Time, waker: Waker) -> (Time, u64) {
        self.state().events.insert(time, Pending::Wake(waker))
    }

    /// Removes what [`Self::wake_at`] added.
    pub(crate) fn forget(&self, key: (Time, u64)) {
        self.state().events.remove(key);
    }

    /// Lets the next event happen, at its time. Returns false if none is to come before or at `end`.
    pub(crate) fn advance(&self, end: Time) -> bool {
        let mut state = self.state();
        let Some(time) = state.events.next().filter(|time| *time <= end) else { return false };
        state.now = state.now.max(time);
        state.happen();
        true
    }

    /// Lets some time pass, up to a microsecond: components run without waiting.
    pub(crate) fn tick(&self) {
        self.state().tick();
    }

    /// How often components were run.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    pub(crate) fn count_turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether anything is to come.
    pub(crate) fn has_events(&self) -> bool {
        self.state().events.next().is_some()
    }

    /// Takes what the executor is to do.
    pub(crate) fn take_action(&self) -> Option<Action> {
        self.state().actions.pop_front()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // No panic while the lock is held leaves the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name server does not answer.
pub(crate) struct Silent;

/// A socket of the network, for the sockets of worlds.
pub(crate) type SocketState = Socket;
