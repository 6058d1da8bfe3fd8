//! The command line of the server, as typed.

use std::net::IpAddr;
use std::time::Duration;

use clap::Parser;
use udping_core::duration;
use udping_core::server::DropRate;

/// Answers each UDP datagram with the same bytes, but for what looks like a loop between two servers.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Args {
    /// UDP port to listen on; 0 for any that is free
    pub port: u16,
    /// Listen on this address only [default: every IPv6 and IPv4 address of the machine]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<IpAddr>,
    /// Leave this share of the datagrams unanswered, in percent
    #[arg(long, value_name = "PCT", default_value = "0", value_parser = drop_rate)]
    pub drop_rate: DropRate,
    /// Choose those that are dropped from this seed, the same ones each time [default: random]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Answer in upper case, as the classic lab's server does
    #[arg(long)]
    pub uppercase: bool,
    /// Answer nothing but well-formed pings
    #[arg(long)]
    pub pings_only: bool,
    /// Answer ports below 1024, too, where other services listen
    #[arg(long)]
    pub allow_low_ports: bool,
    /// With a key: refuse pings whose time is further than this from the time here
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    pub replay_window: Duration,
    /// Log a line for each datagram received and sent
    #[arg(short, long)]
    pub verbose: bool,
}

const AFTER_HELP: &str = "\
Never answered: its own port, ports below 1024, multicast and broadcast addresses; and a datagram that one source sends
more than 5 times with pauses of at most 10 s.
With a key in UDPING_KEY, 32 to 128 hexadecimal digits, it answers only pings that a client with that key has tagged, and
each of them at most 5 times.";

fn drop_rate(text: &str) -> Result<DropRate, &'static str> {
    text.parse().ok().and_then(DropRate::from_percent).ok_or("not a percentage from 0 to 100")
}
