//! Formatting of grants, requests and refusals for people.

use std::fmt;
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};

use super::advice::{self, Better};
use super::{
    Advice, AnswerRule, DenyReason, DenyRule, Endpoint, Grants, Listen, NamePattern, Request,
};

/// The maximum number of grants in a sentence.
const NAMED: usize = 12;

/// Formats the request as it continues the phrase "asked to".
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What it sends is decided datagram by datagram.
            Self::Bind(local)
                if local.port() == 0 && local.ip().to_canonical().is_unspecified() =>
            {
                f.write_str("open a socket to send from")
            }
            Self::Bind(local) if local.port() == 0 => {
                write!(f, "open a socket to send from, at {}", local.ip())
            }
            Self::Bind(local) => write!(f, "listen on {local}"),
            Self::Connect { to, .. } => write!(f, "connect to {to}"),
            Self::Send { to, .. } => write!(f, "send to {to}"),
            Self::Receive { from, .. } => write!(f, "receive from {from}"),
            Self::Resolve(name) => write!(f, "resolve {name}"),
        }
    }
}

/// Formats the grants as they follow "granted:".
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        items.extend(self.inherit_network.then(|| "the whole network".to_owned()));
        items.extend(self.any_name.then(|| "resolve any name".to_owned()));
        items.extend(self.send.iter().map(|destination| format!("send to {destination}")));
        items.extend(self.listen.iter().map(|listen| format!("listen on {listen}")));
        items.extend(self.resolve.iter().map(|name| format!("resolve {name}")));
        f.write_str(if items.is_empty() { "nothing" } else { "" })?;
        let unnamed = items.len().saturating_sub(NAMED);
        items.truncate(NAMED);
        f.write_str(&items.join(", "))?;
        if unnamed > 0 {
            write!(f, " and {unnamed} more")?;
        }
        self.from.iter().enumerate().try_for_each(|(index, network)| {
            write!(f, "{}{network}", if index == 0 { ", hearing only from " } else { " and " })
        })?;
        self.deny.iter().try_for_each(|denied| write!(f, ", never {denied}"))
    }
}

/// Formats the grant as `--allow-listen` takes it.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => match address.net().addr() {
                IpAddr::V4(ip) => SocketAddrV4::new(ip, self.port).fmt(f),
                IpAddr::V6(ip) => SocketAddrV6::new(ip, self.port, 0, address.zone()).fmt(f),
            },
            None => self.port.fmt(f),
        }
    }
}

/// Formats the pattern as `--allow-resolve` takes it.
impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => name.fmt(f),
            Self::Under(name) => write!(f, "*.{name}"),
        }
    }
}

/// Formats the endpoint as `--allow-to` takes it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(destination) => destination.fmt(f),
            Self::Name(name, ports) => write!(f, "{name}:{ports}"),
        }
    }
}

/// Formats the rule as `--deny-to` takes it.
impl fmt::Display for DenyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Grants {
    /// The flags for all of these grants: flags replace what a component's arguments grant.
    #[expect(clippy::float_cmp, reason = "a default is told by its bits")]
    pub fn as_flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        flags.extend(self.inherit_network.then(|| "-S inherit-network".to_owned()));
        flags.extend(self.any_name.then(|| "-S allow-ip-name-lookup".to_owned()));
        flags.extend(self.send.iter().map(|destination| format!("--allow-to {destination}")));
        flags.extend(self.listen.iter().map(|listen| format!("--allow-listen {listen}")));
        flags.extend(self.resolve.iter().map(|name| format!("--allow-resolve {name}")));
        flags.extend(self.from.iter().map(|network| format!("--allow-from {network}")));
        flags.extend(self.deny.iter().map(|denied| format!("--deny-to {denied}")));
        let AnswerRule { window, amplification } = self.answer;
        let default = AnswerRule::default();
        // Without spaces, as one argument.
        let window_typed = || humantime::format_duration(window).to_string().replace(' ', "");
        flags.extend(
            (window != default.window).then(|| format!("--answer-window {}", window_typed())),
        );
        flags.extend(
            (amplification != default.amplification)
                .then(|| format!("--amplification {amplification}")),
        );
        flags
    }
}

/// The flags that would grant `request` in addition to `grants`.
#[derive(Debug)]
pub struct Flags<'a> {
    /// The existing grants.
    pub grants: &'a Grants,
    /// The refused request.
    pub request: &'a Request,
}

impl fmt::Display for Flags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.grants.as_flags();
        // With more flags than these, they come from a file.
        if flags.len() > NAMED {
            f.write_str("what grants it all now and ")?;
        } else {
            flags.iter().try_for_each(|flag| write!(f, "{flag} "))?;
        }
        match self.request {
            Request::Bind(local) if advice::is_to_send_from(local.ip(), local.port()) => {
                f.write_str("--allow-to HOST:PORT")
            }
            Request::Bind(local) if local.ip().is_unspecified() => {
                write!(f, "--allow-listen {}", local.port())
            }
            Request::Bind(local) => write!(f, "--allow-listen {local}"),
            Request::Connect { to: peer, .. }
            | Request::Send { to: peer, .. }
            | Request::Receive { from: peer, .. } => {
                write!(f, "--allow-to {peer}")
            }
            Request::Resolve(name) => write!(f, "--allow-resolve {name}"),
        }
    }
}

/// A refused use of the network.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// The name of the component.
    pub component: &'a str,
    /// The request.
    pub request: &'a Request,
    /// The reason of the refusal.
    pub reason: DenyReason,
    /// The component's grants.
    pub grants: &'a Grants,
    /// What else is known of the run.
    pub advice: &'a Advice,
}

impl Refusal<'_> {
    /// Writes what is granted, and what would grant the request.
    fn write_advice(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, grants, advice, .. } = *self;
        write!(f, "; granted: {grants}")?;
        let flags = match advice.flags(request) {
            Some(flags) => Better { grants, flags }.to_string(),
            None => Flags { grants, request }.to_string(),
        };
        match &advice.command {
            Some(command) => {
                let option = command.first_option();
                write!(
                    f,
                    ", since only arguments before the first option grant, and {option} is one"
                )?;
                write!(f, "; to allow it: {}", command.with(&flags))
            }
            None => write!(f, "; to allow it: {flags}"),
        }
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, request, reason, grants, .. } = *self;
        match request {
            // The component made no request: a peer sent it a datagram.
            Request::Receive { from, .. } => {
                write!(f, "dropped: a datagram to {component} from {from}")?;
            }
            _ => write!(f, "refused: {component} asked to {request}")?,
        }
        let AnswerRule { window, amplification } = grants.answer;
        let window = humantime::format_duration(window);
        match reason {
            DenyReason::NotGranted => self.write_advice(f),
            DenyReason::Special(special) => {
                write!(f, ", {special}")?;
                self.write_advice(f)
            }
            DenyReason::NotFrom => f.write_str(", whom --allow-from leaves out"),
            DenyReason::Denied => f.write_str(", which --deny-to forbids"),
            DenyReason::Nowhere => f.write_str(", where nobody can be reached"),
            DenyReason::Many => f.write_str(", which stands for many: it is never answered"),
            DenyReason::Silent => {
                write!(f, ", which it has not heard from for {window} (--answer-window)")
            }
            DenyReason::Answered => {
                write!(
                    f,
                    ", where as much went as came from there (--amplification {amplification}) within {window} (--answer-window)"
                )
            }
        }
    }
}
