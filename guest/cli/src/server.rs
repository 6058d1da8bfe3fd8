//! The command line of the server.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use thiserror::Error;
use udping_core::duration;
use udping_core::server::DropRate;

use crate::address::Address;
use crate::contract::STAMP_PORT;
use crate::number::within;

/// Answers UDP datagrams with the same bytes, or as a STAMP reflector.
#[derive(Debug, Parser)]
#[command(name = "udping-server", version, after_help = AFTER_HELP)]
pub struct Args {
    /// UDP port to listen on; 0 for any that is free [default with --protocol stamp: 862]
    #[arg(value_parser = within::<u16>(0..=u16::MAX.into()))]
    pub port: Option<u16>,
    /// What the clients speak
    #[arg(long, value_enum, default_value_t = Spoken::Text)]
    pub protocol: Spoken,
    #[expect(clippy::doc_markdown, reason = "it is the help, too, which has no Markdown")]
    /// Listen on this address only; fe80::1%eth0 is one on a link [default: every IPv6 and IPv4
    /// address of the machine]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<Address>,
    /// Percentage of datagrams that are dropped on purpose
    #[arg(long, value_name = "PCT", default_value = "0", help_heading = LOSS, value_parser = drop_rate)]
    pub drop_rate: DropRate,
    /// Seed of the choice of datagrams to drop, for the same ones each time [default: random]
    #[arg(long, value_name = "N", help_heading = LOSS, value_parser = within::<u64>(0..=u64::MAX))]
    pub seed: Option<u64>,
    /// Answer in upper case, as the server of the UDP Pinger lab of Kurose and Ross's textbook does
    #[arg(long, help_heading = TEXT)]
    pub uppercase: bool,
    /// Answer nothing but well-formed pings
    #[arg(long, help_heading = TEXT)]
    pub pings_only: bool,
    /// Be a stateful reflector: number the replies to each sender, which tells it in which
    /// direction a ping was lost
    #[arg(long, help_heading = STAMP)]
    pub stateful: bool,
    /// Answer the shorter requests of TWAMP Light, too, with more bytes than they have: 44 for at
    /// least 14
    #[arg(long, help_heading = STAMP)]
    pub twamp_light: bool,
    /// Declare the clock synchronised to UTC by an external source, such as NTP
    #[arg(long, help_heading = STAMP)]
    pub clock_synced: bool,
    /// Lift the limits on what may be a loop between two servers: for networks in which no source
    /// address is forged
    #[arg(long, conflicts_with = "pings_only", help_heading = ABUSE)]
    pub echo_all: bool,
    /// With a key: refuse pings whose time differs from the server's by more than this
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = ABUSE, value_parser = duration::parse)]
    pub replay_window: Duration,
    /// Log a line for each datagram received and sent
    #[arg(short, long)]
    pub verbose: bool,
}

/// The headings of option groups, besides the most frequently used options.
const TEXT: &str = "With --protocol text";
const STAMP: &str = "With --protocol stamp";
const ABUSE: &str = "Protection from abuse";
const LOSS: &str = "Loss on purpose";

const AFTER_HELP: &str = "\
Examples:
  server 12000                                      echo on port 12000
  server 12000 --bind 127.0.0.1 -v                  on loopback only, with a log line per datagram
  server --protocol stamp --stateful                a STAMP reflector on port 862
  server 12000 --drop-rate 30 --seed 7              drop 30 % of the datagrams

Well-formed requests are answered at any rate: with text, `Ping NUMBER DATE`; with stamp, the packets of a Session-Sender. \
The same one again is answered 5 times at once, then once a second. Anything else may come from a server that answers this one: \
of it, each source address and port has 16 datagrams answered at once, then one a second. --echo-all lifts these limits.
Never answered: port 0, multicast and broadcast sources; with stamp, replies.
With a key in UDPING_KEY, 32 to 128 hexadecimal digits, it answers only pings that a client with that key has tagged, and \
each of them at most 5 times; with two, and a comma between them, with either. With stamp, that is the authenticated mode.
Under udping-host, --twamp-light needs the host option --amplification 4, before `server`.";

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spoken {
    /// Any bytes are answered with the same; pings are the text of the UDP Pinger lab
    Text,
    /// Simple Two-way Active Measurement Protocol (RFC 8762)
    Stamp,
}

/// Arguments that are invalid in combination.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Misuse {
    /// Only STAMP has a default port. The wording is clap's.
    #[error("the following required arguments were not provided: <PORT> (see --help)")]
    NoPort,
    /// An option that applies only to another protocol than the selected one.
    #[error("{0} is for --protocol {1} alone (see --help)")]
    OtherProtocol(&'static str, &'static str),
    /// TWAMP has another authenticated mode.
    #[error(
        "with a key, there are no requests of TWAMP Light: leave out --twamp-light, or UDPING_KEY"
    )]
    KeyedTwamp,
    /// With a key, only authenticated datagrams are answered, never all.
    #[error("with a key, only those who have it are answered: leave out --echo-all, or UDPING_KEY")]
    KeyedEchoAll,
}

impl Args {
    /// Returns the port to listen on.
    ///
    /// # Errors
    ///
    /// If none is given, and the protocol has no default.
    pub fn port(&self) -> Result<u16, Misuse> {
        match self.protocol {
            Spoken::Text => self.port.ok_or(Misuse::NoPort),
            Spoken::Stamp => Ok(self.port.unwrap_or(STAMP_PORT)),
        }
    }

    /// Checks that the options are valid in combination, and with a key, if `is_keyed`.
    ///
    /// # Errors
    ///
    /// If an option has no effect with the others.
    pub fn check(&self, is_keyed: bool) -> Result<(), Misuse> {
        let (text, stamp) = ((Spoken::Text, "text"), (Spoken::Stamp, "stamp"));
        for (is_given, option, (protocol, name)) in [
            (self.uppercase, "--uppercase", text),
            (self.pings_only, "--pings-only", text),
            (self.stateful, "--stateful", stamp),
            (self.twamp_light, "--twamp-light", stamp),
            (self.clock_synced, "--clock-synced", stamp),
        ] {
            if is_given && self.protocol != protocol {
                return Err(Misuse::OtherProtocol(option, name));
            }
        }
        match is_keyed {
            true if self.twamp_light => Err(Misuse::KeyedTwamp),
            true if self.echo_all => Err(Misuse::KeyedEchoAll),
            _ => Ok(()),
        }
    }
}

fn drop_rate(text: &str) -> Result<DropRate, &'static str> {
    text.parse().ok().and_then(DropRate::from_percent).ok_or("not a percentage from 0 to 100")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the port, if the options are valid.
    fn port(arguments: &[&str], is_keyed: bool) -> Result<u16, Misuse> {
        let args = Args::try_parse_from([&["server"], arguments].concat()).unwrap();
        args.check(is_keyed).and(args.port())
    }

    #[test]
    fn only_stamp_has_a_port_of_its_own() {
        assert_eq!(port(&["12000"], false), Ok(12_000));
        assert_eq!(port(&[], false), Err(Misuse::NoPort));
        assert_eq!(port(&["--protocol", "text"], false), Err(Misuse::NoPort));
        assert_eq!(port(&["--protocol", "stamp"], false), Ok(862));
        assert_eq!(port(&["0", "--protocol", "stamp"], false), Ok(0));
    }

    #[test]
    fn an_option_goes_with_its_protocol_alone() {
        for (option, own, other) in [
            ("--uppercase", "text", "stamp"),
            ("--pings-only", "text", "stamp"),
            ("--stateful", "stamp", "text"),
            ("--twamp-light", "stamp", "text"),
            ("--clock-synced", "stamp", "text"),
        ] {
            assert_eq!(port(&["7", "--protocol", own, option], false), Ok(7));
            assert_eq!(
                port(&["7", "--protocol", other, option], false),
                Err(Misuse::OtherProtocol(option, own))
            );
        }
        assert_eq!(
            port(&["7", "--stateful"], false),
            Err(Misuse::OtherProtocol("--stateful", "stamp"))
        );
        let message = Misuse::OtherProtocol("--stateful", "stamp").to_string();
        assert_eq!(message, "--stateful is for --protocol stamp alone (see --help)");
    }

    #[test]
    fn echo_all_conflicts_with_a_key_and_with_pings_only() {
        for protocol in ["text", "stamp"] {
            assert_eq!(
                port(&["7", "--protocol", protocol, "--echo-all"], true),
                Err(Misuse::KeyedEchoAll)
            );
            assert_eq!(port(&["7", "--protocol", protocol, "--echo-all"], false), Ok(7));
        }
        assert!(Args::try_parse_from(["server", "7", "--echo-all", "--pings-only"]).is_err());
    }

    #[test]
    fn twamp_light_has_no_key() {
        assert_eq!(port(&["--protocol", "stamp", "--twamp-light"], true), Err(Misuse::KeyedTwamp));
        assert_eq!(port(&["--protocol", "stamp", "--twamp-light"], false), Ok(862));
        assert_eq!(port(&["--protocol", "stamp", "--stateful", "--clock-synced"], true), Ok(862));
    }
}
