//! One JSON document: the configuration, the pings, and what came of them
//! (docs/results.schema.json).
//!
//! It is written as the run goes on, so that it takes no memory for the pings: what comes first is
//! known first.

use serde::Serialize;
use udping_core::Instant;
use udping_core::client::{Event, Happened, Results};

use crate::views::{
    ConfigView, FlowView, ReceiverView, RecordView, SenderView, SummaryView, TargetView, nanos,
};
use crate::{Exporter, Run};

/// `--format json`.
#[derive(Debug, Default)]
pub struct Json {
    has_records: bool,
}

/// A value as JSON. None of ours can fail: they have no maps, and are written to memory.
pub(crate) fn json(value: impl Serialize) -> String {
    serde_json::to_string(&value).unwrap_or_default()
}

impl Exporter for Json {
    fn start(&mut self, run: &Run, out: &mut String) {
        let targets: Vec<_> = run.targets.iter().map(TargetView::from).collect();
        *out += &format!(
            "{{\"format\":\"udping-results\",\"version\":1,\"started\":{},\n\"config\":{},\n\"targets\":{}",
            json(run.timestamp(run.start)),
            json(ConfigView::of(run)),
            json(targets)
        );
        if run.settings.records {
            *out += ",\n\"records\":[";
        }
    }

    fn event(&mut self, run: &Run, happened: &Happened, out: &mut String) {
        if let (true, Event::Settled(flow, seq, sent)) = (run.settings.records, &happened.event) {
            *out += if self.has_records { ",\n" } else { "\n" };
            self.has_records = true;
            *out += &json(RecordView::new(run, run.flow(*flow), *seq, sent));
        }
    }

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        if run.settings.records {
            *out += "\n]";
        }
        *out += ",\n\"flows\":[";
        for (i, (flow, summary)) in run.flows.iter().zip(&results.flows).enumerate() {
            *out += if i == 0 { "\n" } else { ",\n" };
            *out += &json(FlowView::new(*flow, summary));
        }
        let (total, sender) =
            (SummaryView::from(&results.total), SenderView::from(&results.punctuality));
        let receiver = json(ReceiverView::from(results));
        *out += &format!(
            "\n],\n\"total\":{},\n\"sender\":{},\n\"receiver\":{receiver},\n\"ended\":{},\"duration_ns\":{}}}\n",
            json(total),
            json(sender),
            json(run.now()),
            nanos(results.duration)
        );
    }

    /// A document without some of its records would say what is not so.
    fn can_drop(&self) -> bool {
        false
    }

    fn dropped(&mut self, _: &Run, _: Instant, _: u64, _: &mut String) {}
}
