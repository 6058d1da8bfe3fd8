//! Records the use of the network by a component, and generates the minimal policy that grants it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sources::Peer;
use crate::grants::{Destination, Endpoint, Listen, Network, PeerCredit, Ports, Request};
use crate::host_name::HostName;
use crate::names::Names;

/// The maximum number of recorded peers, and of uses of each kind: more than that is granted as a
/// network, or by a name.
const KEPT: usize = 65_536;

/// The recorder of one run, for all of its instances.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Uses>);

#[derive(Debug, Default)]
struct Uses {
    /// The local addresses of sockets, as requested by the component.
    bound: BTreeSet<SocketAddr>,
    /// The destinations that it sent or connected to, other than for answers.
    sent: BTreeSet<SocketAddr>,
    /// The sources that sent to a socket, by its local address.
    heard: BTreeMap<SocketAddr, BTreeSet<SocketAddr>>,
    names: BTreeSet<HostName>,
    answered: HashMap<Peer, Exchange>,
    /// The maximum ratio of sent to received.
    amplification: f64,
}

/// What was received from a peer and sent to it, in datagrams and bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Exchange {
    came: [u64; 2],
    went: [u64; 2],
}

impl Recorder {
    /// Records a granted request.
    pub fn granted(&self, request: &Request) {
        let mut uses = self.uses();
        match request {
            Request::Bind(local) => insert(&mut uses.bound, *local),
            Request::Connect { credit: PeerCredit::Available, .. }
            | Request::Send { credit: PeerCredit::Available, .. }
            | Request::Receive { .. } => {}
            Request::Connect { to, .. } | Request::Send { to, .. } => insert(&mut uses.sent, *to),
            Request::Resolve(name) => insert(&mut uses.names, name.clone()),
        }
    }

    /// Records a datagram received on a socket bound to `local`.
    pub(super) fn heard(&self, local: SocketAddr, from: SocketAddr, peer: Peer, bytes: usize) {
        let mut uses = self.uses();
        insert(uses.heard.entry(local).or_default(), from);
        if uses.answered.len() < KEPT || uses.answered.contains_key(&peer) {
            let exchange = uses.answered.entry(peer).or_default();
            exchange.came[0] += 1;
            exchange.came[1] += bytes as u64;
        }
    }

    /// Records a datagram sent as an answer.
    pub(super) fn answered(&self, peer: Peer, bytes: usize) {
        let mut uses = self.uses();
        let Some(exchange) = uses.answered.get_mut(&peer) else { return };
        exchange.went[0] += 1;
        exchange.went[1] += bytes as u64;
        let ratio = |index: usize| exchange.went[index] as f64 / exchange.came[index].max(1) as f64;
        let most = ratio(0).max(ratio(1));
        uses.amplification = uses.amplification.max(most);
    }

    /// The minimal policy, in TOML, that would have granted all recorded uses. The addresses of
    /// `names` are granted by name.
    pub fn policy(&self, component: &str, names: &Names) -> String {
        let uses = self.uses();
        let mut named = BTreeSet::new();
        let mut endpoint = |to: &SocketAddr| {
            let is_of = |name: &&HostName| {
                names
                    .known(name)
                    .and_then(Result::ok)
                    .is_some_and(|all| all.contains(&to.ip().to_canonical()))
            };
            let ports = Ports::new(to.port()..=to.port())?;
            Some(match uses.names.iter().find(is_of) {
                Some(name) => {
                    named.insert(name.clone());
                    Endpoint::Name(name.clone(), ports)
                }
                None => Endpoint::Address(Destination::host(to.ip(), zone(*to), ports)),
            })
        };
        let to: BTreeSet<_> = uses
            .sent
            .iter()
            .filter_map(&mut endpoint)
            .map(|endpoint| endpoint.to_string())
            .collect();
        let listen = |local: &SocketAddr| {
            let listen = Listen {
                address: Some(Network::new(local.ip().into(), zone(*local))),
                port: local.port(),
            };
            listen.to_string()
        };
        let listen: Vec<_> =
            uses.bound.iter().filter(|local| uses.listens(**local)).map(listen).collect();
        let resolve: Vec<_> = uses.names.difference(&named).map(ToString::to_string).collect();
        let mut policy = format!("# What {component} used of the network.\n[grants]\n");
        let to: Vec<_> = to.into_iter().collect();
        for (key, values) in
            [("allow-to", &to), ("allow-listen", &listen), ("allow-resolve", &resolve)]
        {
            if !values.is_empty() {
                let lines: String =
                    values.iter().map(|value| format!("    \"{value}\",\n")).collect();
                // Writing to a string cannot fail.
                let _ = writeln!(policy, "{key} = [\n{lines}]");
            }
        }
        if uses.amplification > 1.0 && !listen.is_empty() {
            let _ =
                writeln!(policy, "amplification = {}", (uses.amplification * 100.0).ceil() / 100.0);
        }
        policy
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        // No panic while the lock is held leaves the uses inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uses {
    /// Whether a bind needs a listen grant: a specific port does, and so does a port chosen by the
    /// system if no send grant implies it, or if something was received from a peer that is not
    /// sent to.
    fn listens(&self, local: SocketAddr) -> bool {
        let ip = local.ip().to_canonical();
        let is_brought =
            local.port() == 0 && !self.sent.is_empty() && (ip.is_unspecified() || ip.is_loopback());
        !is_brought || self.heard.get(&local).is_some_and(|heard| !heard.is_subset(&self.sent))
    }
}

fn insert<T: Ord>(set: &mut BTreeSet<T>, value: T) {
    if set.len() < KEPT {
        set.insert(value);
    }
}

fn zone(address: SocketAddr) -> u32 {
    if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
