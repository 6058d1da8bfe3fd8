//! Lines for people, as ping prints them: one fact a line, units always written.

use std::fmt::{self, Write as _};
use std::time::Duration;

use udping_core::duration::{Millis, Plain};
use udping_core::one_way::SyncedSpreads;
use udping_core::pinger::{Event, FlowId, Happened, ReplyKind, Results};
use udping_core::stamp::ErrorEstimate;
use udping_core::stats::Spread;
use udping_core::summary::{Punctuality, Summary};

use crate::{Exporter, Run};

/// `--format text`.
#[derive(Debug, Default)]
pub struct Text;

impl Exporter for Text {
    fn start(&mut self, run: &Run, out: &mut String) {
        for target in &run.targets {
            if let Err(reason) = &target.address {
                *out += &format!("{}: not pinged: {reason}\n", target.host);
            }
        }
        let (size, keyed) = (run.datagram, if run.config.codec.keys.is_some() { ", keyed" } else { "" });
        *out += &match run.flows.as_slice() {
            [flow] => {
                let (host, address) = (&run.targets[flow.target].host, flow.address);
                format!("PING {host} ({}) port {}/udp: {size}-byte datagrams{keyed}\n", address.ip(), address.port())
            }
            flows => {
                let (count, ports) = (run.config.targets.len(), run.config.source_ports);
                debug_assert_eq!(flows.len(), count * ports.get());
                format!("PING {count} targets from {ports} ports: {size}-byte datagrams{keyed}\n")
            }
        };
    }

    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String) {
        let line = Line { run, event: &happened.event };
        if run.settings.quiet || matches!(happened.event, Event::Sent(..) | Event::Settled(..)) {
            return;
        }
        // Writing to a string cannot fail.
        let _ = if run.settings.timestamps {
            writeln!(out, "{} {line}", run.timestamp(happened.at))
        } else {
            writeln!(out, "{line}")
        };
    }

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        let _ = match run.flows.as_slice() {
            [flow] => {
                let host = &run.targets[flow.target].host;
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                writeln!(out, "\n--- {host}:{} ping statistics ---", flow.address.port())
            }
            flows => {
                *out += "\n--- ping statistics ---\n";
                for (id, (flow, summary)) in flows.iter().zip(&results.flows).enumerate() {
                    let _ = write!(out, "{} {}: {}", run.targets[flow.target].host, Name(run, FlowId(id)), Counts(summary));
                    if let Some(rtt) = summary.rtt {
                        let _ = write!(out, ", rtt {}", MinAvgMax(rtt));
                    }
                    out.push('\n');
                }
                writeln!(out, "in all:")
            }
        };
        let _ = writeln!(out, "{}", Closing { summary: &results.total, punctuality: &results.punctuality });
    }
}

/// Where a flow goes to, and from where, if there are several ports.
struct Name<'a>(&'a Run, FlowId);

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
    event: &'a Event,
}

impl Line<'_> {
    /// What stands before a line about a ping that does not name its flow.
    fn prefix(&self, flow: FlowId) -> String {
        if self.run.flows.len() == 1 { String::new() } else { format!("{}: ", Name(self.run, flow)) }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Event::Reply { flow, seq, bytes, rtt, kind } => {
                let flow = self.run.flow(*flow);
                write!(f, "{bytes} bytes from {}", flow.address)?;
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
            Event::Lost(flow, seq) => {
                let timeout = Plain(self.run.config.timeout);
                write!(f, "{}seq={seq} lost: no reply within {timeout}", self.prefix(*flow))
            }
            Event::NotSent(flow, seq, reason) => write!(f, "{}seq={seq} not sent: {reason}", self.prefix(*flow)),
            Event::NetworkError(reason) => match self.run.flows.as_slice() {
                [flow] => write!(f, "from {}: {reason}", flow.address),
                _ => write!(f, "from the network: {reason}"),
            },
            Event::Foreign { from, bytes } => write!(f, "{bytes} bytes from {from}: not a reply to any ping of this run"),
            Event::Sent(..) | Event::Settled(..) => Ok(()),
        }
    }
}

/// What is counted in every case.
struct Counts<'a>(&'a Summary);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0;
        write!(f, "{} sent, {} received, {} lost ({:.1} %)", s.sent, s.received, s.lost, 100.0 * s.loss_ratio())
    }
}

struct MinAvgMax(Spread);

impl fmt::Display for MinAvgMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, avg, max] = [self.0.min, self.0.mean, self.0.max].map(Millis);
        write!(f, "min/avg/max = {min}/{avg}/{max} ms")
    }
}

/// `NAME p50/p99/max = ...`, where there are percentiles, else `NAME avg/max = ...`.
struct Typical<'a>(&'a str, Spread);

impl fmt::Display for Typical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, spread) = self;
        match spread.percentiles {
            Some(p) => write!(f, "{name} p50/p99/max = {}/{}/{} ms", Millis(p.p50), Millis(p.p99), Millis(spread.max)),
            None => write!(f, "{name} avg/max = {}/{} ms", Millis(spread.mean), Millis(spread.max)),
        }
    }
}

/// How far one-way delays are to be believed.
struct Clocks(SyncedSpreads);

impl fmt::Display for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SyncedSpreads { below_zero, sender, reflector, .. } = self.0;
        f.write_str("clocks: here ")?;
        clock(sender, f)?;
        f.write_str(", there ")?;
        match reflector {
            Some(reflector) => clock(reflector, f)?,
            None => f.write_str("unknown")?,
        }
        if below_zero > 0 { write!(f, "; {below_zero} delays below zero, so they do not agree") } else { Ok(()) }
    }
}

fn clock(error: ErrorEstimate, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error.error() {
        Some(error) => write!(f, "+-{}", Rounded(error))?,
        None => f.write_str("of no valid error")?,
    }
    f.write_str(if error.is_synchronised() { " of UTC" } else { " (not said to be synchronised)" })
}

/// The lines at the end of a run.
struct Closing<'a> {
    summary: &'a Summary,
    punctuality: &'a Punctuality,
}

impl fmt::Display for Closing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, p) = (self.summary, self.punctuality);
        write!(f, "{}, {} duplicates, {} late", Counts(s), s.duplicates, s.late)?;
        for (count, name) in [
            (s.reordered, "reordered"),
            (s.awaited, "still awaited when stopped"),
            (s.foreign, "foreign"),
            (s.send_errors, "not sent"),
            (p.missed_slots, "slots missed"),
        ] {
            if count > 0 {
                write!(f, ", {count} {name}")?;
            }
        }
        if s.longest_loss_burst > 0 {
            write!(f, "\nlongest loss {} in a row, longest outage {}", s.longest_loss_burst, Rounded(s.longest_outage))?;
        }
        if let Some(losses) = s.directed_losses.filter(|_| s.lost > 0) {
            write!(
                f,
                "\nlost {} on the way there, {} on the way back, {} on either way",
                losses.up, losses.down, losses.unknown
            )?;
        }
        if let Some(rtt) = &s.rtt {
            let [min, avg, max, mdev] = [rtt.min, rtt.mean, rtt.max, rtt.stddev].map(Millis);
            write!(f, "\nrtt min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms")?;
            if let Some(p) = &rtt.percentiles {
                let [p50, p90, p95, p99, p99_9] = [p.p50, p.p90, p.p95, p.p99, p.p99_9].map(Millis);
                write!(f, "\nrtt p50/p90/p95/p99/p99.9 = {p50}/{p90}/{p95}/{p99}/{p99_9} ms")?;
            }
        }
        if let Some(ipdv) = s.ipdv {
            write!(f, "\n{}", Typical("ipdv", ipdv))?;
            if let Some(jitter) = s.jitter {
                write!(f, ", jitter (RFC 3550) = {} ms", Millis(jitter))?;
            }
        }
        if let Some(one_way) = &s.one_way {
            for (name, spread) in [
                ("rtt without the reflector's time", one_way.net_rtt),
                ("reflector's time", one_way.processing),
                ("variation there", one_way.up_variation),
                ("variation back", one_way.down_variation),
                ("delay there", one_way.synced.and_then(|synced| synced.up_delay)),
                ("delay back", one_way.synced.and_then(|synced| synced.down_delay)),
            ] {
                if let Some(spread) = spread {
                    write!(f, "\n{}", Typical(name, spread))?;
                }
            }
            if let Some(synced) = one_way.synced {
                write!(f, "\n{}", Clocks(synced))?;
            }
        }
        if let Some(scheduled) = s.scheduled_rtt {
            write!(f, "\n{}", Typical("rtt from schedule", scheduled))?;
        }
        if let (Some(timer), Some(call)) = (p.timer_error, p.send_call) {
            write!(f, "\nsender: {}, {}", Typical("timer error", timer), Typical("send call", call))?;
        }
        Ok(())
    }
}

/// A duration to the microsecond, or, from a millisecond on, to the millisecond's thousandth part of its unit.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{} ms", Millis(self.0))
        } else {
            write!(f, "{:.3} s", self.0.as_secs_f64())
        }
    }
}
