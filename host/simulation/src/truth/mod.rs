//! What happened to each ping, from the records of the network alone, and the numbers that follow:
//! computed by other code than the client's, so that a client's report can be checked.

mod comparison;
mod content;
mod numbers;

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;

use foldhash::fast::FixedState;

use crate::time::Time;
use crate::trace::{DatagramId, Event, NodeId, Record};
use content::Content;

pub use comparison::{Difference, compare};
pub use numbers::{End, Numbers, Values};

/// The pings of the nodes that are clients, as the network has seen them.
#[derive(Debug)]
pub struct Truth {
    /// Whether messages are authenticated.
    is_keyed: bool,
    /// Whether each node is a client.
    is_client: Vec<bool>,
    flows: BTreeMap<FlowKey, Flow>,
    /// The flow of each pair of addresses: that of the client, and its peer.
    by_addresses: HashMap<(SocketAddr, SocketAddr), FlowKey, FixedState>,
    /// The datagrams on their way.
    travelling: HashMap<DatagramId, Travelling, FixedState>,
    totals: Totals,
}

/// A datagram on its way.
#[derive(Debug)]
struct Travelling {
    /// The flow and index of the ping that it is, if a client has sent it.
    ping: Option<(FlowKey, usize)>,
    /// The hash of its payload as it was sent: of two copies, one may be corrupt.
    sent: u64,
    /// How many of it there are.
    copies: u32,
}

/// Which pings belong together: those from one socket of a node to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    /// The node.
    pub node: NodeId,
    /// The port of the socket.
    pub port: u16,
    /// The peer.
    pub peer: SocketAddr,
}

/// What happened to the datagrams of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// The number of datagrams that were sent.
    pub sent: u64,
    /// The number that arrived, copies included.
    pub arrived: u64,
    /// The number that were duplicated on the way.
    pub duplicated: u64,
    /// The number that skipped the delay of their link.
    pub reordered: u64,
    /// The number that were corrupted.
    pub corrupted: u64,
    /// The numbers that did not arrive, by cause.
    pub lost: BTreeMap<crate::trace::Cause, u64>,
}

/// What happened to all datagrams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The datagrams that clients sent.
    pub forward: Direction,
    /// All others.
    pub backward: Direction,
}

/// The pings of one flow, in the order in which they were sent.
#[derive(Debug, Default)]
struct Flow {
    pings: Vec<Ping>,
    by_seq: HashMap<u32, usize, FixedState>,
    /// The pings in the order in which their first replies arrived.
    answered: Vec<usize>,
    foreign: u64,
    /// The number of replies with another bit that are replies all the same.
    corrupt: u64,
}

/// How a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    /// Not at all.
    Lost,
    /// With another bit.
    Corrupt,
    /// As it was sent.
    Intact,
}

#[derive(Debug)]
struct Ping {
    seq: u32,
    content: Content,
    sent: Time,
    bytes: usize,
    /// How it arrived where it was sent to.
    arrival: Arrival,
    /// How often it arrived after the first time.
    copies: u64,
    /// Whether a reply was sent.
    has_reply: bool,
    /// When its first reply arrived, and the length of that.
    reply: Option<(Time, usize)>,
    /// When each further reply arrived.
    duplicates: Vec<Time>,
}

impl Truth {
    /// Creates the truth about the nodes `clients`, whose messages may be authenticated.
    pub fn new(clients: &[NodeId], is_keyed: bool) -> Self {
        let count = clients.iter().map(|node| node.index() + 1).max().unwrap_or_default();
        let mut is_client = vec![false; count];
        for node in clients {
            is_client[node.index()] = true;
        }
        Self {
            is_keyed,
            is_client,
            flows: BTreeMap::new(),
            by_addresses: HashMap::default(),
            travelling: HashMap::default(),
            totals: Totals::default(),
        }
    }

    /// What happened to all datagrams.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The pings of `node` that have arrived as they were sent: when each was sent, and whether its
    /// peer has sent a reply.
    pub fn heard(&self, node: NodeId) -> Vec<(Time, bool)> {
        let flows = self.flows.iter().filter(|(key, _)| key.node == node);
        let pings = flows.flat_map(|(_, flow)| &flow.pings);
        let heard = pings.filter(|ping| ping.arrival == Arrival::Intact);
        heard.map(|ping| (ping.sent, ping.has_reply)).collect()
    }

    /// The flows of `node`, with the numbers that its report should have, if it ended at `end`.
    pub fn numbers(&self, node: NodeId, end: End) -> Vec<(FlowKey, Numbers)> {
        let of_node = self.flows.iter().filter(|(key, _)| key.node == node);
        of_node.map(|(key, flow)| (*key, Numbers::of(flow, end))).collect()
    }

    /// Adds a record of the network.
    pub fn add(&mut self, record: &Record<'_>) {
        let is_client =
            |node: NodeId| self.is_client.get(node.index()).copied().unwrap_or_default();
        if let Event::Sent(node) = record.event {
            let ping = is_client(node).then(|| self.sent(node, record));
            let direction = self.direction(ping.is_some());
            direction.sent += 1;
            if ping.is_none() {
                self.replied(record);
            }
            let sent = FixedState::default().hash_one(record.data);
            let travelling = Travelling { ping, sent, copies: 1 };
            self.travelling.insert(record.id, travelling);
            return;
        }
        let Some(travelling) = self.travelling.get_mut(&record.id) else { return };
        let ping = travelling.ping;
        let arrives = matches!(record.event, Event::Arrived(_));
        let hash = || FixedState::default().hash_one(record.data);
        let is_corrupt = arrives && hash() != travelling.sent;
        match record.event {
            Event::Sent(_) | Event::Reordered | Event::Corrupted => {}
            Event::Duplicated => travelling.copies += 1,
            Event::Lost(_) | Event::Arrived(_) => {
                travelling.copies -= 1;
                if travelling.copies == 0 {
                    self.travelling.remove(&record.id);
                }
            }
        }
        let is_at_client = matches!(record.event, Event::Arrived(node) if is_client(node));
        let direction = self.direction(ping.is_some());
        match record.event {
            Event::Sent(_) => {}
            Event::Duplicated => direction.duplicated += 1,
            Event::Reordered => direction.reordered += 1,
            Event::Corrupted => direction.corrupted += 1,
            Event::Lost(cause) => *direction.lost.entry(cause).or_default() += 1,
            Event::Arrived(node) => {
                direction.arrived += 1;
                if let Some((key, index)) = ping
                    && let Some(flow) = self.flows.get_mut(&key)
                    && let Some(ping) = flow.pings.get_mut(index)
                {
                    let arrival = if is_corrupt { Arrival::Corrupt } else { Arrival::Intact };
                    ping.copies += u64::from(ping.arrival > Arrival::Lost);
                    ping.arrival = ping.arrival.max(arrival);
                }
                if is_at_client {
                    self.arrived(node, record, is_corrupt);
                }
            }
        }
    }

    fn direction(&mut self, is_forward: bool) -> &mut Direction {
        if is_forward { &mut self.totals.forward } else { &mut self.totals.backward }
    }

    /// Adds what a client has sent. Returns its flow, and its index there if it is a ping.
    fn sent(&mut self, node: NodeId, record: &Record<'_>) -> (FlowKey, usize) {
        let key = FlowKey { node, port: record.from.port(), peer: record.to };
        self.by_addresses.insert((record.from, record.to), key);
        let flow = self.flows.entry(key).or_default();
        let index = flow.pings.len();
        if let Some((seq, content)) = Content::of_request(record.data, self.is_keyed) {
            flow.by_seq.insert(seq, index);
            flow.pings.push(Ping {
                seq,
                content,
                sent: record.time,
                bytes: record.data.len(),
                arrival: Arrival::Lost,
                copies: 0,
                has_reply: false,
                reply: None,
                duplicates: Vec::new(),
            });
        }
        (key, index)
    }

    /// Looks whether what another node sends is a reply.
    fn replied(&mut self, record: &Record<'_>) {
        let Some((seq, content)) = Content::of_reply(record.data, self.is_keyed) else { return };
        let key = self.by_addresses.get(&(record.to, record.from));
        if let Some(flow) = key.and_then(|key| self.flows.get_mut(key))
            && let Some(index) = flow.by_seq.get(&seq)
            && content.answers(flow.pings[*index].content)
        {
            flow.pings[*index].has_reply = true;
        }
    }

    fn arrived(&mut self, node: NodeId, record: &Record<'_>, is_corrupt: bool) {
        let key = FlowKey { node, port: record.to.port(), peer: record.from };
        let Some(flow) = self.flows.get_mut(&key) else { return };
        // A tag does not hold for what was corrupted; without one, the content is all there is.
        let is_refused = self.is_keyed && is_corrupt;
        let found = Content::of_reply(record.data, self.is_keyed).filter(|_| !is_refused);
        let ping = found.and_then(|(seq, content)| {
            let index = *flow.by_seq.get(&seq)?;
            content.answers(flow.pings[index].content).then_some(index)
        });
        match ping {
            None => flow.foreign += 1,
            Some(index) if flow.pings[index].reply.is_none() => {
                flow.corrupt += u64::from(is_corrupt);
                flow.pings[index].reply = Some((record.time, record.data.len()));
                flow.answered.push(index);
            }
            Some(index) => flow.pings[index].duplicates.push(record.time),
        }
    }
}
