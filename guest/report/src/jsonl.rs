//! A JSON object a line for each thing that happens, when it happens (docs/events.schema.json).

use serde::Serialize;
use udping_core::Instant;
use udping_core::Seq;
use udping_core::client::{Event, FlowId, Happened, ReplyKind, Results};

use crate::json::json;
use crate::views::{ConfigView, ReceiverView, SenderView, SummaryView, TargetView, nanos};
use crate::{Exporter, Run};

/// `--format jsonl`.
#[derive(Debug, Default)]
pub struct JsonLines;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Start {
        started: String,
        config: ConfigView,
        targets: Vec<TargetView<'a>>,
    },
    Sent(Ping),
    Reply(Reply),
    Late(Reply),
    Duplicate(Reply),
    Lost(Ping),
    NotSent {
        #[serde(flatten)]
        ping: Ping,
        reason: &'a str,
    },
    NetworkError {
        t_ns: u64,
        time: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        source_port: Option<u16>,
        reason: &'a str,
    },
    AddressChanged {
        t_ns: u64,
        time: String,
        target: usize,
        from: String,
        to: String,
    },
    Foreign {
        t_ns: u64,
        time: String,
        from: String,
        bytes: usize,
    },
    Dropped {
        t_ns: u64,
        time: String,
        lines: u64,
    },
    // Much larger than the lines that are made for each ping.
    Summary {
        time: String,
        duration_ns: u64,
        total: Box<SummaryView>,
        sender: Box<SenderView>,
        receiver: ReceiverView,
    },
}

#[derive(Serialize)]
struct Ping {
    t_ns: u64,
    time: String,
    target: usize,
    source_port: u16,
    seq: u32,
}

#[derive(Serialize)]
struct Reply {
    #[serde(flatten)]
    ping: Ping,
    bytes: usize,
    rtt_ns: u64,
}

impl<'a> Line<'a> {
    fn of(run: &Run, happened: &'a Happened) -> Option<Self> {
        let t_ns = nanos(run.since_start(happened.at));
        let ping = |flow: FlowId, seq: Seq| {
            let name = run.flow(flow);
            Ping {
                t_ns,
                time: run.timestamp(happened.at),
                target: name.target,
                source_port: name.source_port,
                seq: seq.0,
            }
        };
        Some(match &happened.event {
            Event::Sent(flow, seq) => Self::Sent(ping(*flow, *seq)),
            Event::Lost(flow, seq, _) => Self::Lost(ping(*flow, *seq)),
            Event::NotSent(flow, seq, _, reason) => {
                Self::NotSent { ping: ping(*flow, *seq), reason }
            }
            Event::NetworkError(flow, reason) => {
                let (time, name) = (run.timestamp(happened.at), flow.map(|flow| run.flow(flow)));
                let (target, source_port) =
                    (name.map(|name| name.target), name.map(|name| name.source_port));
                Self::NetworkError { t_ns, time, target, source_port, reason }
            }
            Event::AddressChanged { target, from, to } => {
                let (time, target) = (run.timestamp(happened.at), run.flows[*target].target);
                Self::AddressChanged {
                    t_ns,
                    time,
                    target,
                    from: from.to_string(),
                    to: to.to_string(),
                }
            }
            Event::Foreign { from, bytes } => {
                let (time, from) = (run.timestamp(happened.at), from.to_string());
                Self::Foreign { t_ns, time, from, bytes: *bytes }
            }
            Event::Reply { flow, seq, bytes, rtt, kind, .. } => {
                let reply = Reply { ping: ping(*flow, *seq), bytes: *bytes, rtt_ns: nanos(*rtt) };
                match kind {
                    ReplyKind::InTime => Self::Reply(reply),
                    ReplyKind::Late => Self::Late(reply),
                    ReplyKind::Duplicate => Self::Duplicate(reply),
                }
            }
            Event::Settled(..) => return None,
        })
    }
}

fn push(line: Line<'_>, out: &mut String) {
    *out += &json(line);
    out.push('\n');
}

impl Exporter for JsonLines {
    fn start(&mut self, run: &Run, out: &mut String) {
        let targets = run.targets.iter().map(TargetView::from).collect();
        push(
            Line::Start { started: run.timestamp(run.start), config: ConfigView::of(run), targets },
            out,
        );
    }

    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String) {
        if let Some(line) = Line::of(run, happened) {
            push(line, out);
        }
    }

    fn dropped(&mut self, run: &Run, at: Instant, lines: u64, out: &mut String) {
        push(
            Line::Dropped { t_ns: nanos(run.since_start(at)), time: run.timestamp(at), lines },
            out,
        );
    }

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        let (total, sender) =
            (SummaryView::from(&results.total), SenderView::from(&results.punctuality));
        let (time, duration_ns) = (run.now(), nanos(results.duration));
        let (total, sender, receiver) = (Box::new(total), Box::new(sender), results.into());
        push(Line::Summary { time, duration_ns, total, sender, receiver }, out);
    }
}
