//! What happened to each ping, from the records of the network alone, and the numbers that follow:
//! computed by other code than the client's, so that a client's report can be checked.

mod comparison;
mod content;
mod numbers;

use std::collections::{BTreeMap, HashMap};
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
    /// The bytes of each message of the text protocol that authenticate it, at its end.
    tag: usize,
    /// Whether each node is a client.
    is_client: Vec<bool>,
    flows: BTreeMap<FlowKey, Flow>,
    /// The requests on their way, and the flow and index of the ping of each.
    requests: HashMap<DatagramId, (FlowKey, usize), FixedState>,
    /// The datagrams on their way that were corrupted.
    corrupted: HashMap<DatagramId, (), FixedState>,
    totals: Totals,
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
}

#[derive(Debug)]
struct Ping {
    seq: u32,
    content: Content,
    sent: Time,
    bytes: usize,
    /// Whether it arrived where it was sent to.
    has_arrived: bool,
    /// When its first reply arrived, and the length of that.
    reply: Option<(Time, usize)>,
    /// When each further reply arrived.
    duplicates: Vec<Time>,
}

impl Truth {
    /// Creates the truth about the nodes `clients`. Of each message of the text protocol, the last
    /// `tag` bytes authenticate it.
    pub fn new(clients: &[NodeId], tag: usize) -> Self {
        let count = clients.iter().map(|node| node.index() + 1).max().unwrap_or_default();
        let mut is_client = vec![false; count];
        clients.iter().for_each(|node| is_client[node.index()] = true);
        Self {
            tag,
            is_client,
            flows: BTreeMap::new(),
            requests: HashMap::default(),
            corrupted: HashMap::default(),
            totals: Totals::default(),
        }
    }

    /// What happened to all datagrams.
    pub fn totals(&self) -> &Totals {
        &self.totals
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
        let is_forward = match record.event {
            Event::Sent(node) => is_client(node),
            _ => self.requests.contains_key(&record.id),
        };
        let direction =
            if is_forward { &mut self.totals.forward } else { &mut self.totals.backward };
        match record.event {
            Event::Sent(node) => {
                direction.sent += 1;
                if is_client(node) {
                    self.sent(node, record);
                }
            }
            Event::Duplicated => direction.duplicated += 1,
            Event::Reordered => direction.reordered += 1,
            Event::Corrupted => {
                direction.corrupted += 1;
                self.corrupted.insert(record.id, ());
            }
            Event::Lost(cause) => *direction.lost.entry(cause).or_default() += 1,
            Event::Arrived(node) => {
                direction.arrived += 1;
                if let Some((key, index)) = self.requests.get(&record.id)
                    && let Some(flow) = self.flows.get_mut(key)
                {
                    flow.pings[*index].has_arrived = true;
                }
                if is_client(node) {
                    self.arrived(node, record);
                }
            }
        }
    }

    fn sent(&mut self, node: NodeId, record: &Record<'_>) {
        let key = FlowKey { node, port: record.from.port(), peer: record.to };
        let flow = self.flows.entry(key).or_default();
        self.requests.insert(record.id, (key, flow.pings.len()));
        let Some((seq, content)) = Content::of_request(record.data, self.tag) else { return };
        flow.by_seq.insert(seq, flow.pings.len());
        flow.pings.push(Ping {
            seq,
            content,
            sent: record.time,
            bytes: record.data.len(),
            has_arrived: false,
            reply: None,
            duplicates: Vec::new(),
        });
    }

    fn arrived(&mut self, node: NodeId, record: &Record<'_>) {
        let key = FlowKey { node, port: record.to.port(), peer: record.from };
        let Some(flow) = self.flows.get_mut(&key) else { return };
        // A tag does not hold for what was corrupted; without one, the content is all there is.
        let is_refused = self.tag > 0 && self.corrupted.contains_key(&record.id);
        let found = Content::of_reply(record.data, self.tag).filter(|_| !is_refused);
        let ping = found.and_then(|(seq, content)| {
            let index = *flow.by_seq.get(&seq)?;
            (flow.pings[index].content == content).then_some(index)
        });
        match ping {
            None => flow.foreign += 1,
            Some(index) if flow.pings[index].reply.is_none() => {
                flow.pings[index].reply = Some((record.time, record.data.len()));
                flow.answered.push(index);
            }
            Some(index) => flow.pings[index].duplicates.push(record.time),
        }
    }
}
