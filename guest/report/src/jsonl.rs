//! JSON Lines: one JSON object for each event, as it happens (docs/events.schema.json).

use udping_core::Instant;
use udping_core::Seq;
use udping_core::client::{Event, FlowId, Happened, ReplyKind, Results};
use udping_results as results;

use crate::document::{self, index};
use crate::json::json;
use crate::{Exporter, Run};

/// The exporter of `--format jsonl`.
#[derive(Debug, Default)]
pub struct JsonLines;

/// Converts an event; `None` if the line of another event contains all of it.
fn line(run: &Run, happened: &Happened) -> Option<results::Event> {
    let t_ns = run.since_start(happened.at).into();
    let time = run.timestamp(happened.at);
    let ping = |flow: FlowId, seq: Seq| {
        let flow = run.flow(flow);
        results::Ping {
            t_ns,
            time,
            target: index(flow.target),
            source_port: flow.source_port,
            seq: seq.0,
        }
    };
    Some(match &happened.event {
        Event::Sent(flow, seq) => results::Event::Sent(ping(*flow, *seq)),
        Event::Lost(flow, seq, _) => results::Event::Lost(ping(*flow, *seq)),
        Event::NotSent(flow, seq, _, reason) => {
            results::Event::NotSent { ping: ping(*flow, *seq), reason: reason.clone() }
        }
        Event::NetworkError(flow, reason) => {
            let flow = flow.map(|flow| run.flow(flow));
            results::Event::NetworkError {
                t_ns,
                time,
                target: flow.map(|flow| index(flow.target)),
                source_port: flow.map(|flow| flow.source_port),
                reason: reason.clone(),
            }
        }
        Event::AddressChanged { target, from, to } => results::Event::AddressChanged {
            t_ns,
            time,
            target: index(run.flows[*target].target),
            from: from.to_string(),
            to: to.to_string(),
        },
        Event::Foreign { from, bytes } => {
            results::Event::Foreign { t_ns, time, from: from.to_string(), bytes: *bytes as u64 }
        }
        Event::Reply { flow, seq, bytes, rtt, kind, .. } => {
            let reply = results::Reply {
                ping: ping(*flow, *seq),
                bytes: *bytes as u64,
                rtt_ns: (*rtt).into(),
            };
            match kind {
                ReplyKind::InTime => results::Event::Reply(reply),
                ReplyKind::Late => results::Event::Late(reply),
                ReplyKind::Duplicate => results::Event::Duplicate(reply),
            }
        }
        Event::Settled(..) => return None,
    })
}

fn summary(run: &Run, results: &Results) -> results::RunSummary {
    results::RunSummary {
        time: run.now(),
        duration_ns: results.duration.into(),
        flows: document::flows(run, results),
        total: Box::new(document::summary(&results.total)),
        sender: Box::new(document::sender(&results.punctuality)),
        receiver: Box::new(document::receiver(results)),
    }
}

fn push(line: &results::Event, out: &mut String) {
    *out += &json(line);
    out.push('\n');
}

impl Exporter for JsonLines {
    fn start(&mut self, run: &Run, out: &mut String) {
        let line = results::Event::Start {
            started: run.timestamp(run.start),
            config: document::config(run),
            targets: document::targets(run),
        };
        push(&line, out);
    }

    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String) {
        if let Some(line) = line(run, happened) {
            push(&line, out);
        }
    }

    fn dropped(&mut self, run: &Run, at: Instant, lines: u64, out: &mut String) {
        let t_ns = run.since_start(at).into();
        push(&results::Event::Dropped { t_ns, time: run.timestamp(at), lines }, out);
    }

    fn interim(&mut self, run: &Run, results: &Results, out: &mut String) {
        push(&results::Event::Interim(summary(run, results)), out);
    }

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        push(&results::Event::Summary(summary(run, results)), out);
    }
}
