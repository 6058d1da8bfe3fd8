//! What a component may do with the network, and the one function that decides it.

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

/// Listening on a port, on one address or on all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A single one; `None` is every address of the machine.
    pub address: Option<Network>,
    /// 0 is any port that the system chooses.
    pub port: u16,
}

/// How far a listening component may answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnswerRule {
    /// How long after its last datagram a peer may be answered.
    pub window: Duration,
    /// How many datagrams, and bytes, may go to a peer for each that came from there.
    pub amplification: f64,
}

impl Default for AnswerRule {
    fn default() -> Self {
        Self { window: Duration::from_secs(30), amplification: 1.0 }
    }
}

/// Everything one component may do. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// Addresses it may send to, and hear from.
    pub send: Destinations,
    /// It may send to what a name stands for, which may be nothing that a name can grant.
    pub send_by_name: bool,
    /// Addresses it may neither send to nor hear from, whatever else is granted.
    pub deny: Vec<Destination>,
    /// Where it may listen to everybody, and answer whom it has heard from.
    pub listen: Vec<Listen>,
    /// Whom it may hear where it listens; where there is none, everybody.
    pub from: Vec<Network>,
    /// Own addresses it may send from, from ports that the system chooses.
    pub source: Vec<IpAddr>,
    /// How far.
    pub answer: AnswerRule,
    /// Names it may look up.
    pub resolve: Vec<NamePattern>,
    /// It may use every address (`-S inherit-network`).
    pub inherit_network: bool,
    /// It may look up every name (`-S allow-ip-name-lookup`).
    pub any_name: bool,
    /// The addresses of this machine, but for loopback.
    pub own: HashSet<IpAddr>,
}

/// How a listening component stands with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerCredit {
    /// Nothing came from there, or not on a listening socket.
    None,
    /// Nothing came from there within the answer window.
    Expired,
    /// As much went there as came from there.
    Exhausted,
    /// Something came from there that can be answered with what is to be sent.
    Available,
}

/// What a component asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// To bind a socket.
    Bind(SocketAddr),
    /// To connect a socket.
    Connect {
        /// Whom to.
        to: SocketAddr,
        /// How they stand.
        credit: PeerCredit,
    },
    /// To send a datagram.
    Send {
        /// Whom to.
        to: SocketAddr,
        /// How they stand.
        credit: PeerCredit,
    },
    /// To be handed a datagram.
    Receive {
        /// Who sent it.
        from: SocketAddr,
        /// Whether the socket it came to is bound to what a listen grant is for.
        listening: bool,
    },
    /// To look a name up.
    Resolve(HostName),
}

/// What a request was granted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantedBy {
    /// A grant that names what is asked for.
    Grant,
    /// A listen grant, which lets a component answer: what it sends is charged.
    Answer,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// No grant covers it.
    NotGranted,
    /// No grant means it: it is a special address, which a network may contain and does not cover.
    Special(Special),
    /// `--allow-from` leaves it out.
    NotFrom,
    /// `--deny-to` covers it.
    Denied,
    /// It is for nobody's address, or for port 0.
    Nowhere,
    /// It would answer a multicast or broadcast address.
    Many,
    /// The peer has been silent for longer than the answer window.
    Silent,
    /// The peer was sent as much as came from it.
    Answered,
}

impl Grants {
    /// Decides every use of the network: bind, connect, each datagram sent or received, and each
    /// lookup.
    ///
    /// In this order, and the first rule that applies decides:
    ///
    /// 1. Nobody can be reached at an unspecified address or at port 0: refused.
    /// 2. What `--deny-to` covers is refused: to connect to it, to send to it and to receive from
    ///    it. A denial with a zone covers addresses without one, and a denial without a zone all; a
    ///    denial of an IPv4 address covers the IPv6 addresses that carry it.
    /// 3. `-S inherit-network` grants every bind, connect and send, and every receive from whom
    ///    rule 6 would let a listener hear; `-S allow-ip-name-lookup` grants every lookup.
    /// 4. A bind is granted by a listen grant for its address and port. Port 0, which the system
    ///    fills in, is also granted by any send grant at the unspecified address and at loopback:
    ///    who may send needs a socket, and what that hears is decided datagram by datagram.
    ///    Elsewhere it would tell which addresses the machine has, but for those that the operator
    ///    named as the source of the built-in client (`-I`).
    /// 5. A connect, send or receive is granted by a send grant for the address and port. Loopback,
    ///    link-local, multicast and broadcast addresses are covered only by a grant that lies
    ///    within their range: 0.0.0.0/0 covers none of them. The machine's own addresses, those of
    ///    cloud metadata services, and IPv6 addresses that carry a special IPv4 address are covered
    ///    only by a grant of exactly that address.
    /// 6. On a socket that a listen grant is for, a receive is granted from everybody, or where
    ///    there is `--allow-from`, from there; a send or connect as an answer, to whom the
    ///    component has heard from within the answer window on that socket, as far as more came
    ///    from there within it than went there. It is never an answer to multicast or broadcast.
    /// 7. A lookup is granted for the very name, or under a wildcard.
    /// 8. Everything else is refused.
    ///
    /// IPv4-mapped IPv6 addresses count as the IPv4 addresses they stand for. A grant without a
    /// zone holds in every zone; a zone means something for link-local addresses, and for multicast
    /// within the link, alone.
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

    /// Whether a listen grant is for this address and port, as they were asked for.
    pub fn listens(&self, local: SocketAddr) -> bool {
        self.listen.iter().any(|grant| grant.covers(local))
    }

    /// The machine's own addresses that lie in a network which does not cover them.
    pub fn own_within_networks(&self) -> impl Iterator<Item = IpAddr> {
        let networks = || self.send.iter().map(|destination| destination.network().net());
        let is_within = move |ip: &&IpAddr| {
            networks().any(|net| net.contains(*ip))
                && !networks().any(|net| net == IpNet::from(**ip))
        };
        self.own.iter().filter(is_within).copied()
    }

    /// Rule 6, for what is sent.
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

    /// Whether `--allow-from` lets a listener hear `peer`.
    fn hears(&self, peer: SocketAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|network| network.contains(peer))
    }

    /// Why no send grant covers `peer`.
    fn uncovered(&self, peer: SocketAddr) -> DenyReason {
        match Special::of(peer.ip(), &self.own) {
            // A name that stands for a metadata service is no grant for it either.
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
