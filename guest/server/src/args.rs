//! The command line of the server, as typed.

use std::net::IpAddr;

use clap::Parser;
use udping_core::echo::DropRate;

/// Answers each UDP datagram with the same bytes.
#[derive(Debug, Parser)]
#[command(version)]
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
    /// Log a line for each datagram received and sent
    #[arg(short, long)]
    pub verbose: bool,
}

fn drop_rate(text: &str) -> Result<DropRate, &'static str> {
    text.parse().ok().and_then(DropRate::from_percent).ok_or("not a percentage from 0 to 100")
}
