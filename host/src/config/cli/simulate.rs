//! The options of `simulate`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use udping_simulation::{Distribution, GilbertElliott, Link, LinkError, Probability, Rate};

/// `simulate`.
#[derive(Clone, Debug, Args)]
pub struct SimulateArguments {
    /// A scenario in TOML: nodes, links, and faults over time (docs/simulation.md)
    #[arg(value_name = "SCENARIO", conflicts_with_all = ["client", "clients", "server", "link"])]
    pub scenario: Option<PathBuf>,
    /// What everything that happens by chance is drawn from [default: that of the scenario, or 1]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Number of nodes that run the client
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub clients: u32,
    /// Time over which the starts of the clients are spread [default: all start at once]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with = "scenario")]
    pub spread: Option<Duration>,
    /// What the node `server` runs [default: server, with the port that follows that name in the
    /// client's arguments]
    #[arg(long, value_name = "COMPONENT ARGUMENTS")]
    pub server: Option<String>,
    /// Virtual time after which it ends at the latest [default: that of the scenario, or 1d]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Run it with that many seeds, each of which draws its own mix of faults, until a report is not
    /// what happened; then look for the least that shows it
    #[arg(long, value_name = "SEEDS", conflicts_with_all = ["mix", "pings"])]
    pub search: Option<NonZeroU64>,
    /// Add the faults that the seed draws: all, none, or those of these numbers
    #[arg(long, value_name = "all|none|NUMBERS")]
    pub mix: Option<String>,
    /// Number of pings of each client, whatever the scenario says
    #[arg(long, value_name = "NUMBER")]
    pub pings: Option<NonZeroU64>,
    /// Capture what the nodes send and receive, but for servers, into this file (pcapng)
    #[arg(long, value_name = "FILE", conflicts_with = "search")]
    pub pcap: Option<PathBuf>,
    /// Also print what each component has written
    #[arg(short, long)]
    pub verbose: bool,
    /// What happens on each link.
    #[command(flatten)]
    pub link: LinkArguments,
    /// The client and its arguments, after --: client server PORT; `server` is the other node's name
    #[arg(last = true, value_name = "CLIENT", required_unless_present = "scenario")]
    pub client: Vec<String>,
}

/// The properties of links.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "link", multiple = true)]
#[command(next_help_heading = "Links, in each direction (as tc-netem(8))")]
pub struct LinkArguments {
    /// Delay of each datagram
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub delay: Option<Duration>,
    /// Spread of the delay: half the width of the uniform distribution, the standard deviation of others
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub jitter: Option<Duration>,
    /// Distribution of the delay: uniform, normal or pareto
    #[arg(long, value_name = "NAME")]
    pub distribution: Option<Distribution>,
    /// Correlation of each delay with the one before it
    #[arg(long, value_name = "PERCENT")]
    pub correlation: Option<Probability>,
    /// Probability that a datagram is lost
    #[arg(long, value_name = "PERCENT")]
    pub loss: Option<Probability>,
    /// Loss in bursts: the Gilbert-Elliott model, as P:R, P:R:1-H or P:R:1-H:1-K
    #[arg(long, value_name = "PERCENTAGES")]
    pub gemodel: Option<GilbertElliott>,
    /// Probability that a datagram arrives twice
    #[arg(long, value_name = "PERCENT")]
    pub duplicate: Option<Probability>,
    /// Probability that a datagram skips the delay, and overtakes others
    #[arg(long, value_name = "PERCENT")]
    pub reorder: Option<Probability>,
    /// Probability that a bit of a datagram is inverted
    #[arg(long, value_name = "PERCENT")]
    pub corrupt: Option<Probability>,
    /// Rate at which bits are sent, such as 10mbit
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Number of datagrams that wait for the rate; further ones are lost [default: 1000]
    #[arg(long, value_name = "NUMBER", requires = "rate")]
    pub limit: Option<usize>,
    /// Maximum length of an IP packet in bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(68..))]
    pub mtu: Option<u16>,
}

impl LinkArguments {
    /// The link.
    ///
    /// # Errors
    ///
    /// If properties do not go with each other.
    pub fn link(&self) -> Result<Link, LinkError> {
        let Self { delay, jitter, distribution, correlation, loss, .. } = *self;
        let Self { gemodel, duplicate, reorder, corrupt, rate, limit, mtu, .. } = *self;
        let plain = Link::default();
        let link = Link {
            delay: delay.unwrap_or(plain.delay),
            jitter: jitter.unwrap_or(plain.jitter),
            distribution: distribution.unwrap_or(plain.distribution),
            correlation: correlation.unwrap_or(plain.correlation),
            loss: loss.unwrap_or(plain.loss),
            gemodel,
            duplicate: duplicate.unwrap_or(plain.duplicate),
            reorder: reorder.unwrap_or(plain.reorder),
            corrupt: corrupt.unwrap_or(plain.corrupt),
            rate,
            limit: limit.unwrap_or(plain.limit),
            mtu,
        };
        link.check()?;
        Ok(link)
    }
}
