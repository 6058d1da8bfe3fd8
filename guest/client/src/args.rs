//! The command line of the client, as typed.

use std::num::{NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use udping_core::{duration, wire};

/// Sends numbered, timestamped UDP datagrams to echo servers and prints the round-trip time of each reply, the loss, and how
/// the times spread.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Args {
    /// IPv4 or IPv6 address, or name, of the server
    #[arg(required_unless_present_any = ["target", "targets"])]
    pub host: Option<String>,
    /// UDP port of the server [default with --protocol stamp: 862]
    pub port: Option<NonZeroU16>,
    /// UDP port of servers that are named without one
    #[arg(short = 'p', long = "port", value_name = "PORT")]
    pub default_port: Option<NonZeroU16>,
    /// Ping this server, too, on PORT where it has none of its own; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub target: Vec<String>,
    /// Read servers from standard input, HOST[:PORT] a line, with stamp's port where there is none; # starts a comment
    /// (udping-host: give the file to the host's --targets)
    #[arg(long, value_name = "-", value_parser = ["-"], conflicts_with_all = ["host", "target"])]
    pub targets: Option<String>,
    /// What the servers answer: any bytes with the same, or requests of STAMP (RFC 8762) with their times
    #[arg(long, value_enum, default_value_t = Spoken::Text)]
    pub protocol: Spoken,
    /// With stamp: name this session in each request (RFC 8972)
    #[arg(long, value_name = "N", default_value = "0")]
    pub ssid: u16,
    /// With stamp: the servers count by themselves, which tells on which way a ping was lost
    #[arg(long)]
    pub stateful: bool,
    /// With stamp: the clocks here and there are synchronised, so that delays in each direction mean something
    #[arg(long)]
    pub clock_synced: bool,
    /// Pings to send to each server; 0 for no end [default: 10; no end with --flood, --deadline or --until-reply]
    #[arg(short, long, value_name = "N")]
    pub count: Option<u32>,
    /// Time from one send to a server to the next, at least 10us
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// How long to wait for each reply
    #[arg(short = 'W', long, value_name = "DURATION", default_value = "2s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Stop after this long, even with replies outstanding; 0 for no deadline
    #[arg(short = 'w', long, value_name = "DURATION", value_parser = duration::parse)]
    pub deadline: Option<Duration>,
    /// Stop as soon as each server has replied once: waits for a server that comes up
    #[arg(long)]
    pub until_reply: bool,
    /// Bytes in a datagram, at least what the protocol needs, which is padded
    #[arg(short, long, value_name = "BYTES", default_value = "32", value_parser = size)]
    pub size: usize,
    /// When to send: at fixed intervals, or at random ones with that mean
    #[arg(long, value_enum, default_value_t = Schedule::Fixed)]
    pub schedule: Schedule,
    /// Derive random intervals from this seed, the same ones each time [default: random]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Send as soon as a reply comes, or after 10 ms; implies --quiet
    #[arg(short, long, conflicts_with_all = ["schedule", "adaptive"])]
    pub flood: bool,
    /// Send about every round-trip time, at most every 2 ms and at least every --interval
    #[arg(short = 'A', long, conflicts_with = "schedule")]
    pub adaptive: bool,
    /// Send so many pings each time, back to back
    #[arg(long, value_name = "N", default_value = "1")]
    pub burst: NonZeroU32,
    /// Spin before each send, so that it leaves on time: keeps a core busy where pings are frequent
    #[arg(long)]
    pub precise: bool,
    /// How to print what happens
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// With --format json: every ping, too
    #[arg(long)]
    pub records: bool,
    /// Order of several servers in the summary
    #[arg(long, value_enum, default_value_t = SortBy::Given)]
    pub sort: SortBy,
    /// Print only the first line and the summary
    #[arg(short, long)]
    pub quiet: bool,
    /// Begin each line with the time, as RFC 3339 has it
    #[arg(short = 'D', long)]
    pub timestamps: bool,
    /// Instead of a line for each ping, show one that rewrites itself; only on a terminal
    #[arg(long)]
    pub live: bool,
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Send from this address; or through this interface, as with udping-host's --bind-device
    #[arg(short = 'I', long, value_name = "ADDR|IFACE")]
    pub interface: Option<String>,
    /// Send from this port, and those after it where there are several [default: ones that the system chooses]
    #[arg(long, value_name = "PORT")]
    pub source_port: Option<NonZeroU16>,
    /// Send from so many ports in turn: routers choose among equal paths by them
    #[arg(long, value_name = "N", default_value = "1", value_parser = source_ports)]
    pub source_ports: NonZeroU8,
    /// TTL, or hop limit, of the datagrams [default: the system's]
    #[arg(long, value_name = "HOPS")]
    pub ttl: Option<NonZeroU8>,
}

/// `--protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spoken {
    /// The classic lab's text
    Text,
    /// The Simple Two-way Active Measurement Protocol
    Stamp,
}

/// `--schedule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Schedule {
    /// Every interval
    Fixed,
    /// A Poisson process, with gaps of an interval in the mean
    Poisson,
}

/// `--sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// As they were named
    Given,
    /// Those with the most loss first
    Loss,
    /// Those with the largest 99th percentile of the RTT first
    P99,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines as ping's
    Text,
    /// One document at the end
    Json,
    /// An object a line as things happen
    Jsonl,
    /// A row for each ping
    Csv,
    /// For Prometheus
    Openmetrics,
}

const AFTER_HELP: &str = "\
Durations: 200ms, 1s, 1m30s; a bare number is seconds.
Ends with success where at least one reply came; of several servers, one from each.
With a key in UDPING_KEY, 32 to 128 hexadecimal digits, pings are tagged, and only tagged replies count. With two, and a
comma between them, pings are tagged with the first, and replies may be with either.";

/// Pings to each server, where nothing says how many.
const COUNT: u64 = 10;

impl Args {
    /// How many pings each server gets; `None` for no end. What ends a run otherwise lifts the default, as with ping.
    pub fn count(&self) -> Option<NonZeroU64> {
        let has_other_end = self.flood || self.until_reply || self.deadline.is_some();
        let default = if has_other_end { 0 } else { COUNT };
        NonZeroU64::new(self.count.map_or(default, u64::from))
    }

    /// When the run ends, whatever is awaited.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline.filter(|deadline| !deadline.is_zero())
    }
}

/// The shortest interval: less is no schedule that a machine keeps.
const SHORTEST: Duration = Duration::from_micros(10);

/// The most source ports: each takes a socket for each family, of which a host allows some hundreds.
const MOST_PORTS: u8 = 100;

fn interval(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(interval) if interval < SHORTEST => Err("must be at least 10us".to_owned()),
        Ok(interval) => Ok(interval),
        Err(error) => Err(error.to_string()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if size <= wire::MAX_DATAGRAM => Ok(size),
        _ => Err(format!("not a size from 0 to {}, the most that UDP carries", wire::MAX_DATAGRAM)),
    }
}

fn source_ports(text: &str) -> Result<NonZeroU8, String> {
    let ports = text.parse().ok().filter(|ports: &NonZeroU8| ports.get() <= MOST_PORTS);
    ports.ok_or_else(|| format!("not a number from 1 to {MOST_PORTS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_run_otherwise_lifts_the_default_count() {
        let count = |options: &[&str]| {
            let words = [&["client", "192.0.2.7", "12000"], options].concat();
            Args::try_parse_from(words).map(|args| (args.count().map(NonZeroU64::get), args.deadline())).unwrap()
        };
        let second = Some(Duration::from_secs(1));
        for (options, expected) in [
            (&[][..], (Some(10), None)),
            (&["-c", "0"], (None, None)),
            (&["-w", "1"], (None, second)),
            (&["-w", "1", "-c", "3"], (Some(3), second)),
            (&["-w", "0"], (None, None)),
            (&["-f"], (None, None)),
            (&["-f", "-c", "7"], (Some(7), None)),
            (&["--until-reply"], (None, None)),
        ] {
            assert_eq!(count(options), expected, "{options:?}");
        }
    }
}
