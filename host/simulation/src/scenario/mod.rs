//! A scenario: nodes, links, and faults over time, as a file in TOML or a command line describes them.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::fault::Fault;
use crate::link::Link;
use crate::network::Network;
use crate::time::Time;
use crate::trace::NodeId;
pub use file::ScenarioError;

/// When a scenario ends unless it says otherwise: a day.
pub const DURATION: Duration = Duration::from_hours(24);

/// A scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What everything that happens by chance is drawn from.
    pub seed: u64,
    /// When it ends at the latest.
    pub duration: Duration,
    /// The link of each direction between two nodes, unless [`Self::links`] has another.
    pub link: Link,
    /// The nodes, in the order in which their components are started.
    pub nodes: Vec<Node>,
    /// Links of single directions.
    pub links: Vec<Between>,
    /// What happens, and when, in order of time.
    pub faults: Vec<(Time, Change)>,
}

/// One node, or several that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name. Of several, each has its number after it: `client-1`.
    pub name: String,
    /// How many there are.
    pub count: u32,
    /// The component and its arguments.
    pub run: Vec<String>,
    /// Its addresses; by default the next one of 10.0.0.0/8.
    pub addresses: Vec<IpAddr>,
    /// Its environment variables.
    pub env: BTreeMap<String, String>,
    /// The time over which the starts of several are spread evenly.
    pub spread: Duration,
    /// Whether the scenario goes on until it has ended. By default for all but the built-in server.
    pub wait: bool,
    /// Whether it is the client, although it is a file: its results are compared with what happened.
    pub reports: bool,
    /// The exit code that its component is expected to have under `udping-host`.
    pub exit: u8,
}

/// A link between nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// The name of the sender, or of several.
    pub from: String,
    /// The name of the receiver, or of several.
    pub to: String,
    /// The link.
    pub link: Link,
}

/// A fault, with nodes by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// All links, or those of one direction, become this.
    Link(Option<(String, String)>, Link),
    /// These nodes are cut off from all others.
    Partition(Vec<String>),
    /// No node is cut off any more.
    Heal,
    /// The wall clock of a node is set forwards by that many nanoseconds.
    Step(String, i64),
    /// The wall clock of a node runs too fast by that many parts per million.
    Drift(String, i64),
    /// A node has another address.
    Address(String, IpAddr),
    /// The name server does not answer.
    NameServer(bool),
    /// The component of a node does not run.
    Suspend(String),
    /// The component of a node runs again.
    Resume(String),
    /// The component of a node ends.
    Kill(String),
    /// The component of a node is started anew.
    Start(String),
}

impl Scenario {
    /// The names of all nodes, in their order.
    pub fn names(&self) -> impl Iterator<Item = (String, &Node)> {
        self.nodes.iter().flat_map(|node| {
            (1..=node.count).map(move |number| {
                let one = node.count == 1;
                let name = if one { node.name.clone() } else { format!("{}-{number}", node.name) };
                (name, node)
            })
        })
    }

    /// Creates the network, with its nodes in their order, and its faults to come.
    pub fn network(&self) -> (Arc<Network>, Vec<(NodeId, &Node)>) {
        let network = Network::new(self.seed, self.link.clone());
        let nodes: Vec<_> = self
            .names()
            .map(|(name, node)| (network.add_node(&name, &node.addresses), node))
            .collect();
        let mut number = 0;
        for (index, (id, node)) in nodes.iter().enumerate() {
            let is_first = index == 0 || !std::ptr::eq(nodes[index - 1].1, *node);
            number = if is_first { 0 } else { number + 1 };
            network.schedule(Time::START + node.spread * number / node.count, Fault::Start(*id));
        }
        let called = |name: &str| -> Vec<NodeId> {
            let all = nodes.iter().filter(|(_, node)| node.name == name).map(|(id, _)| *id);
            let all: Vec<_> = all.collect();
            if all.is_empty() { network.node(name).into_iter().collect() } else { all }
        };
        let pairs = |from: &str, to: &str| {
            let (from, to) = (called(from), called(to));
            from.into_iter().flat_map(move |from| to.clone().into_iter().map(move |to| (from, to)))
        };
        for Between { from, to, link } in &self.links {
            pairs(from, to).for_each(|(from, to)| network.set_link(from, to, link.clone()));
        }
        for (time, change) in &self.faults {
            let each = |name: &str, fault: &dyn Fn(NodeId) -> Fault| {
                for node in called(name) {
                    network.schedule(*time, fault(node));
                }
            };
            match change {
                Change::Link(None, link) => network.schedule(*time, Fault::AllLinks(link.clone())),
                Change::Link(Some((from, to)), link) => {
                    for (from, to) in pairs(from, to) {
                        network.schedule(*time, Fault::Link { from, to, link: link.clone() });
                    }
                }
                Change::Partition(names) => {
                    let nodes = names.iter().flat_map(|name| called(name)).collect();
                    network.schedule(*time, Fault::Partition(nodes));
                }
                Change::Heal => network.schedule(*time, Fault::Heal),
                Change::Step(name, by_nanos) => {
                    each(name, &|node| Fault::StepWallClock { node, by_nanos: *by_nanos });
                }
                Change::Drift(name, parts) => {
                    each(name, &|node| Fault::DriftWallClock { node, parts_per_million: *parts });
                }
                Change::Address(name, address) => {
                    each(name, &|node| Fault::ChangeAddress { node, address: *address });
                }
                Change::NameServer(is_silent) => {
                    network.schedule(*time, Fault::NameServer { is_silent: *is_silent });
                }
                Change::Suspend(name) => each(name, &Fault::Suspend),
                Change::Resume(name) => each(name, &Fault::Resume),
                Change::Kill(name) => each(name, &Fault::Kill),
                Change::Start(name) => each(name, &Fault::Start),
            }
        }
        (network, nodes)
    }
}

/// Formats it without its time.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(None, link) => write!(f, "all links with a loss of {}", link.loss),
            Self::Link(Some((from, to)), link) => {
                write!(f, "the link from {from} to {to} with a loss of {}", link.loss)
            }
            Self::Partition(names) => write!(f, "partition of {}", names.join(", ")),
            Self::Heal => f.write_str("heal"),
            Self::Step(name, by) => {
                write!(f, "wall clock of {name} stepped by {:.3} s", *by as f64 / 1e9)
            }
            Self::Drift(name, parts) => write!(f, "wall clock of {name} {parts} ppm too fast"),
            Self::Address(name, address) => write!(f, "address of {name} becomes {address}"),
            Self::NameServer(true) => f.write_str("name server silent"),
            Self::NameServer(false) => f.write_str("name server answers"),
            Self::Suspend(name) => write!(f, "suspend {name}"),
            Self::Resume(name) => write!(f, "resume {name}"),
            Self::Kill(name) => write!(f, "kill {name}"),
            Self::Start(name) => write!(f, "start {name}"),
        }
    }
}
