//! The virtual network: nodes with addresses and sockets, links between them, and the events that
//! are to come.

mod clock;
mod events;
mod node;
mod packet;
mod sockets;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use foldhash::fast::FixedState;

use crate::fault::{Action, Fault};
use crate::link::{Link, Path, Queue};
use crate::time::Time;
use crate::trace::{Cause, DatagramId, Event, NodeId, Record};
pub use clock::{EPOCH, WallClock};
use events::{Events, Pending};
use node::Node;
use packet::Packet;
use sockets::{Socket, Sockets};
pub(crate) use sockets::{SocketError, SocketKey};

/// The number of clock readings by one node in one instant after which that instant ends: a component
/// that spins on a clock would otherwise never see it advance.
const READINGS: u32 = 1000;

/// The number of datagrams that a node receives at one instant without that counting as spinning: more
/// than its receive buffers hold.
const RECEIVED: u32 = 100_000;

/// How much later it is then.
const TICK: Duration = Duration::from_micros(1);

/// A virtual network, shared by the worlds of its nodes.
pub struct Network {
    state: Mutex<State>,
    /// The [`Instant`] at which virtual time starts: an `Instant` cannot be made of a number.
    base: Instant,
    /// How often components were run.
    turns: AtomicU64,
}

/// Called for each record.
type Observer = Box<dyn FnMut(&Record<'_>) + Send>;

pub(crate) struct State {
    seed: u64,
    now: Time,
    events: Events,
    nodes: Vec<Node>,
    addresses: HashMap<IpAddr, NodeId, FixedState>,
    names: HashMap<String, NodeId, FixedState>,
    pub(crate) sockets: Sockets,
    link: Link,
    /// The links of directions that have one of their own, and the queues of those with a rate.
    links: HashMap<(NodeId, NodeId), Link, FixedState>,
    queues: HashMap<(NodeId, NodeId), Queue, FixedState>,
    paths: HashMap<(SocketAddr, SocketAddr), Path, FixedState>,
    sent: u64,
    observer: Option<Observer>,
    /// What the executor is to do.
    actions: VecDeque<Action>,
    is_name_server_silent: bool,
}

impl Network {
    /// Creates a network without nodes. What happens by chance is drawn from `seed`; nodes are
    /// connected by `link`, each with each, in both directions.
    pub fn new(seed: u64, link: Link) -> Arc<Self> {
        let state = State {
            seed,
            now: Time::START,
            events: Events::default(),
            nodes: Vec::new(),
            addresses: HashMap::default(),
            names: HashMap::default(),
            sockets: Sockets::default(),
            link,
            links: HashMap::default(),
            queues: HashMap::default(),
            paths: HashMap::default(),
            sent: 0,
            observer: None,
            actions: VecDeque::new(),
            is_name_server_silent: false,
        };
        Arc::new(Self { state: Mutex::new(state), base: Instant::now(), turns: AtomicU64::new(0) })
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

impl State {
    fn read_clock(&mut self, node: NodeId) -> Time {
        if self.nodes[node.index()].has_read_too_often(self.now) {
            self.tick();
        }
        self.now
    }

    /// Lets a microsecond pass, or less: until the next event, which happens.
    fn tick(&mut self) {
        let later = self.now + TICK;
        let next = self.events.next().map_or(later, |time| time.max(self.now).min(later));
        self.now = next;
        while self.events.next().is_some_and(|time| time <= next) {
            self.happen();
        }
    }

    /// Lets the first event happen now.
    fn happen(&mut self) {
        match self.events.pop() {
            None => {}
            Some(Pending::Wake(waker)) => waker.wake(),
            Some(Pending::Arrival(packet)) => self.arrive(packet),
            Some(Pending::Unreachable(error)) => self.sockets.fail(error),
            Some(Pending::Fault(fault)) => self.apply(fault),
        }
    }

    fn record(&mut self, packet: &Packet, event: Event) {
        if let Some(observer) = &mut self.observer {
            let Packet { id, from, to, data, .. } = packet;
            observer(&Record { time: self.now, id: *id, from: *from, to: *to, data, event });
        }
    }

    /// Sends a datagram from a socket of `node`.
    pub(crate) fn send(&mut self, node: NodeId, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        let id = DatagramId(self.sent);
        self.sent += 1;
        let is_own = to.ip().is_loopback() || self.addresses.get(&to.ip()) == Some(&node);
        let within = is_own.then_some(node);
        let packet = Packet { id, from, to, data: data.into(), within };
        self.record(&packet, Event::Sent(node));
        if is_own {
            // Within a node, datagrams take no time, and none is lost.
            self.events.insert(self.now, Pending::Arrival(packet));
            return;
        }
        let Some(peer) = self.addresses.get(&to.ip()).copied() else {
            self.record(&packet, Event::Lost(Cause::NoNode));
            return;
        };
        if self.nodes[node.index()].group != self.nodes[peer.index()].group {
            self.record(&packet, Event::Lost(Cause::Partition));
            return;
        }
        self.cross(packet, node, peer);
    }

    /// Sends a datagram over the link from `node` to `peer`.
    fn cross(&mut self, mut packet: Packet, node: NodeId, peer: NodeId) {
        let link = self.links.get(&(node, peer)).unwrap_or(&self.link).clone();
        if link.mtu.is_some_and(|mtu| packet.length() > usize::from(mtu)) {
            self.record(&packet, Event::Lost(Cause::TooLarge));
            self.unreachable(&packet, node, SocketError::TooLarge, Duration::ZERO);
            return;
        }
        let queued = if link.rate.is_some() {
            let queue = self.queues.entry((node, peer)).or_default();
            queue.append(&link, self.now, packet.length())
        } else {
            Some(Duration::ZERO)
        };
        let Some(queued) = queued else {
            self.record(&packet, Event::Lost(Cause::Queue));
            return;
        };
        let key = (packet.from, packet.to);
        let seed = self.seed;
        let path = self.paths.entry(key).or_insert_with(|| Path::new(seed, &packet::name(key)));
        match path.next(&link) {
            crate::link::Fate::Lost => self.record(&packet, Event::Lost(Cause::Link)),
            crate::link::Fate::Arrives { delay, reordered, corrupt, copy } => {
                if reordered {
                    self.record(&packet, Event::Reordered);
                }
                if let Some(delay) = copy {
                    self.record(&packet, Event::Duplicated);
                    let copy = Pending::Arrival(packet.clone());
                    self.events.insert(self.now + queued + delay, copy);
                }
                if let Some(corruption) = corrupt {
                    let mut data = packet.data.to_vec();
                    corruption.apply(&mut data);
                    packet.data = data.into();
                    self.record(&packet, Event::Corrupted);
                }
                self.events.insert(self.now + queued + delay, Pending::Arrival(packet));
            }
        }
    }

    fn arrive(&mut self, packet: Packet) {
        // An address may have moved to another node meanwhile.
        let node = packet.within.or_else(|| self.addresses.get(&packet.to.ip()).copied());
        let Some(node) = node else {
            self.record(&packet, Event::Lost(Cause::NoNode));
            return;
        };
        let sender = packet.within.or_else(|| self.addresses.get(&packet.from.ip()).copied());
        if sender.is_some_and(|sender| {
            self.nodes[sender.index()].group != self.nodes[node.index()].group
        }) {
            self.record(&packet, Event::Lost(Cause::Partition));
            return;
        }
        match self.sockets.find(node, &packet) {
            None => {
                self.record(&packet, Event::Lost(Cause::NoSocket));
                if let Some(sender) = sender {
                    // A router's message takes the same way back, and is not lost.
                    let link = self.links.get(&(node, sender)).unwrap_or(&self.link);
                    let delay = if sender == node { Duration::ZERO } else { link.delay };
                    self.unreachable(&packet, sender, SocketError::Refused, delay);
                }
            }
            Some(key) if self.sockets.has_room(key, packet.data.len()) => {
                self.record(&packet, Event::Arrived(node));
                self.sockets.queue(key, packet, self.now);
            }
            Some(key) => {
                self.sockets.drop_one(key);
                self.record(&packet, Event::Lost(Cause::Buffer));
            }
        }
    }

    /// Has the sender of `packet` told after `delay` that it did not arrive.
    fn unreachable(&mut self, packet: &Packet, node: NodeId, error: SocketError, delay: Duration) {
        let report = sockets::Unreachable { node, local: packet.from, peer: packet.to, error };
        self.events.insert(self.now + delay, Pending::Unreachable(report));
    }

    fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Link { from, to, link } => {
                self.links.insert((from, to), link);
            }
            Fault::AllLinks(link) => self.link = link,
            Fault::Partition(nodes) => {
                let group = self.nodes.iter().map(|node| node.group).max().unwrap_or_default() + 1;
                for node in nodes {
                    self.nodes[node.index()].group = group;
                }
            }
            Fault::Heal => self.nodes.iter_mut().for_each(|node| node.group = 0),
            Fault::StepWallClock { node, by_nanos } => {
                self.nodes[node.index()].wall.step(self.now, by_nanos);
            }
            Fault::DriftWallClock { node, parts_per_million } => {
                self.nodes[node.index()].wall.drift(self.now, parts_per_million);
            }
            Fault::ChangeAddress { node, address } => self.change_address(node, address),
            Fault::NameServer { is_silent } => self.is_name_server_silent = is_silent,
            Fault::Suspend(node) => self.actions.push_back(Action::Suspend(node)),
            Fault::Resume(node) => self.actions.push_back(Action::Resume(node)),
            Fault::Kill(node) => self.actions.push_back(Action::Kill(node)),
            Fault::Start(node) => self.actions.push_back(Action::Start(node)),
        }
    }

    /// Replaces the first address of `node` of the same family.
    fn change_address(&mut self, node: NodeId, address: IpAddr) {
        let addresses = &mut self.nodes[node.index()].addresses;
        let same = addresses.iter_mut().find(|old| old.is_ipv4() == address.is_ipv4());
        match same {
            Some(old) => {
                self.addresses.remove(&*old);
                *old = address;
            }
            None => addresses.push(address),
        }
        self.addresses.insert(address, node);
    }

    pub(crate) fn node_mut(&mut self, node: NodeId) -> &mut Node {
        &mut self.nodes[node.index()]
    }

    /// The address that a datagram of `node` to `to` leaves from, if its socket has none.
    pub(crate) fn source(&self, node: NodeId, to: IpAddr) -> Option<IpAddr> {
        if to.is_loopback() {
            return Some(to);
        }
        let addresses = &self.nodes[node.index()].addresses;
        addresses.iter().find(|own| own.is_ipv4() == to.is_ipv4()).copied()
    }

    /// Whether `node` has that address.
    pub(crate) fn has_address(&self, node: NodeId, ip: IpAddr) -> bool {
        ip.is_unspecified() || ip.is_loopback() || self.nodes[node.index()].addresses.contains(&ip)
    }
}

/// A socket of the network, for the sockets of worlds.
pub(crate) type SocketState = Socket;
