//! A row for each ping, when nothing more will become of it, under a row of names.

use csv::WriterBuilder;
use udping_core::in_flight::Sent;
use udping_core::pinger::{Event, FlowId, Happened, Results};
use udping_core::seq::Seq;

use crate::views::{fate, nanos};
use crate::{Exporter, Run};

/// `--format csv`.
#[derive(Debug, Default)]
pub struct Csv;

const COLUMNS: [&str; 9] =
    ["host", "address", "source_port", "seq", "scheduled_ns", "sent_ns", "fate", "rtt_ns", "duplicates"];

fn row<'a>(fields: impl IntoIterator<Item = &'a str>, out: &mut String) {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    // It is written to memory, and all rows have the same number of fields.
    if writer.write_record(fields).is_ok()
        && let Ok(bytes) = writer.into_inner()
    {
        *out += &String::from_utf8_lossy(&bytes);
    }
}

fn ping(run: &Run, flow: FlowId, seq: Seq, sent: &Sent) -> [String; 9] {
    let name = run.flow(flow);
    [
        run.targets[name.target].host.clone(),
        name.address.to_string(),
        name.source_port.to_string(),
        seq.to_string(),
        nanos(run.since_start(sent.scheduled)).to_string(),
        nanos(run.since_start(sent.at)).to_string(),
        fate(sent.fate).to_owned(),
        sent.round_trip().map(|rtt| nanos(rtt).to_string()).unwrap_or_default(),
        sent.duplicates.to_string(),
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
        if let Event::Settled(flow, seq, sent) = &happened.event {
            row(ping(run, *flow, *seq, sent).iter().map(String::as_str), out);
        }
    }

    fn finish(&mut self, _: &Run, _: &Results, _: &mut String) {}
}
