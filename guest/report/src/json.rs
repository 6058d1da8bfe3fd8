//! JSON: one document with the configuration, the pings, and the results
//! (docs/results.schema.json).
//!
//! It is written during the run, so that it takes no memory for the pings: what comes first is
//! known first.

use serde::Serialize;
use udping_core::Instant;
use udping_core::client::{Event, Happened, Results};
use udping_results::{Format, Nanoseconds, Version};

use crate::document;
use crate::{Exporter, Run};

/// The exporter of `--format json`.
#[derive(Debug, Default)]
pub struct Json {
    has_records: bool,
}

/// Serializes a value as JSON. This cannot fail for the types of this crate: they have no maps, and
/// are written to memory.
pub(crate) fn json(value: impl Serialize) -> String {
    serde_json::to_string(&value).unwrap_or_default()
}

/// Adds a member to the document, after the text `before`.
fn member(before: &str, key: &str, value: &str, out: &mut String) {
    for part in [before, "\"", key, "\":", value] {
        *out += part;
    }
}

impl Exporter for Json {
    fn start(&mut self, run: &Run, out: &mut String) {
        member("{", "format", &json(Format), out);
        member(",", "version", &json(Version), out);
        member(",", "started", &json(run.timestamp(run.start)), out);
        member(",\n", "config", &json(document::config(run)), out);
        member(",\n", "targets", &json(document::targets(run)), out);
        if run.settings.records {
            member(",\n", "records", "[", out);
        }
    }

    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String) {
        if let (true, Event::Settled(flow, seq, sent)) = (run.settings.records, &happened.event) {
            *out += if self.has_records { ",\n" } else { "\n" };
            self.has_records = true;
            *out += &json(document::record(run, run.flow(*flow), *seq, sent));
        }
    }

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        if run.settings.records {
            *out += "\n]";
        }
        member(",\n", "flows", "[", out);
        for (i, (flow, summary)) in run.flows.iter().zip(&results.flows).enumerate() {
            *out += if i == 0 { "\n" } else { ",\n" };
            *out += &json(document::flow(*flow, summary));
        }
        *out += "\n]";
        member(",\n", "total", &json(document::summary(&results.total)), out);
        member(",\n", "sender", &json(document::sender(&results.punctuality)), out);
        member(",\n", "receiver", &json(document::receiver(results)), out);
        member(",\n", "ended", &json(run.now()), out);
        member(",", "duration_ns", &json(Nanoseconds::from(results.duration)), out);
        *out += "}\n";
    }

    /// A document with records missing would be wrong.
    fn can_drop(&self) -> bool {
        false
    }

    fn dropped(&mut self, _: &Run, _: Instant, _: u64, _: &mut String) {}
}
