//! Text lines as ping prints them: one fact per line, always with units.

use std::fmt::{self, Write as _};

use udping_core::Instant;
use udping_core::client::{Event, FlowId, Happened, ReplyKind, Results};
use udping_core::duration::{Millis, Plain};
use udping_core::stats::{Fate, Sent};

use crate::units::Short;
use crate::{Exporter, Run, summary};

/// The maximum number of lines for pings that were still awaited when the run was stopped. The
/// summary counts all.
const MOST_AWAITED: usize = 10;

/// The exporter of `--format text`.
#[derive(Debug, Default)]
pub struct Text {
    awaited: usize,
}

impl Exporter for Text {
    fn start(&mut self, run: &Run, out: &mut String) {
        for target in &run.targets {
            if let Err(reason) = &target.address {
                *out += &format!("{}: not pinged: {reason}\n", target.host);
            }
        }
        let (size, keyed) =
            (run.datagram, if run.config.codec.keys.is_some() { ", keyed" } else { "" });
        *out += &match run.flows.as_slice() {
            [flow] => {
                let (host, address) = (&run.targets[flow.target].host, flow.address);
                format!(
                    "PING {host} ({}) port {}/udp: {size}-byte datagrams{keyed}\n",
                    address.ip(),
                    address.port()
                )
            }
            flows => {
                let (count, ports) = (run.config.targets.len(), run.config.source_ports);
                debug_assert_eq!(flows.len(), count * ports.get());
                let ports =
                    if ports.get() == 1 { "1 port".to_owned() } else { format!("{ports} ports") };
                let together = if run.config.is_on_grid() {
                    format!(", together every {}", Short(run.config.grid))
                } else {
                    String::new()
                };
                format!(
                    "PING {count} targets from {ports}: {size}-byte datagrams{keyed}{together}\n"
                )
            }
        };
    }

    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String) {
        let line = Line { run, happened };
        match &happened.event {
            _ if run.settings.quiet => return,
            Event::Settled(.., Sent { fate: Fate::Awaited, .. }) if self.awaited < MOST_AWAITED => {
                self.awaited += 1;
            }
            Event::Sent(..) | Event::Settled(..) => return,
            _ => {}
        }
        let is_bad = matches!(happened.event, Event::Lost(..) | Event::NotSent(..));
        let line = run.settings.style.alarm(is_bad, &line.to_string());
        // Writing to a string cannot fail.
        let _ = if run.settings.timestamps {
            writeln!(out, "{} {line}", run.timestamp(happened.at))
        } else {
            writeln!(out, "{line}")
        };
    }

    fn interim(&mut self, run: &Run, results: &Results, out: &mut String) {
        let time = if run.settings.timestamps { format!("{} ", run.now()) } else { String::new() };
        *out += &format!("{time}{}\n", summary::interim(run, results));
    }

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        summary::write(run, results, out);
    }

    fn dropped(&mut self, run: &Run, at: Instant, lines: u64, out: &mut String) {
        let time =
            if run.settings.timestamps { format!("{} ", run.timestamp(at)) } else { String::new() };
        *out += &format!(
            "{time}{lines} lines were not written: the reader of the output was too slow\n"
        );
    }
}

/// The name of a flow: its destination and, if there are several, its source port.
pub struct Name<'a>(pub &'a Run, pub FlowId);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.0.flow(self.1);
        write!(f, "{}", flow.address)?;
        if self.0.config.source_ports.get() > 1 {
            write!(f, " from port {}", flow.source_port)?;
        }
        Ok(())
    }
}

/// The line of one event.
struct Line<'a> {
    run: &'a Run,
    happened: &'a Happened,
}

impl Line<'_> {
    /// Returns the prefix of lines about a ping that do not otherwise name its flow.
    fn prefix(&self, flow: FlowId) -> String {
        if self.run.flows.len() == 1 {
            String::new()
        } else {
            format!("{}: ", Name(self.run, flow))
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.happened.event {
            Event::Reply { flow, seq, from, bytes, rtt, kind, .. } => {
                let flow = self.run.flow(*flow);
                write!(f, "{bytes} bytes from {from}")?;
                if self.run.config.source_ports.get() > 1 {
                    write!(f, " to port {}", flow.source_port)?;
                }
                write!(f, ": seq={seq} rtt={} ms", Millis(*rtt))?;
                match kind {
                    ReplyKind::InTime => Ok(()),
                    ReplyKind::Late => f.write_str(" (late)"),
                    ReplyKind::Duplicate => f.write_str(" (duplicate)"),
                }
            }
            Event::Lost(flow, seq, _) => {
                let timeout = Plain(self.run.config.timeout);
                write!(f, "{}seq={seq} lost: no reply within {timeout}", self.prefix(*flow))
            }
            Event::NotSent(flow, seq, _, reason) => {
                write!(f, "{}seq={seq} not sent: {reason}", self.prefix(*flow))
            }
            Event::NetworkError(flow, reason) => match (flow, self.run.flows.as_slice()) {
                (Some(flow), _) => write!(f, "from {}: {reason}", Name(self.run, *flow)),
                (None, [flow]) => write!(f, "from {}: {reason}", flow.address),
                (None, _) => write!(f, "from the network: {reason}"),
            },
            Event::AddressChanged { target, from, to } => {
                let target = &self.run.targets[self.run.flows[*target].target];
                write!(
                    f,
                    "{} port {}: address changed from {} to {}",
                    target.host,
                    target.port,
                    from.ip(),
                    to.ip()
                )
            }
            Event::Foreign { from, bytes } => {
                write!(f, "{bytes} bytes from {from}: not a reply to any ping of this run")
            }
            Event::Settled(flow, seq, sent) if sent.fate == Fate::Awaited => {
                let span = Short(self.happened.at.since(sent.at));
                write!(
                    f,
                    "{}seq={seq} awaited: stopped {span} after it was sent",
                    self.prefix(*flow)
                )
            }
            Event::Sent(..) | Event::Settled(..) => Ok(()),
        }
    }
}
