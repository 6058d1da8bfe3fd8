//! Grants as written by the operator, before names are resolved.

use std::collections::HashSet;
use std::net::IpAddr;

use super::advice;
use super::special::{Special, is_metadata};
use super::{AnswerRule, Destination, Grants, Listen, Network, Ports};
use crate::host_name::HostName;
use crate::names::Names;

/// Names that may be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// Exactly this name.
    Exactly(HostName),
    /// The subdomains of this name, at any depth.
    Under(HostName),
}

impl NamePattern {
    /// Whether the pattern covers `name`.
    pub fn covers(&self, name: &HostName) -> bool {
        match self {
            Self::Exactly(exactly) => name == exactly,
            Self::Under(domain) => name
                .as_str()
                .strip_suffix(domain.as_str())
                .is_some_and(|front| front.ends_with('.')),
        }
    }
}

/// A destination to send to, before names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An address or a network, with ports.
    Address(Destination),
    /// The addresses of a name when the run starts, and when it is resolved again, with ports.
    Name(HostName, Ports),
}

impl Endpoint {
    /// The range of its ports.
    pub fn ports(&self) -> Ports {
        match self {
            Self::Address(destination) => destination.ports(),
            Self::Name(_, ports) => *ports,
        }
    }

    fn name(&self) -> Option<&HostName> {
        match self {
            Self::Address(_) => None,
            Self::Name(name, _) => Some(name),
        }
    }

    /// Whether it is one host and one port.
    pub fn is_single(&self) -> bool {
        match self {
            Self::Address(destination) => {
                destination.network().address().is_some() && destination.ports().is_single()
            }
            Self::Name(_, ports) => ports.is_single(),
        }
    }

    fn destinations(&self, names: &Names) -> Vec<Destination> {
        match self {
            Self::Address(destination) => vec![*destination],
            Self::Name(name, ports) => {
                names.addresses(name).iter().map(|ip| Destination::host(*ip, 0, *ports)).collect()
            }
        }
    }

    /// The destinations that it grants: a name does not grant addresses that have to be granted as
    /// such.
    fn granted(&self, names: &Names) -> Vec<Destination> {
        let mut destinations = self.destinations(names);
        if let Self::Name(name, ports) = self {
            // A special address is granted only if the name had it from the start: a later one was
            // not meant by the operator.
            for ip in names
                .later(name)
                .into_iter()
                .filter(|ip| Special::of(*ip, &HashSet::new()).is_none())
            {
                let destination = Destination::host(ip, 0, *ports);
                if !destinations.contains(&destination) {
                    destinations.push(destination);
                }
            }
            destinations.retain(|destination| {
                destination.network().address().is_none_or(|ip| !is_metadata(ip))
            });
        }
        destinations
    }
}

/// A destination that is denied, on all ports unless some are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyRule(pub Endpoint);

/// The grants requested by flags, or by a component's arguments. The default is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GrantSpec {
    /// The destinations of `--allow-to`.
    pub to: Vec<Endpoint>,
    /// The rules of `--deny-to`.
    pub deny: Vec<DenyRule>,
    /// The addresses and ports of `--allow-listen`.
    pub listen: Vec<Listen>,
    /// The sources of `--allow-from`.
    pub from: Vec<Network>,
    /// The limits of `--answer-window` and `--amplification`.
    pub answer: AnswerRule,
    /// The names of `--allow-resolve`.
    pub resolve: Vec<NamePattern>,
    /// The local addresses that the built-in client may send from (`-I`).
    pub source: Vec<IpAddr>,
    /// Whether `-S inherit-network` is given.
    pub inherit_network: bool,
    /// Whether `-S allow-ip-name-lookup` is given.
    pub any_name: bool,
}

impl GrantSpec {
    /// Derives grants from the leading arguments of a component: `PORT` grants listening, `HOST
    /// PORT` and `HOST:PORT` sending, anything else nothing. An unspecified address cannot be sent
    /// to, and grants listening, too.
    ///
    /// Only arguments before the first option count: the host does not know which options of a
    /// component take a value.
    pub fn from_arguments(arguments: &[String]) -> Self {
        let mut leading =
            arguments.iter().map(String::as_str).take_while(|argument| !argument.starts_with('-'));
        let (first, second) = (leading.next().unwrap_or(""), leading.next().unwrap_or(""));
        if let Ok(port) = first.parse() {
            return Self { listen: vec![Listen { address: None, port }], ..Self::default() };
        }
        let joined = || first.parse().ok().filter(Endpoint::is_single);
        match advice::endpoint(first, second).or_else(joined) {
            Some(Endpoint::Address(nowhere)) if nowhere.network().is_unspecified() => {
                Self { listen: first.parse().into_iter().collect(), ..Self::default() }
            }
            Some(endpoint) => Self { to: vec![endpoint], ..Self::default() },
            None => Self::default(),
        }
    }

    /// All names that have to be resolved.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        self.to
            .iter()
            .filter_map(Endpoint::name)
            .chain(self.denied_names())
            .chain(self.exact_lookups())
    }

    /// Whether a port below 1024 may have to be bound.
    pub fn binds_low_ports(&self) -> bool {
        self.inherit_network || self.listen.iter().any(|listen| (1..1024).contains(&listen.port))
    }

    /// Whether names may have to be resolved while the component runs.
    pub fn looks_up_at_any_time(&self) -> bool {
        self.any_name || self.resolve.iter().any(|pattern| matches!(pattern, NamePattern::Under(_)))
    }

    /// The names in deny rules.
    pub fn denied_names(&self) -> impl Iterator<Item = &HostName> {
        self.deny.iter().filter_map(|denied| denied.0.name())
    }

    fn exact_lookups(&self) -> impl Iterator<Item = &HostName> {
        self.resolve.iter().filter_map(|pattern| match pattern {
            NamePattern::Exactly(name) => Some(name),
            NamePattern::Under(_) => None,
        })
    }

    /// Replaces names by their addresses. A name without an address grants only resolving it, which
    /// then returns the reason. The machine's own addresses are not known here: [`Grants::own`] is
    /// empty.
    pub fn with_addresses(&self, names: &Names) -> Grants {
        let targets = self.to.iter().filter_map(Endpoint::name).cloned().map(NamePattern::Exactly);
        Grants {
            send: self.to.iter().flat_map(|endpoint| endpoint.granted(names)).collect(),
            send_by_name: self.to.iter().any(|endpoint| endpoint.name().is_some()),
            deny: self.deny.iter().flat_map(|denied| denied.0.destinations(names)).collect(),
            listen: self.listen.clone(),
            from: self.from.clone(),
            source: self.source.clone(),
            answer: self.answer,
            resolve: targets.chain(self.resolve.iter().cloned()).collect(),
            inherit_network: self.inherit_network,
            any_name: self.any_name,
            own: HashSet::new(),
        }
    }
}
