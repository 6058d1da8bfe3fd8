//! The lines that the server prints.

use std::fmt;
use std::net::SocketAddr;

use crate::seq::Seq;
use crate::server::buckets;
use crate::server::loops::ANSWERS;
use crate::server::{Counts, Refusal};

/// The server's first line.
#[derive(Debug)]
pub struct Listening<'a> {
    /// The local addresses of the server's sockets.
    pub addresses: &'a [SocketAddr],
    /// What the server does there.
    pub does: &'a str,
    /// Whether only senders with a key are answered.
    pub keyed: bool,
}

impl fmt::Display for Listening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("listening on ")?;
        for (i, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if i == 0 { "" } else { " and " })?;
        }
        write!(f, " (udp), {}{}", self.does, if self.keyed { ", keyed" } else { "" })
    }
}

/// The outcome of a datagram.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// The server received the datagram.
    Received,
    /// The server sent the datagram.
    Sent,
    /// The datagram was left unanswered on purpose.
    Dropped,
    /// The datagram must not be answered.
    Refused(Refusal),
}

/// The server's line for a datagram, with `-v`.
#[derive(Debug)]
pub struct Logged {
    /// The outcome of the datagram.
    pub fate: Fate,
    /// The address of the client.
    pub peer: SocketAddr,
    /// The length of the datagram's payload, in bytes.
    pub bytes: usize,
    /// The sequence number in the datagram, if there is one.
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

/// Describes the refused datagrams: one, or several.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortZero => "from port 0",
            Self::NoHost => "multicast or broadcast source",
            Self::Unauthentic => "without a valid tag",
            Self::NoPing => "other than a ping",
            Self::Answer => "is a reply",
            Self::Stale => "outside the replay window",
            Self::Repeated => "repeated",
            Self::RateExceeded => "not a request: over one a second",
        })
    }
}

/// The line that is printed once, when the first datagram is refused that `--echo-all` would have
/// answered.
#[derive(Debug)]
pub struct FirstLimited {
    /// The source of the datagram.
    pub peer: SocketAddr,
    /// The reason for which it was refused.
    pub refusal: Refusal,
}

impl FirstLimited {
    /// Returns `None` if the flag would make no difference.
    pub fn of(peer: SocketAddr, refusal: Refusal) -> Option<Self> {
        matches!(refusal, Refusal::Repeated | Refusal::RateExceeded)
            .then_some(Self { peer, refusal })
    }
}

impl fmt::Display for FirstLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, count) = match self.refusal {
            Refusal::Repeated => ("equal requests", u32::from(ANSWERS)),
            _ => ("malformed requests", buckets::DEPTH),
        };
        write!(
            f,
            "not every datagram from {} is answered, since two servers might be answering each other: {what} are answered \
             {count} times at once, then once per second; to answer everything: --echo-all (reported once)",
            self.peer
        )
    }
}

/// The server's last line.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} received, {} answered, {} dropped",
            self.received, self.answered, self.dropped
        )?;
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

/// The counts for a program: ` OUTCOME[/REASON]=COUNT` for each of them.
#[derive(Clone, Copy, Debug)]
pub struct Tally(pub Counts);

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Counts { answered, dropped, failed, refused, .. }) = self;
        write!(f, " answered={answered} dropped={dropped} not_sent={failed}")?;
        for refusal in Refusal::ALL {
            let reason = match refusal {
                Refusal::PortZero => "port_zero",
                Refusal::NoHost => "multicast_or_broadcast",
                Refusal::Unauthentic => "no_valid_tag",
                Refusal::NoPing => "no_ping",
                Refusal::Answer => "reply",
                Refusal::Stale => "replay_window",
                Refusal::Repeated => "repeated",
                Refusal::RateExceeded => "malformed_rate",
            };
            write!(f, " refused/{reason}={}", refused.of(refusal))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_where_it_listens_what_passes_and_what_it_did() {
        let both = ["[::]:12000".parse().unwrap(), "0.0.0.0:12000".parse().unwrap()];
        let listening = |addresses| Listening { addresses, does: "echoing", keyed: false };
        let log = |fate, bytes, seq: Option<u32>| Logged {
            fate,
            peer: both[0],
            bytes,
            seq: seq.map(Seq),
        };
        let counts = Counts { received: 4, answered: 2, dropped: 1, ..Counts::default() };
        let failed = Counts { failed: 1, ..counts };
        let mut refused = failed;
        (0..5).for_each(|_| refused.refused.count(Refusal::Repeated));
        refused.refused.count(Refusal::RateExceeded);
        let lines = [
            listening(&both[1..]).to_string(),
            listening(&both).to_string(),
            Listening { keyed: true, ..listening(&both[1..]) }.to_string(),
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
    fn the_first_refusal_that_a_flag_would_lift_names_it() {
        let peer = "192.0.2.7:5000".parse().unwrap();
        let said: Vec<_> = Refusal::ALL
            .into_iter()
            .filter_map(|refusal| FirstLimited::of(peer, refusal))
            .collect();
        assert_eq!(
            said[1].to_string(),
            "not every datagram from 192.0.2.7:5000 is answered, since two servers might be answering each other: malformed \
             requests are answered 16 times at once, then once per second; to answer everything: --echo-all (reported once)"
        );
        assert!(
            said[0]
                .to_string()
                .contains(": equal requests are answered 5 times at once, then once per second; ")
        );
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn a_program_gets_every_count() {
        let mut counts =
            Counts { received: 9, answered: 2, dropped: 1, failed: 3, ..Counts::default() };
        (0..3).for_each(|_| counts.refused.count(Refusal::Unauthentic));
        assert_eq!(
            Tally(counts).to_string(),
            " answered=2 dropped=1 not_sent=3 refused/port_zero=0 refused/multicast_or_broadcast=0 refused/no_valid_tag=3 \
             refused/no_ping=0 refused/reply=0 refused/replay_window=0 refused/repeated=0 refused/malformed_rate=0"
        );
    }

    #[test]
    fn every_reason_is_named_in_the_last_line() {
        let mut counts = Counts::default();
        for refusal in Refusal::ALL {
            counts.refused.count(refusal);
        }
        assert_eq!(
            counts.to_string(),
            "0 received, 0 answered, 0 dropped, 8 refused (1 from port 0, 1 multicast or broadcast source, \
             1 without a valid tag, 1 other than a ping, 1 is a reply, 1 outside the replay window, 1 repeated, \
             1 not a request: over one a second)"
        );
    }
}
