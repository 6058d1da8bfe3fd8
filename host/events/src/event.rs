//! What a client writes, as far as it is read.

use std::borrow::Cow;

use serde::Deserialize;
use udping_results::{Nanoseconds, Timestamp};

/// An event of `client --format jsonl`. It is read thousands of times a second: a tagged enum of all
/// events ([`udping_results::Event`]) takes several times as long.
#[derive(Debug, Deserialize)]
pub struct Event<'a> {
    /// What happened.
    #[serde(rename = "event")]
    pub kind: &'a str,
    /// The time of the event since the start of the run.
    pub t_ns: Option<u64>,
    /// The index of the target.
    pub target: Option<usize>,
    /// The port that the ping was sent from.
    pub source_port: Option<u16>,
    /// The sequence number of the ping.
    pub seq: Option<u32>,
    /// The time from the send of the ping to the reply.
    pub rtt_ns: Option<u64>,
    /// The number of dropped lines.
    pub lines: Option<u64>,
    /// The previous address of a target.
    #[serde(borrow)]
    pub from: Option<&'a str>,
    /// Its new address.
    pub to: Option<&'a str>,
    /// The error of the network or the socket.
    #[serde(borrow)]
    pub reason: Option<Cow<'a, str>>,
}

/// The first event.
#[derive(Debug, Deserialize)]
pub struct Start {
    /// The hosts that were named.
    pub targets: Vec<udping_results::Target>,
    /// When the run started.
    pub started: Option<Timestamp>,
    /// Its settings, as far as they are read.
    pub config: Option<Config>,
}

/// Settings of a run.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// How long after it was sent a ping is lost.
    pub timeout_ns: Nanoseconds,
}

/// A record of `--log json`.
#[derive(Debug, Deserialize)]
pub struct LogRecord {
    /// How severe it is.
    pub level: String,
    /// What happened, in the audit trail.
    pub event: Option<String>,
    /// The same in words.
    pub message: Option<String>,
    /// The number of records like it that were not written.
    pub suppressed: Option<u64>,
    /// What the client wrote to its standard error.
    pub line: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_whatever_else_it_has() {
        let line = br#"{"event":"reply","t_ns":7,"time":"x","target":1,"source_port":9,"seq":3,"bytes":32,"rtt_ns":5}"#;
        let event: Event<'_> = serde_json::from_slice(line).unwrap();
        let read = (event.kind, event.t_ns, event.target, event.source_port, event.seq);
        assert_eq!(read, ("reply", Some(7), Some(1), Some(9), Some(3)));
        assert_eq!((event.rtt_ns, event.reason), (Some(5), None));
        let escaped = r#"{"event":"not_sent","reason":"a\u001bb"}"#;
        let event: Event<'_> = serde_json::from_str(escaped).unwrap();
        assert_eq!(event.reason.as_deref(), Some("a\u{1b}b"));
    }
}
