//! The command line of the client.

use std::num::{NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64};
use std::ops::RangeInclusive;
use std::str::FromStr as _;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use udping_core::duration;
use udping_core::wire::MAX_DATAGRAM;

use crate::number::{self, within};
use crate::threshold::Threshold;

/// Pings UDP echo servers: prints the round-trip time of each reply, the loss, and statistics.
#[derive(Debug, Parser)]
#[command(name = "udping-client", version, after_help = AFTER_HELP)]
pub struct Args {
    /// IPv4 or IPv6 address, or name, of the server; or HOST:PORT, with an IPv6 address in brackets
    #[arg(required_unless_present_any = ["target", "targets"])]
    pub host: Option<String>,
    /// UDP port of the server [default with --protocol stamp: 862]
    #[arg(value_parser = within::<NonZeroU16>(PORTS))]
    pub port: Option<NonZeroU16>,
    /// UDP port of servers that are named without one
    #[arg(short = 'p', long = "port", value_name = "PORT", help_heading = SEVERAL, value_parser = within::<NonZeroU16>(PORTS))]
    pub default_port: Option<NonZeroU16>,
    /// Ping this server, too, on PORT where it has none of its own; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", help_heading = SEVERAL)]
    pub target: Vec<String>,
    #[expect(rustdoc::broken_intra_doc_links, reason = "it is help, shown as it stands")]
    /// Read targets from standard input, HOST[:PORT] a line, # starts a comment (with udping-host:
    /// its own --targets FILE)
    #[arg(long, value_name = "-", value_parser = ["-"], hide_possible_values = true, help_heading = SEVERAL)]
    #[arg(conflicts_with_all = ["host", "target"])]
    pub targets: Option<String>,
    /// What the servers speak
    #[arg(long, value_enum, help_heading = PROTOCOL, default_value_t = Spoken::Text)]
    pub protocol: Spoken,
    /// With stamp: session identifier (SSID) in each request (RFC 8972)
    #[arg(long, value_name = "N", default_value = "0", help_heading = PROTOCOL, value_parser = within::<u16>(0..=u16::MAX.into()))]
    pub ssid: u16,
    /// With stamp: the reflectors are stateful (server --stateful), which tells in which direction
    /// a ping was lost
    #[arg(long, help_heading = PROTOCOL)]
    pub stateful: bool,
    /// With stamp: the clocks of both sides are synchronised: print the delay of each direction
    #[arg(long, help_heading = PROTOCOL)]
    pub clock_synced: bool,
    /// Pings to send to each server; 0 for no limit [default: 10; no limit with --flood, --deadline
    /// or --until-reply]
    #[arg(short, long, value_name = "N", value_parser = within::<u32>(0..=u32::MAX.into()))]
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
    /// Bytes of a datagram; less than the protocol needs is padded
    #[arg(short, long, value_name = "BYTES", default_value = "32", value_parser = size)]
    pub size: usize,
    /// When to send: at fixed intervals, or at random ones with that mean
    #[arg(long, value_enum, help_heading = PACE, default_value_t = Schedule::Fixed)]
    pub schedule: Schedule,
    /// Seed of the random intervals, for the same ones each time [default: random]
    #[arg(long, value_name = "N", help_heading = PACE, value_parser = within::<u64>(0..=u64::MAX))]
    pub seed: Option<u64>,
    /// Send as soon as a reply comes, or after 10 ms; implies --quiet
    #[arg(short, long, conflicts_with_all = ["schedule", "adaptive"])]
    pub flood: bool,
    /// Send about every round-trip time, at most every 2 ms and at least every --interval
    #[arg(short = 'A', long, help_heading = PACE, conflicts_with = "schedule")]
    pub adaptive: bool,
    /// Pings sent back to back each time
    #[arg(long, value_name = "N", default_value = "1", help_heading = PACE)]
    #[arg(value_parser = within::<NonZeroU32>(1..=u32::MAX.into()))]
    pub burst: NonZeroU32,
    /// Busy-wait before each send, for exact send times (uses a core where pings are frequent); pings
    /// to different servers do not leave together
    #[arg(long, help_heading = PACE)]
    pub precise: bool,
    /// Fail if a target exceeds one of these thresholds, such as loss>1%,p99>5ms,outage>2s; with
    /// udping-host that is exit code 7
    #[arg(long, value_name = "NAME>VALUE", value_delimiter = ',', value_parser = Threshold::from_str)]
    pub fail_if: Vec<Threshold>,
    /// Print the results so far this often, at least 100ms; not with --format json or csv
    #[arg(long, value_name = "DURATION", help_heading = OUTPUT, value_parser = report_every)]
    pub report_every: Option<Duration>,
    /// Output format
    #[arg(long, value_enum, help_heading = OUTPUT, default_value_t = Format::Text)]
    pub format: Format,
    /// With --format json: include a record of every ping
    #[arg(long, help_heading = OUTPUT)]
    pub records: bool,
    /// Order of several servers in the summary
    #[arg(long, value_enum, help_heading = OUTPUT, default_value_t = SortBy::Given)]
    pub sort: SortBy,
    /// Print only the first line and the summary
    #[arg(short, long)]
    pub quiet: bool,
    /// Begin each line with the time (RFC 3339)
    #[arg(short = 'D', long, help_heading = OUTPUT)]
    pub timestamps: bool,
    /// Show one line that is updated instead of a line for each ping; only on a terminal
    #[arg(long, help_heading = OUTPUT)]
    pub live: bool,
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Resolve names again this often, and follow their addresses; at least 1s [default: once, at
    /// the start]
    #[arg(long, value_name = "DURATION", help_heading = NETWORK, value_parser = resolve_every)]
    pub resolve_every: Option<Duration>,
    /// Send from this address; or through this interface, as with udping-host's --bind-device
    #[arg(short = 'I', long, value_name = "ADDR|IFACE", help_heading = NETWORK)]
    pub interface: Option<String>,
    /// Source port; with --source-ports the first one [default: chosen by the system]
    #[arg(long, value_name = "PORT", help_heading = NETWORK, value_parser = within::<NonZeroU16>(PORTS))]
    pub source_port: Option<NonZeroU16>,
    /// Number of source ports, used in turn: routers choose among equal-cost paths by them
    #[arg(long, value_name = "N", default_value = "1", help_heading = NETWORK)]
    #[arg(value_parser = within::<NonZeroU8>(1..=MOST_PORTS))]
    pub source_ports: NonZeroU8,
    /// TTL, or hop limit, of the datagrams [default: the system's]
    #[arg(long, value_name = "HOPS", help_heading = NETWORK, value_parser = within::<NonZeroU8>(1..=u8::MAX.into()))]
    pub ttl: Option<NonZeroU8>,
}

/// `--protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spoken {
    /// Numbered text: any server that sends the same bytes back will do
    Text,
    /// Simple Two-way Active Measurement Protocol (RFC 8762)
    Stamp,
}

/// `--schedule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Schedule {
    /// Fixed intervals
    Fixed,
    /// A Poisson process: random intervals whose mean is --interval
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
    /// Lines as ping prints them
    Text,
    /// One JSON document at the end
    Json,
    /// One JSON object per event, as it happens
    Jsonl,
    /// A row for each ping
    Csv,
    /// Metrics for Prometheus
    Openmetrics,
}

/// The headings of option groups, besides the most frequently used options.
const SEVERAL: &str = "Several servers";
const PROTOCOL: &str = "Protocol";
const PACE: &str = "Pace";
const OUTPUT: &str = "Output";
const NETWORK: &str = "Network";

/// The valid ports of a peer.
const PORTS: RangeInclusive<u64> = 1..=u16::MAX as u64;

const AFTER_HELP: &str = "\
Durations: 200ms, 1s, 1m30s; a bare number is seconds.

Examples:
  client localhost 12000                            ten pings, one per second
  client -c 3 -i 200ms -q [2001:db8::7]:12000       three pings, summary only
  client 192.0.2.7 --protocol stamp                 a STAMP reflector on port 862
  client --target a.example:7 --target b.example:7  two servers
  client 192.0.2.7 7 -c 0 --format jsonl            no limit, JSON lines

Exits with success if every server sent at least one reply.
With a key in UDPING_KEY, 32 to 128 hexadecimal digits, pings are authenticated, and only authenticated replies count. \
With two, separated by a comma, pings carry the tag of the first, and replies that of either.";

/// The default number of pings to each server.
const COUNT: u64 = 10;

impl Args {
    /// Returns the number of pings to each server; `None` for no limit. As in ping, an option that
    /// ends the run otherwise removes the default limit.
    pub fn count(&self) -> Option<NonZeroU64> {
        let has_other_end = self.flood || self.until_reply || self.deadline.is_some();
        let default = if has_other_end { 0 } else { COUNT };
        NonZeroU64::new(self.count.map_or(default, u64::from))
    }

    /// Returns the time after which the run ends, even with replies outstanding.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline.filter(|deadline| !deadline.is_zero())
    }
}

/// The minimum interval: a machine cannot keep a shorter one.
const SHORTEST: Duration = Duration::from_micros(10);

/// The maximum number of source ports: each takes a socket per address family, and a host permits
/// some hundreds.
const MOST_PORTS: u64 = 100;

fn interval(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(interval) if interval < SHORTEST => Err("must be at least 10us".to_owned()),
        Ok(interval) => Ok(interval),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses the value of `--resolve-every`, which is also an option of the host.
///
/// # Errors
///
/// If it is not a duration, or is shorter than name servers should be queried.
pub fn resolve_every(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(every) if every < Duration::from_secs(1) => Err("must be at least 1s".to_owned()),
        Ok(every) => Ok(every),
        Err(error) => Err(error.to_string()),
    }
}

fn report_every(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(every) if every < Duration::from_millis(100) => Err("must be at least 100ms".to_owned()),
        Ok(every) => Ok(every),
        Err(error) => Err(error.to_string()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    number::whole(text, &(0..=MAX_DATAGRAM as u64))
        .ok_or_else(|| format!("not a size from 0 to {MAX_DATAGRAM}, the most that UDP carries"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_run_otherwise_lifts_the_default_count() {
        let count = |options: &[&str]| {
            let words = [&["client", "192.0.2.7", "12000"], options].concat();
            Args::try_parse_from(words)
                .map(|args| (args.count().map(NonZeroU64::get), args.deadline()))
                .unwrap()
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
