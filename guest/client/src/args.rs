//! The command line of the client, as typed.

use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::time::Duration;

use clap::Parser;
use udping_core::{duration, wire};

/// Sends numbered, timestamped UDP datagrams to an echo server and prints the round-trip time of each reply, the loss, and
/// min/avg/max/mdev.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Args {
    /// IPv4 or IPv6 address, or name, of the server
    pub host: String,
    /// UDP port of the server
    pub port: NonZeroU16,
    /// Pings to send
    #[arg(short, long, value_name = "N", default_value = "10")]
    pub count: NonZeroU32,
    /// Time from one send to the next
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// How long to wait for each reply
    #[arg(short = 'W', long, value_name = "DURATION", default_value = "2s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Bytes in a datagram, at least its text, which spaces pad
    #[arg(short, long, value_name = "BYTES", default_value = "32", value_parser = size)]
    pub size: usize,
    /// Print only the first line and the summary
    #[arg(short, long)]
    pub quiet: bool,
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Send from this port [default: one that the system chooses]
    #[arg(long, value_name = "PORT")]
    pub source_port: Option<NonZeroU16>,
    /// TTL, or hop limit, of the datagrams [default: the system's]
    #[arg(long, value_name = "HOPS")]
    pub ttl: Option<NonZeroU8>,
}

const AFTER_HELP: &str = "\
Durations: 200ms, 1s, 1m30s; a bare number is seconds.
Ends with success where at least one reply came.";

fn interval(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("must be more than zero".to_owned()),
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
