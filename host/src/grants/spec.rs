//! Grants as the operator wrote them, before names are resolved.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;

use super::{Grants, Listen};
use crate::names::Names;

/// A DNS name in lower case, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(pub(super) String);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somewhere to send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An address.
    Address(SocketAddr),
    /// Whatever the name stands for when the run starts.
    Name(HostName, NonZeroU16),
}

/// What flags, or a component's arguments, ask to have granted. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantSpec {
    /// `--allow-to`.
    pub to: Vec<Endpoint>,
    /// `--allow-listen`.
    pub listen: Vec<Listen>,
    /// `--allow-resolve`.
    pub resolve: Vec<HostName>,
    /// `-S inherit-network`.
    pub inherit_network: bool,
    /// `-S allow-ip-name-lookup`.
    pub any_name: bool,
}

impl GrantSpec {
    /// What the leading arguments of a component grant: `PORT` listening there, `HOST PORT` sending there; anything else
    /// nothing.
    ///
    /// Only arguments before the first option count: the host does not know which options of a component take a value.
    pub fn from_arguments(arguments: &[String]) -> Self {
        let mut leading = arguments.iter().map(String::as_str).take_while(|argument| !argument.starts_with('-'));
        let (first, second) = (leading.next().unwrap_or(""), leading.next().unwrap_or(""));
        if let Ok(port) = first.parse() {
            return Self { listen: vec![Listen { address: None, port }], ..Self::default() };
        }
        match second.parse().ok().and_then(|port| Endpoint::new(first, port).ok()) {
            Some(endpoint) => Self { to: vec![endpoint], ..Self::default() },
            None => Self::default(),
        }
    }

    /// Every name that is to be resolved.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        let targets = self.to.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Address(_) => None,
            Endpoint::Name(name, _) => Some(name),
        });
        targets.chain(&self.resolve)
    }

    /// Puts addresses for names. A name without any address grants its lookup, which will then say so, and no address.
    pub fn with_addresses(&self, names: &Names) -> Grants {
        let send = self.to.iter().flat_map(|endpoint| match endpoint {
            Endpoint::Address(address) => vec![*address],
            Endpoint::Name(name, port) => names.addresses(name).iter().map(|ip| SocketAddr::new(*ip, port.get())).collect(),
        });
        Grants {
            send: send.collect(),
            listen: self.listen.clone(),
            resolve: self.names().cloned().collect(),
            inherit_network: self.inherit_network,
            any_name: self.any_name,
        }
    }
}
