//! CSV: a row of names, and a row for each ping, as soon as its outcome is known. A ping that was
//! lost and is answered late has another row, which supersedes the first: both have the same host,
//! source port and number.

use std::time::Duration;

use csv::WriterBuilder;
use udping_core::Instant;
use udping_core::Seq;
use udping_core::client::{Event, FlowId, Happened, ReplyKind, Results, Times};
use udping_core::stats::Fate;
use udping_results::Nanoseconds;

use crate::document;
use crate::{Exporter, Run, Settings, Style, summary};

/// The exporter of `--format csv`.
#[derive(Debug, Default)]
pub struct Csv {
    dropped: u64,
}

const COLUMNS: [&str; 8] =
    ["host", "address", "source_port", "seq", "scheduled_ns", "sent_ns", "fate", "rtt_ns"];

fn row<'a>(fields: impl IntoIterator<Item = &'a str>, out: &mut String) {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    // It is written to memory, and all rows have the same number of fields.
    if writer.write_record(fields).is_ok()
        && let Ok(bytes) = writer.into_inner()
    {
        *out += &String::from_utf8_lossy(&bytes);
    }
}

fn ping(
    run: &Run,
    (flow, seq): (FlowId, Seq),
    times: Times,
    fate: Fate,
    rtt: Option<Duration>,
) -> [String; 8] {
    let name = run.flow(flow);
    [
        run.targets[name.target].host.clone(),
        name.address.to_string(),
        name.source_port.to_string(),
        seq.to_string(),
        Nanoseconds::from(run.since_start(times.scheduled)).to_string(),
        Nanoseconds::from(run.since_start(times.sent)).to_string(),
        document::fate(fate).to_string(),
        rtt.map(|rtt| Nanoseconds::from(rtt).to_string()).unwrap_or_default(),
    ]
}

impl Exporter for Csv {
    fn start(&mut self, run: &Run, out: &mut String) {
        row(COLUMNS, out);
        for target in run.targets.iter().filter(|target| target.address.is_err()) {
            row(
                COLUMNS.map(|column| match column {
                    "host" => target.host.as_str(),
                    "fate" => "not_pinged",
                    _ => "",
                }),
                out,
            );
        }
    }

    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String) {
        let fields = match &happened.event {
            Event::Reply { flow, seq, times, rtt, kind, .. } => {
                let fate = match kind {
                    ReplyKind::InTime => Fate::Received,
                    ReplyKind::Late => Fate::Late,
                    ReplyKind::Duplicate => return,
                };
                ping(run, (*flow, *seq), *times, fate, Some(*rtt))
            }
            Event::Lost(flow, seq, times) => ping(run, (*flow, *seq), *times, Fate::Lost, None),
            Event::NotSent(flow, seq, times, _) => {
                ping(run, (*flow, *seq), *times, Fate::NotSent, None)
            }
            // The outcomes of all others have been written.
            Event::Settled(flow, seq, sent) if sent.fate == Fate::Awaited => {
                ping(run, (*flow, *seq), sent.into(), Fate::Awaited, None)
            }
            _ => return,
        };
        row(fields.iter().map(String::as_str), out);
    }

    fn finish(&mut self, _: &Run, _: &Results, _: &mut String) {}

    fn finish_beside(&mut self, run: &Run, results: &Results, err: &mut String) {
        // Standard error may be a file even if standard output is a terminal.
        let plain =
            Run { settings: Settings { style: Style::default(), ..run.settings }, ..run.clone() };
        summary::write(&plain, results, err);
        if self.dropped > 0 {
            *err += &format!(
                "{} rows were not written: the reader of the output was too slow\n",
                self.dropped
            );
        }
    }

    fn dropped(&mut self, _: &Run, _: Instant, lines: u64, _: &mut String) {
        self.dropped += lines;
    }
}
