//! The network permissions of a component, and the one function that decides about them.

mod advice;
mod current;
mod destination;
mod destinations;
mod embedded;
mod network;
mod parse;
mod show;
mod spec;
mod special;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::host_name::HostName;
pub use advice::{Advice, Command};
pub use current::Current;
pub use destination::{Destination, Ports};
pub use destinations::Destinations;
pub use network::Network;
pub use parse::GrantError;
pub use show::{Flags, Refusal};
pub use spec::{DenyRule, Endpoint, GrantSpec, NamePattern};
pub use special::Special;

/// Listening on a port of one or all local addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A single address; `None` is every address of the machine.
    pub address: Option<Network>,
    /// The port; 0 is any port chosen by the system.
    pub port: u16,
}

/// The limits of answers by a listening component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnswerRule {
    /// How long after its last datagram a peer may be answered.
    pub window: Duration,
    /// The maximum number of datagrams, and of bytes, sent to a peer per datagram and byte received
    /// from it.
    pub amplification: f64,
}

impl Default for AnswerRule {
    fn default() -> Self {
        Self { window: Duration::from_secs(30), amplification: 1.0 }
    }
}

/// The network permissions of one component. The default is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// The destinations that it may send to and receive from.
    pub send: Destinations,
    /// Whether it may send to the addresses of a name, even if none of them can be granted by name.
    pub send_by_name: bool,
    /// The destinations that it may neither send to nor receive from, whatever else is granted.
    pub deny: Vec<Destination>,
    /// Where it may receive from any source, and answer it.
    pub listen: Vec<Listen>,
    /// The sources that it may receive from where it listens; if empty, all.
    pub from: Vec<Network>,
    /// The local addresses that it may send from, on ports chosen by the system.
    pub source: Vec<IpAddr>,
    /// The limits of answers.
    pub answer: AnswerRule,
    /// The names that it may resolve.
    pub resolve: Vec<NamePattern>,
    /// Whether it may use every address (`-S inherit-network`).
    pub inherit_network: bool,
    /// Whether it may resolve every name (`-S allow-ip-name-lookup`).
    pub any_name: bool,
    /// The addresses of this machine, except loopback.
    pub own: HashSet<IpAddr>,
}

/// The credit that a listening component has for answers to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerCredit {
    /// Nothing was received from the peer, or not on a listening socket.
    None,
    /// Nothing was received from the peer within the answer window.
    Expired,
    /// The answers sent have used up what was received.
    Exhausted,
    /// Enough was received for the answer that is to be sent.
    Available,
}

/// A use of the network that a component requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// To bind a socket to this local address.
    Bind(SocketAddr),
    /// To connect a socket.
    Connect {
        /// The peer.
        to: SocketAddr,
        /// The credit for answers to it.
        credit: PeerCredit,
    },
    /// To send a datagram.
    Send {
        /// The destination.
        to: SocketAddr,
        /// The credit for answers to it.
        credit: PeerCredit,
    },
    /// To receive a datagram.
    Receive {
        /// The source.
        from: SocketAddr,
        /// Whether the receiving socket is bound to an address with a listen grant.
        listening: bool,
    },
    /// To resolve this name.
    Resolve(HostName),
}

/// The kind of grant that covers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantedBy {
    /// A grant for what is requested.
    Grant,
    /// A listen grant, which permits answers: they are charged to the peer's credit.
    Answer,
}

/// Why a request was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// No grant covers it.
    NotGranted,
    /// It is a special address, which a granted network contains, but does not cover.
    Special(Special),
    /// The source is not among those of `--allow-from`.
    NotFrom,
    /// `--deny-to` covers it.
    Denied,
    /// The address is unspecified, or the port is 0.
    Nowhere,
    /// It would answer a multicast or broadcast address.
    Many,
    /// The peer has been silent for longer than the answer window.
    Silent,
    /// The answers to the peer have used up what was received from it.
    Answered,
}

impl Grants {
    /// Decides about every use of the network: each bind, connect, datagram sent or received, and
    /// name resolved.
    ///
    /// The first of these rules that applies decides:
    ///
    /// 1. Unspecified addresses and port 0 cannot be reached: refused.
    /// 2. What `--deny-to` covers is refused: connecting to it, sending to it and receiving from
    ///    it. A deny rule with a zone covers addresses without one, and a deny rule without a zone
    ///    covers all zones; a deny rule for an IPv4 address covers the IPv6 addresses that embed
    ///    it.
    /// 3. `-S inherit-network` grants every bind, connect and send, and every receive that rule 6
    ///    would grant to a listener; `-S allow-ip-name-lookup` grants resolving every name.
    /// 4. A bind is granted by a listen grant for its address and port. Port 0, for which the
    ///    system chooses a port, is also granted by any send grant, at the unspecified address and
    ///    at loopback: sending takes a socket, and what that receives is decided datagram by
    ///    datagram. Elsewhere a bind would reveal which addresses the machine has, except for those
    ///    that the operator gave as source of the built-in client (`-I`).
    /// 5. A connect, send or receive is granted by a send grant for the address and port. Loopback,
    ///    link-local, multicast and broadcast addresses are covered only by a grant within their
    ///    range: 0.0.0.0/0 covers none of them. The machine's own addresses, those of cloud
    ///    metadata services, and IPv6 addresses that embed a special IPv4 address are covered only
    ///    by a grant of exactly that address.
    /// 6. On a socket with a listen grant, a receive is granted from any source, or with
    ///    `--allow-from`, from those sources; a send or connect is granted as an answer to a peer
    ///    from which something was received on that socket within the answer window, as long as
    ///    more was received from it within the window than was sent to it. Multicast and broadcast
    ///    addresses are never answered.
    /// 7. Resolving a name is granted for exactly that name, or by a wildcard.
    /// 8. Everything else is refused.
    ///
    /// IPv4-mapped IPv6 addresses are treated as IPv4 addresses. A grant without a zone applies in
    /// every zone; zones are significant only for link-local addresses, and for multicast within
    /// the link.
    pub fn decide(&self, request: &Request) -> Result<GrantedBy, DenyReason> {
        let grant =
            |granted| if granted { Ok(GrantedBy::Grant) } else { Err(DenyReason::NotGranted) };
        match request {
            Request::Bind(local) => grant(self.inherit_network || self.binds(*local)),
            Request::Connect { to: peer, credit } | Request::Send { to: peer, credit } => {
                self.check_reachable(*peer)?;
                if self.inherit_network || self.send.cover(*peer, &self.own) {
                    return Ok(GrantedBy::Grant);
                }
                self.answer(*peer, *credit)
            }
            Request::Receive { from, listening } => {
                self.check_reachable(*from)?;
                if self.send.cover(*from, &self.own) {
                    Ok(GrantedBy::Grant)
                } else if !self.inherit_network && !*listening {
                    Err(self.uncovered(*from))
                } else if !self.hears(*from) {
                    Err(DenyReason::NotFrom)
                } else {
                    Ok(if self.inherit_network { GrantedBy::Grant } else { GrantedBy::Answer })
                }
            }
            Request::Resolve(name) => {
                grant(self.any_name || self.resolve.iter().any(|pattern| pattern.covers(name)))
            }
        }
    }

    /// Rules 1 and 2.
    fn check_reachable(&self, peer: SocketAddr) -> Result<(), DenyReason> {
        if destination::is_nowhere(peer) {
            Err(DenyReason::Nowhere)
        } else if self.deny.iter().any(|denied| denied.denies(peer)) {
            Err(DenyReason::Denied)
        } else {
            Ok(())
        }
    }

    /// Rule 4.
    fn binds(&self, local: SocketAddr) -> bool {
        let ip = local.ip().to_canonical();
        let tells_nothing = ip.is_unspecified() || ip.is_loopback();
        let sends = self.send_by_name || !self.send.is_empty();
        let named = tells_nothing || self.source.iter().any(|source| source.to_canonical() == ip);
        self.listens(local) || (local.port() == 0 && named && sends)
    }

    /// Whether a listen grant is for this address and port, as requested.
    pub fn listens(&self, local: SocketAddr) -> bool {
        self.listen.iter().any(|grant| grant.covers(local))
    }

    /// The machine's own addresses within granted networks that do not cover them.
    pub fn own_within_networks(&self) -> impl Iterator<Item = IpAddr> {
        let networks = || self.send.iter().map(|destination| destination.network().net());
        let is_within = move |ip: &&IpAddr| {
            networks().any(|net| net.contains(*ip))
                && !networks().any(|net| net == IpNet::from(**ip))
        };
        self.own.iter().filter(is_within).copied()
    }

    /// Rule 6, for connects and sends.
    fn answer(&self, peer: SocketAddr, credit: PeerCredit) -> Result<GrantedBy, DenyReason> {
        match credit {
            PeerCredit::None => Err(self.uncovered(peer)),
            _ if !self.hears(peer) => Err(DenyReason::NotFrom),
            _ if special::is_many(peer.ip()) => Err(DenyReason::Many),
            PeerCredit::Expired => Err(DenyReason::Silent),
            PeerCredit::Exhausted => Err(DenyReason::Answered),
            PeerCredit::Available => Ok(GrantedBy::Answer),
        }
    }

    /// Whether `--allow-from` permits a listener to receive from `peer`.
    fn hears(&self, peer: SocketAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|network| network.contains(peer))
    }

    /// Why no send grant covers `peer`.
    fn uncovered(&self, peer: SocketAddr) -> DenyReason {
        match Special::of(peer.ip(), &self.own) {
            // A name that resolves to a metadata service does not grant it either.
            Some(special) if special.is_metadata() || self.send.contain(peer) => {
                DenyReason::Special(special)
            }
            _ => DenyReason::NotGranted,
        }
    }
}

impl Listen {
    fn covers(self, local: SocketAddr) -> bool {
        self.port == local.port() && self.address.is_none_or(|address| address.contains(local))
    }
}

#[cfg(test)]
mod tests;
