//! What client and server print: one fact a line, units always written.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::duration::{Millis, Plain};
use crate::pinger::{Event, ReplyKind, Summary};
use crate::seq::Seq;
use crate::server::{Counts, Refusal};

/// Whom a run pings, as the user said it and as it was resolved.
#[derive(Clone, Debug)]
pub struct Target {
    /// The host as the user wrote it.
    pub host: String,
    /// The address chosen for it.
    pub address: SocketAddr,
}

/// The first line of a run.
#[derive(Debug)]
pub struct Header<'a> {
    /// Who is pinged.
    pub target: &'a Target,
    /// Length of the datagrams, in bytes.
    pub size: usize,
}

impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { host, address } = self.target;
        write!(f, "PING {host} ({}) port {}/udp: {}-byte datagrams", address.ip(), address.port(), self.size)
    }
}

/// The line of one event.
#[derive(Debug)]
pub struct Line<'a> {
    /// What happened.
    pub event: &'a Event,
    /// Who is pinged.
    pub peer: SocketAddr,
    /// How long each ping is awaited.
    pub timeout: Duration,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Event::Reply { seq, bytes, rtt, kind } => {
                write!(f, "{bytes} bytes from {}: seq={seq} rtt={} ms", self.peer, Millis(*rtt))?;
                match kind {
                    ReplyKind::InTime => Ok(()),
                    ReplyKind::Late => f.write_str(" (late)"),
                    ReplyKind::Duplicate => f.write_str(" (duplicate)"),
                }
            }
            Event::Lost(seq) => write!(f, "seq={seq} lost: no reply within {}", Plain(self.timeout)),
            Event::NotSent(seq, reason) => write!(f, "seq={seq} not sent: {reason}"),
            Event::NetworkError(reason) => write!(f, "from {}: {reason}", self.peer),
            Event::Foreign { from, bytes } => write!(f, "{bytes} bytes from {from}: not a reply to any ping of this run"),
        }
    }
}

/// The lines at the end of a run.
#[derive(Debug)]
pub struct Closing<'a> {
    /// Who was pinged.
    pub target: &'a Target,
    /// What came of it.
    pub summary: &'a Summary,
}

impl fmt::Display for Closing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Target { host, address }, s) = (self.target, self.summary);
        if host.contains(':') {
            writeln!(f, "\n--- [{host}]:{} ping statistics ---", address.port())?;
        } else {
            writeln!(f, "\n--- {host}:{} ping statistics ---", address.port())?;
        }
        write!(f, "{} sent, {} received, {} lost ({:.1} %)", s.sent, s.received, s.lost, s.loss_percent())?;
        write!(f, ", {} duplicates, {} late", s.duplicates, s.late)?;
        for (count, name) in [
            (s.awaited, "still awaited when stopped"),
            (s.foreign, "foreign"),
            (s.send_errors, "not sent"),
            (s.missed_slots, "slots missed"),
        ] {
            if count > 0 {
                write!(f, ", {count} {name}")?;
            }
        }
        if let Some(rtt) = &s.rtt {
            let [min, avg, max, mdev] = [rtt.min, rtt.avg, rtt.max, rtt.mdev].map(Millis);
            write!(f, "\nrtt min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms")?;
        }
        Ok(())
    }
}

/// The server's first line.
#[derive(Debug)]
pub struct Listening<'a> {
    /// Where it listens.
    pub addresses: &'a [SocketAddr],
    /// What it does there.
    pub does: &'a str,
}

impl fmt::Display for Listening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("listening on ")?;
        for (i, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if i == 0 { "" } else { " and " })?;
        }
        write!(f, " (udp), {}", self.does)
    }
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It arrived.
    Received,
    /// It left.
    Sent,
    /// It was left unanswered on purpose.
    Dropped,
    /// It is not to be answered.
    Refused(Refusal),
}

/// The server's line for a datagram under `-v`.
#[derive(Debug)]
pub struct Logged {
    /// What became of it.
    pub fate: Fate,
    /// The other side.
    pub peer: SocketAddr,
    /// Its length.
    pub bytes: usize,
    /// The number it carries, if it does.
    pub seq: Option<Seq>,
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, preposition) = match self.fate {
            Fate::Received => ("received", "from"),
            Fate::Sent => ("sent", "to"),
            Fate::Dropped => ("dropped", "from"),
            Fate::Refused(_) => ("refused", "from"),
        };
        write!(f, "{verb} {} bytes {preposition} {}", self.bytes, self.peer)?;
        if let Some(seq) = self.seq {
            write!(f, ": seq={seq}")?;
        }
        match self.fate {
            Fate::Refused(refusal) => write!(f, " ({refusal})"),
            Fate::Received | Fate::Sent | Fate::Dropped => Ok(()),
        }
    }
}

/// What a datagram was that was refused; one, or several.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnPort => "from this server's own port",
            Self::LowPort => "from a port below 1024",
            Self::NoHost => "from no single host",
            Self::Unauthentic => "without a valid tag",
            Self::NoPing => "other than a ping",
            Self::Answer => "itself an answer",
            Self::Stale => "outside the replay window",
            Self::Repeated => "repeated",
        })
    }
}

/// The server's last line.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} received, {} answered, {} dropped", self.received, self.answered, self.dropped)?;
        if self.failed > 0 {
            write!(f, ", {} not sent", self.failed)?;
        }
        if self.refused.total() == 0 {
            return Ok(());
        }
        write!(f, ", {} refused (", self.refused.total())?;
        let reasons = Refusal::ALL.into_iter().map(|refusal| (self.refused.of(refusal), refusal));
        for (i, (count, refusal)) in reasons.filter(|(count, _)| *count > 0).enumerate() {
            write!(f, "{}{count} {refusal}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Seq;
    use crate::stats::RttSummary;

    fn target(host: &str, address: &str) -> Target {
        Target { host: host.to_owned(), address: address.parse().unwrap() }
    }

    fn summary() -> Summary {
        let [min, avg, max, mdev] = [98_000, 105_000, 112_000, 7_000].map(Duration::from_nanos);
        Summary {
            sent: 3,
            received: 2,
            late: 0,
            lost: 1,
            awaited: 0,
            duplicates: 0,
            foreign: 0,
            send_errors: 0,
            missed_slots: 0,
            rtt: Some(RttSummary { min, avg, max, mdev }),
        }
    }

    #[test]
    fn a_run_prints_as_ping_does() {
        let target = target("localhost", "127.0.0.1:12000");
        let rtt = Duration::from_nanos(112_000);
        let reply = |seq, kind| Event::Reply { seq: Seq(seq), bytes: 32, rtt, kind };
        let mut out = format!("{}\n", Header { target: &target, size: 32 });
        for event in [
            reply(1, ReplyKind::InTime),
            reply(1, ReplyKind::Duplicate),
            Event::Lost(Seq(2)),
            reply(2, ReplyKind::Late),
            Event::NotSent(Seq(3), "out of memory".to_owned()),
            Event::NetworkError("connection refused".to_owned()),
            Event::Foreign { from: "192.0.2.1:7".parse().unwrap(), bytes: 5 },
        ] {
            let line = Line { event: &event, peer: target.address, timeout: Duration::from_secs(2) };
            out += &format!("{line}\n");
        }
        out += &format!("{}\n", Closing { target: &target, summary: &summary() });
        insta::assert_snapshot!(out);
    }

    #[test]
    fn a_summary_names_what_went_wrong_and_only_that() {
        let target = target("::1", "[::1]:12000");
        let odd = Summary { awaited: 1, foreign: 2, send_errors: 3, missed_slots: 4, rtt: None, ..summary() };
        insta::assert_snapshot!(Closing { target: &target, summary: &odd });
    }

    #[test]
    fn a_server_says_where_it_listens_what_passes_and_what_it_did() {
        let both = ["[::]:12000".parse().unwrap(), "0.0.0.0:12000".parse().unwrap()];
        let listening = |addresses| Listening { addresses, does: "echoing" };
        let log = |fate, bytes, seq: Option<u32>| Logged { fate, peer: both[0], bytes, seq: seq.map(Seq) };
        let counts = Counts { received: 4, answered: 2, dropped: 1, ..Counts::default() };
        let failed = Counts { failed: 1, ..counts };
        let mut refused = failed;
        (0..5).for_each(|_| refused.refused.count(Refusal::Repeated));
        refused.refused.count(Refusal::LowPort);
        let lines = [
            listening(&both[1..]).to_string(),
            listening(&both).to_string(),
            log(Fate::Received, 10, Some(7)).to_string(),
            log(Fate::Sent, 10, Some(7)).to_string(),
            log(Fate::Dropped, 5, None).to_string(),
            log(Fate::Refused(Refusal::Repeated), 10, Some(7)).to_string(),
            log(Fate::Refused(Refusal::NoPing), 5, None).to_string(),
            log(Fate::Received, 42, Some(7)).to_string(),
            counts.to_string(),
            failed.to_string(),
            refused.to_string(),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn every_reason_is_named_in_the_last_line() {
        let mut counts = Counts::default();
        Refusal::ALL.into_iter().for_each(|refusal| counts.refused.count(refusal));
        assert_eq!(
            counts.to_string(),
            "0 received, 0 answered, 0 dropped, 8 refused (1 from this server's own port, 1 from a port below 1024, \
             1 from no single host, 1 without a valid tag, 1 other than a ping, 1 itself an answer, \
             1 outside the replay window, 1 repeated)"
        );
    }
}
