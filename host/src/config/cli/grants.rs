//! Flags for what a component may do.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::from_text;
use super::marking::{Dscp, Ecn, Mark};
use udping_permissions::grants::{
    AnswerRule, DenyRule, Endpoint, GrantSpec, Listen, NamePattern, Network,
};
use wasi_datagram::SocketOptions;

/// Grants. Where there is any, the component's arguments grant nothing.
#[derive(Clone, Debug, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Network grants (instead of what the component's arguments grant)")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GrantFlags {
    /// Allow to send to, and receive from, an address, a network (/PREFIX) or a name; may be
    /// repeated, as all grants
    #[arg(long, value_name = "HOST[/PREFIX]:PORT[-PORT]")]
    #[serde(deserialize_with = "from_text::list")]
    pub allow_to: Vec<Endpoint>,
    /// Allow to listen there, and to answer those it has received datagrams from
    #[arg(long, value_name = "[ADDR:]PORT")]
    #[serde(deserialize_with = "from_text::list")]
    pub allow_listen: Vec<Listen>,
    /// Accept datagrams to a listener only from this network or address; may be repeated [default:
    /// from everybody]
    #[arg(long, value_name = "NETWORK")]
    #[serde(deserialize_with = "from_text::list")]
    pub allow_from: Vec<Network>,
    /// Allow to resolve this name, or every name under a domain (*.example.org)
    #[arg(long, value_name = "NAME")]
    #[serde(deserialize_with = "from_text::list")]
    pub allow_resolve: Vec<NamePattern>,
    /// Never allow to send there nor to receive from there, whatever else is granted
    #[arg(long, value_name = "HOST[/PREFIX][:PORT[-PORT]]")]
    #[serde(deserialize_with = "from_text::list")]
    pub deny_to: Vec<DenyRule>,
    /// How long after a peer's last datagram it may be answered [default: 30s]
    #[arg(long, value_name = "DURATION")]
    #[serde(deserialize_with = "from_text::option")]
    pub answer_window: Option<humantime::Duration>,
    /// Datagrams and bytes that may be sent in answer for each one received [default: 1]
    #[arg(long, value_name = "FACTOR")]
    #[serde(deserialize_with = "from_text::option")]
    pub amplification: Option<Amplification>,
    /// Send with this differentiated services code point: 0 to 63, or a name such as ef, af41 or
    /// cs1
    #[arg(long, value_name = "DSCP", help_heading = SOCKET_OPTIONS)]
    #[serde(deserialize_with = "from_text::option")]
    pub dscp: Option<Dscp>,
    /// Send with these bits of explicit congestion notification
    #[arg(long, value_name = "ECN", value_enum, help_heading = SOCKET_OPTIONS)]
    pub ecn: Option<Ecn>,
    /// Send what is not to be fragmented (the DF bit): what is above the path's MTU is an error
    #[arg(long, help_heading = SOCKET_OPTIONS)]
    pub dont_fragment: bool,
    /// Send and receive through this network interface alone
    #[arg(long, value_name = "IFACE", help_heading = SOCKET_OPTIONS)]
    pub bind_device: Option<String>,
    #[expect(clippy::doc_markdown, reason = "it is the help, too, which has no Markdown")]
    /// Send with this mark for routing and filters (SO_MARK); needs CAP_NET_ADMIN
    #[arg(long, value_name = "MARK", help_heading = SOCKET_OPTIONS)]
    #[serde(deserialize_with = "from_text::option")]
    pub mark: Option<Mark>,
    /// Grants as wasmtime spells them
    #[arg(short = 'S', value_name = "OPTION", value_delimiter = ',', value_enum)]
    #[serde(rename = "wasi")]
    pub wasi: Vec<WasiOption>,
}

/// The heading of socket options in the help.
const SOCKET_OPTIONS: &str = "Socket options (of every socket; Linux)";

/// The options of `wasmtime run -S` that this host shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WasiOption {
    /// Any address, for listening and for sending
    InheritNetwork,
    /// Any name
    AllowIpNameLookup,
}

/// A factor that is not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amplification(f64);

impl FromStr for Amplification {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let factor = text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor >= 0.0);
        factor.map(Self).ok_or("not a number from 0 upwards")
    }
}

impl GrantFlags {
    /// The grants of these flags. `None` if they grant nothing: they may still deny, or restrict
    /// the sources that a listener accepts.
    pub fn spec(&self) -> Option<GrantSpec> {
        let spec = GrantSpec {
            to: self.allow_to.clone(),
            listen: self.allow_listen.clone(),
            resolve: self.allow_resolve.clone(),
            inherit_network: self.wasi.contains(&WasiOption::InheritNetwork),
            any_name: self.wasi.contains(&WasiOption::AllowIpNameLookup),
            ..GrantSpec::default()
        };
        (spec != GrantSpec::default()).then_some(spec)
    }

    /// Applies the restrictions of these flags to `granted`.
    pub fn restrict(&self, granted: GrantSpec) -> GrantSpec {
        GrantSpec {
            deny: self.deny_to.clone(),
            from: self.allow_from.clone(),
            answer: self.answer(),
            ..granted
        }
    }

    /// The rule that limits answers.
    pub fn answer(&self) -> AnswerRule {
        let default = AnswerRule::default();
        AnswerRule {
            window: self.answer_window.map_or(default.window, Into::into),
            amplification: self.amplification.map_or(default.amplification, |factor| factor.0),
        }
    }

    /// The options to set on sockets.
    pub fn socket_options(&self) -> SocketOptions {
        SocketOptions {
            dscp: self.dscp.map(|dscp| dscp.0),
            ecn: self.ecn.map(Ecn::bits),
            dont_fragment: self.dont_fragment,
            bind_device: self.bind_device.clone(),
            mark: self.mark.map(|mark| mark.0),
        }
    }

    /// Merges both.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.allow_to.extend(other.allow_to);
        self.allow_listen.extend(other.allow_listen);
        self.allow_from.extend(other.allow_from);
        self.allow_resolve.extend(other.allow_resolve);
        self.deny_to.extend(other.deny_to);
        self.wasi.extend(other.wasi);
        Self {
            dscp: self.dscp.or(other.dscp),
            ecn: self.ecn.or(other.ecn),
            dont_fragment: self.dont_fragment || other.dont_fragment,
            bind_device: self.bind_device.or(other.bind_device),
            mark: self.mark.or(other.mark),
            answer_window: self.answer_window.or(other.answer_window),
            amplification: self.amplification.or(other.amplification),
            ..self
        }
    }
}
