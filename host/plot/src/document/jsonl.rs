//! Reads the events of a run (`--format jsonl`), also of one that was killed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read as _};

use serde::Deserialize;
use udping_results::{Nanoseconds, Timestamp};

use super::{Config, Document, Fate, Flow, Ping, ReadError, Spread, Summary, Target};

/// The maximum length of a line, in bytes: the first lists all targets.
const LONGEST: u64 = 64 << 20;

/// An event, as far as it is drawn.
#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(rename = "event", borrow)]
    kind: Cow<'a, str>,
    t_ns: Option<Nanoseconds>,
    target: Option<u32>,
    source_port: Option<u16>,
    seq: Option<u32>,
    rtt_ns: Option<Nanoseconds>,
}

/// The first event.
#[derive(Debug, Deserialize)]
struct Start {
    started: Timestamp,
    config: Config,
    targets: Vec<Target>,
}

/// The last event.
#[derive(Debug, Deserialize)]
struct End {
    flows: Vec<Flow>,
    total: Summary,
}

/// A ping is known by its target, source port and sequence number.
type Key = (u32, u16, u32);

/// What has been read of a run.
#[derive(Debug, Default)]
struct Run {
    start: Option<Start>,
    pings: Vec<Ping>,
    /// Where each ping stands in `pings`.
    known: HashMap<Key, usize>,
    end: Option<End>,
}

/// Whether a stream that begins with `head` is one of events: their first member says which it is.
pub(super) fn is_in(head: &[u8]) -> bool {
    let mut tokens = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    b"{\"event\":".iter().all(|byte| tokens.next() == Some(byte))
}

/// Reads the events of a run.
///
/// # Errors
///
/// If the first is not its start, or one is none. Where the last line is cut off, or the end of the
/// run is missing, what there is is returned.
pub(super) fn read(mut from: impl BufRead) -> Result<Document, ReadError> {
    let mut run = Run::default();
    let (mut text, mut line) = (Vec::new(), 0);
    loop {
        text.clear();
        let length = (&mut from).take(LONGEST).read_until(b'\n', &mut text);
        if length.map_err(ReadError::Io)? == 0 {
            break;
        }
        line += 1;
        let is_whole = text.ends_with(b"\n");
        match run.event(&text) {
            Ok(()) => {}
            // The writer was killed in the middle of it.
            Err(_) if !is_whole && line > 1 => break,
            Err(error) => return Err(ReadError::Line { line, error: error.into() }),
        }
    }
    run.document()
}

impl Run {
    /// Takes an event. Unknown ones are ignored.
    fn event(&mut self, text: &[u8]) -> Result<(), String> {
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let kind = event.kind.as_ref();
        if (kind == "start") != self.start.is_none() {
            let problem = if kind == "start" { "another run starts" } else { "no start before it" };
            return Err(problem.to_owned());
        }
        match kind {
            "start" => {
                let start = serde_json::from_slice(text).map_err(|error| error.to_string())?;
                self.start = Some(start);
            }
            "summary" => {
                let end = serde_json::from_slice(text).map_err(|error| error.to_string())?;
                self.end = Some(end);
            }
            "sent" | "not_sent" | "reply" | "lost" | "late" | "duplicate" => {
                self.ping(kind, &event).ok_or_else(|| format!("{kind:?} lacks a member"))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn ping(&mut self, kind: &str, event: &Event<'_>) -> Option<()> {
        let key = (event.target?, event.source_port?, event.seq?);
        let at = event.t_ns?.0;
        let rtt = event.rtt_ns.map(|rtt| rtt.0);
        let fate = match kind {
            "sent" => Fate::Awaited,
            "not_sent" => Fate::NotSent,
            "reply" | "duplicate" => Fate::Received { rtt: rtt? },
            "late" => Fate::Late { rtt: rtt? },
            _ => Fate::Lost,
        };
        // The line of its send may have been dropped, where the reader of the output was slow.
        let index = *self.known.entry(key).or_insert_with(|| {
            let (target, source_port, _) = key;
            let at = at.saturating_sub(rtt.unwrap_or(0));
            self.pings.push(Ping { at, fate, target, source_port, duplicates: 0 });
            self.pings.len() - 1
        });
        let ping = self.pings.get_mut(index)?;
        if kind == "duplicate" {
            ping.duplicates = ping.duplicates.saturating_add(1);
        } else {
            ping.fate = fate;
        }
        Some(())
    }

    fn document(self) -> Result<Document, ReadError> {
        let Some(Start { started, config, targets }) = self.start else {
            return Err(ReadError::Missing("start"));
        };
        let is_complete = self.end.is_some();
        let End { flows, total } = self.end.unwrap_or_else(|| summarized(&self.pings));
        let pings = self.pings;
        let started = started.into();
        Document { started, config, targets, pings, flows, total, is_complete }.checked()
    }
}

/// The summary of a run that has none. Percentiles are computed where they are drawn.
fn summarized(pings: &[Ping]) -> End {
    let mut flows = BTreeMap::<_, Vec<&Ping>>::new();
    for ping in pings {
        flows.entry((ping.target, ping.source_port)).or_default().push(ping);
    }
    End {
        flows: flows
            .into_iter()
            .map(|((target, source_port), pings)| Flow {
                target,
                source_port,
                summary: summary(pings.into_iter()),
            })
            .collect(),
        total: summary(pings.iter()),
    }
}

fn summary<'a>(pings: impl Iterator<Item = &'a Ping>) -> Summary {
    let mut summary = Summary::default();
    let mut rtts = Vec::new();
    for ping in pings {
        summary.duplicates += u64::from(ping.duplicates);
        let of = match ping.fate {
            Fate::NotSent => {
                summary.send_errors += 1;
                continue;
            }
            Fate::Received { rtt } => {
                rtts.push(rtt);
                &mut summary.received
            }
            Fate::Late { .. } => &mut summary.late,
            Fate::Lost => &mut summary.lost,
            Fate::Awaited => &mut summary.awaited,
        };
        *of += 1;
        summary.sent += 1;
    }
    let settled = summary.sent - summary.awaited;
    if settled > 0 {
        summary.loss_ratio = summary.lost as f64 / settled as f64;
    }
    summary.rtt = spread(&rtts);
    summary
}

fn spread(rtts: &[u64]) -> Option<Spread> {
    let (min, max) = (rtts.iter().min()?, rtts.iter().max()?);
    let count = rtts.len() as f64;
    let mean = rtts.iter().map(|rtt| *rtt as f64).sum::<f64>() / count;
    let variance = rtts.iter().map(|rtt| (*rtt as f64 - mean).powi(2)).sum::<f64>() / count;
    Some(Spread {
        min_ns: Nanoseconds(*min),
        mean_ns: Nanoseconds(mean.round() as u64),
        stddev_ns: Nanoseconds(variance.sqrt().round() as u64),
        max_ns: Nanoseconds(*max),
        ..Spread::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_from_a_document_by_their_first_member() {
        for (head, is_events) in [
            ("{\"event\":\"start\"", true),
            (" {\n \"event\" : \"start\"", true),
            ("{\"format\":\"udping-results\"", false),
            ("{\"ev", false),
            ("PING", false),
            ("", false),
        ] {
            assert_eq!(is_in(head.as_bytes()), is_events, "{head}");
        }
    }
}
