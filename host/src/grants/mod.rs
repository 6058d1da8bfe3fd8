//! What a component may do with the network, and the one function that decides it.

mod parse;
mod spec;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use parse::GrantError;
pub use spec::{Endpoint, GrantSpec, HostName};

/// Listening on a port, on one address or on all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// `None` is every address of the machine.
    pub address: Option<IpAddr>,
    /// 0 is any port that the system chooses.
    pub port: u16,
}

/// Everything one component may do. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Addresses it may send to, and hear from.
    pub send: Vec<SocketAddr>,
    /// Where it may listen to everybody, and answer whom it has heard from.
    pub listen: Vec<Listen>,
    /// Names it may look up.
    pub resolve: Vec<HostName>,
    /// It may use every address (`-S inherit-network`).
    pub inherit_network: bool,
    /// It may look up every name (`-S allow-ip-name-lookup`).
    pub any_name: bool,
}

/// What a component asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// To bind a socket.
    Bind(SocketAddr),
    /// To send a datagram, or to connect a socket.
    Send {
        /// Whom to.
        to: SocketAddr,
        /// Whether a datagram from there came in before.
        heard: bool,
    },
    /// To be handed a datagram from this address.
    Receive(SocketAddr),
    /// To look a name up.
    Resolve(HostName),
}

/// What it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Granted,
    /// It may not.
    Refused,
}

impl Grants {
    /// Decides every use of the network: bind, connect, each datagram sent or received, and each lookup.
    ///
    /// In this order, and the first that holds grants; where none does, the request is refused:
    ///
    /// 1. `-S inherit-network` grants every bind, send and receive; `-S allow-ip-name-lookup` every lookup.
    /// 2. A bind is granted by a listen grant for its address and port. Port 0, which the system fills in, is also granted
    ///    by any send grant: who may send needs a socket, and what that hears is decided datagram by datagram.
    /// 3. A send is granted by a send grant for the address and port; or, as an answer, by any listen grant, where the
    ///    component has heard from there.
    /// 4. A receive is granted by a send grant for the address and port, or by any listen grant.
    /// 5. A lookup is granted for the very name.
    ///
    /// IPv4-mapped IPv6 addresses count as the IPv4 addresses they stand for. A grant without a zone holds in every zone.
    pub fn decide(&self, request: &Request) -> Decision {
        let granted = match request {
            Request::Bind(local) => {
                self.inherit_network
                    || self.listen.iter().any(|grant| grant.covers(*local))
                    || (local.port() == 0 && !self.send.is_empty())
            }
            Request::Send { to, heard } => self.inherit_network || self.sends_to(*to) || (*heard && self.is_answering()),
            Request::Receive(from) => self.inherit_network || self.sends_to(*from) || self.is_answering(),
            Request::Resolve(name) => self.any_name || self.resolve.contains(name),
        };
        if granted { Decision::Granted } else { Decision::Refused }
    }

    /// Whether whom the component has heard from matters to any decision.
    pub fn is_answering(&self) -> bool {
        !self.listen.is_empty()
    }

    fn sends_to(&self, address: SocketAddr) -> bool {
        self.send.iter().any(|grant| same_endpoint(*grant, address))
    }
}

impl Listen {
    fn covers(self, local: SocketAddr) -> bool {
        self.port == local.port() && self.address.is_none_or(|ip| ip.to_canonical() == local.ip().to_canonical())
    }
}

fn same_endpoint(grant: SocketAddr, asked: SocketAddr) -> bool {
    let zone = |address| if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
    grant.ip().to_canonical() == asked.ip().to_canonical()
        && grant.port() == asked.port()
        && (zone(grant) == 0 || zone(grant) == zone(asked))
}

/// As a sentence goes on after "asked to".
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(local) => write!(f, "listen on {local}"),
            Self::Send { to, .. } => write!(f, "send to {to}"),
            Self::Receive(from) => write!(f, "receive from {from}"),
            Self::Resolve(name) => write!(f, "resolve {name}"),
        }
    }
}

/// As a sentence goes on after "granted:".
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        items.extend(self.inherit_network.then(|| "the whole network".to_owned()));
        items.extend(self.any_name.then(|| "resolve any name".to_owned()));
        items.extend(self.send.iter().map(|address| format!("send to {address}")));
        items.extend(self.listen.iter().map(|listen| format!("listen on {listen}")));
        items.extend(self.resolve.iter().map(|name| format!("resolve {name}")));
        f.write_str(if items.is_empty() { "nothing" } else { "" })?;
        f.write_str(&items.join(", "))
    }
}

/// As `--allow-listen` takes it.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => self.port.fmt(f),
        }
    }
}

/// The flags that would grant `request` in addition to what `grants` holds already.
///
/// Flags replace what a component's arguments grant, so they have to say all of it.
#[derive(Debug)]
pub struct Flags<'a> {
    /// What is granted.
    pub grants: &'a Grants,
    /// What was refused.
    pub request: &'a Request,
}

impl fmt::Display for Flags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (granted, option) in
            [(self.grants.inherit_network, "inherit-network"), (self.grants.any_name, "allow-ip-name-lookup")]
        {
            if granted {
                write!(f, "-S {option} ")?;
            }
        }
        for address in &self.grants.send {
            write!(f, "--allow-to {address} ")?;
        }
        for listen in &self.grants.listen {
            write!(f, "--allow-listen {listen} ")?;
        }
        for name in &self.grants.resolve {
            write!(f, "--allow-resolve {name} ")?;
        }
        match self.request {
            Request::Bind(local) if local.port() == 0 => {
                f.write_str("--allow-to HOST:PORT, for whom it is to send to; or --allow-listen 0")
            }
            Request::Bind(local) if local.ip().is_unspecified() => write!(f, "--allow-listen {}", local.port()),
            Request::Bind(local) => write!(f, "--allow-listen {local}"),
            Request::Send { to, .. } => write!(f, "--allow-to {to}"),
            Request::Receive(from) => write!(f, "--allow-to {from}"),
            Request::Resolve(name) => write!(f, "--allow-resolve {name}"),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
