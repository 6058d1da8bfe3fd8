//! What is on the virtual network now, and what becomes of each datagram.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::fault::{Action, Fault};
use crate::link::{Fate, Link, Path, Queue};
use crate::network::events::{Events, Pending};
use crate::network::node::Node;
use crate::network::packet::Packet;
use crate::network::sockets::{SocketError, Sockets, Unreachable};
use crate::time::Time;
use crate::trace::{Cause, DatagramId, Event, NodeId, Record};

/// How much later it is after a tick.
const TICK: Duration = Duration::from_micros(1);

/// The maximum number of bytes on their way: further datagrams are lost, as by a full queue. They are
/// in memory, and a component may send without end.
const TRAVELLING: usize = 64 << 20;

/// Called for each record.
type Observer = Box<dyn FnMut(&Record<'_>) + Send>;

pub(crate) struct State {
    seed: u64,
    pub(super) now: Time,
    pub(super) events: Events,
    pub(super) nodes: Vec<Node>,
    pub(super) addresses: HashMap<IpAddr, NodeId, FixedState>,
    pub(super) names: HashMap<String, NodeId, FixedState>,
    pub(crate) sockets: Sockets,
    link: Link,
    /// The links of directions that have one of their own, and the queues of those with a rate.
    pub(super) links: HashMap<(NodeId, NodeId), Link, FixedState>,
    queues: HashMap<(NodeId, NodeId), Queue, FixedState>,
    paths: HashMap<(SocketAddr, SocketAddr), Path, FixedState>,
    sent: u64,
    /// The bytes on their way.
    travelling: usize,
    pub(super) observer: Option<Observer>,
    /// What the executor is to do.
    pub(super) actions: VecDeque<Action>,
    pub(super) is_name_server_silent: bool,
}

impl State {
    pub(super) fn new(seed: u64, link: Link) -> Self {
        Self {
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
            travelling: 0,
            observer: None,
            actions: VecDeque::new(),
            is_name_server_silent: false,
        }
    }

    pub(super) fn read_clock(&mut self, node: NodeId) -> Time {
        if self.nodes[node.index()].has_read_too_often(self.now) {
            self.tick();
        }
        self.now
    }

    /// Lets what is due happen, and then a microsecond pass, or less: until the next event.
    pub(super) fn tick(&mut self) {
        self.happen_until(self.now);
        let later = self.now + TICK;
        self.now = self.events.next_after(self.now).map_or(later, |time| time.min(later));
        self.happen_until(self.now);
    }

    fn happen_until(&mut self, time: Time) {
        // What these bring about at the same time is left for later: it might never end.
        for _ in 0..self.events.due(time) {
            self.happen();
        }
    }

    /// Lets the first event happen now.
    pub(super) fn happen(&mut self) {
        match self.events.pop() {
            None => {}
            Some(Pending::Wake(waker)) => waker.wake(),
            Some(Pending::Arrival(packet)) => {
                self.travelling -= packet.memory();
                self.arrive(packet);
            }
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
            self.travel(packet, Duration::ZERO);
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
        let (seed, from, to) = (self.seed, packet.from, packet.to);
        let path = self.paths.entry((from, to)).or_insert_with(|| Path::between(seed, from, to));
        match path.next(&link) {
            Fate::Lost => self.record(&packet, Event::Lost(Cause::Link)),
            Fate::Arrives { delay, reordered, corrupt, copy } => {
                if reordered {
                    self.record(&packet, Event::Reordered);
                }
                if let Some(delay) = copy {
                    self.record(&packet, Event::Duplicated);
                    self.travel(packet.clone(), queued + delay);
                }
                if let Some(corruption) = corrupt {
                    let mut data = packet.data.to_vec();
                    corruption.apply(&mut data);
                    packet.data = data.into();
                    self.record(&packet, Event::Corrupted);
                }
                self.travel(packet, queued + delay);
            }
        }
    }

    /// Has a datagram arrive after `delay`.
    fn travel(&mut self, packet: Packet, delay: Duration) {
        if self.travelling + packet.memory() > TRAVELLING {
            self.record(&packet, Event::Lost(Cause::Queue));
            return;
        }
        self.travelling += packet.memory();
        self.events.insert(self.now + delay, Pending::Arrival(packet));
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
        let report = Unreachable { node, local: packet.from, peer: packet.to, error };
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Two nodes whose datagrams take an hour, and the port of each.
    fn nodes() -> (State, [NodeId; 2], [SocketAddr; 2]) {
        let link = Link { delay: Duration::from_hours(1), ..Link::default() };
        let network = crate::network::Network::new(1, link.clone());
        let nodes = ["a", "b"].map(|name| network.add_node(name, &[]));
        let addresses = nodes.map(|node| SocketAddr::new(network.addresses(node)[0], 7));
        let mut state = State::new(1, link);
        std::mem::swap(&mut state, &mut network.state());
        (state, nodes, addresses)
    }

    #[test]
    fn what_is_on_its_way_is_bounded() {
        let (mut state, [a, _], [from, to]) = nodes();
        let lost = Arc::new(AtomicUsize::new(0));
        let counted = lost.clone();
        state.observer = Some(Box::new(move |record| {
            let is_lost = record.event == Event::Lost(Cause::Queue);
            counted.fetch_add(usize::from(is_lost), Ordering::Relaxed);
        }));
        let payload = vec![0; 1 << 16];
        let fits = TRAVELLING / (payload.len() + 128);
        for _ in 0..fits + 3 {
            state.send(a, from, to, &payload);
        }
        assert_eq!(lost.load(Ordering::Relaxed), 3);
        // What has arrived makes room.
        state.now = Time::START + Duration::from_hours(1);
        state.happen_until(state.now);
        assert_eq!(state.travelling, 0);
    }

    /// A component that sends to itself has something due at each instant.
    #[test]
    fn time_passes_whatever_is_due() {
        let (mut state, [a, _], [from, _]) = nodes();
        for _ in 0..3 {
            let before = state.now;
            state.send(a, from, from, b"to itself");
            state.tick();
            assert!(state.now > before);
        }
    }
}
