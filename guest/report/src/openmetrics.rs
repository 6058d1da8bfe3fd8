//! The results as OpenMetrics text, for Prometheus's textfile collector and its kind.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use udping_core::pinger::{Happened, Results};
use udping_core::stats::Spread;
use udping_core::summary::Summary;

use crate::{Exporter, Run};

/// `--format openmetrics`.
#[derive(Debug, Default)]
pub struct OpenMetrics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    host: String,
    address: String,
    source_port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpanLabels {
    host: String,
    address: String,
    source_port: u16,
    statistic: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;
type Count = (&'static str, &'static str, fn(&Summary) -> u64);
type Span = (&'static str, &'static str, fn(&Summary) -> Option<Spread>);

const COUNTS: [Count; 8] = [
    ("sent", "Pings that the socket accepted", |s| s.sent),
    ("received", "Pings whose first reply came within the timeout", |s| s.received),
    ("late", "Pings whose first reply came after the timeout", |s| s.late),
    ("lost", "Pings without a reply", |s| s.lost),
    ("duplicates", "Replies to pings already answered", |s| s.duplicates),
    ("reordered", "Replies that came after one to a later ping", |s| s.reordered),
    ("foreign", "Datagrams that answer no ping", |s| s.foreign),
    ("send_errors", "Pings that the socket did not accept", |s| s.send_errors),
];

const SPANS: [Span; 3] = [
    ("rtt", "Round-trip time of the pings received", |s| s.rtt),
    ("scheduled_rtt", "The same, from when they were due", |s| s.scheduled_rtt),
    ("ipdv", "How much the round-trip times of adjacent pings differ", |s| s.ipdv),
];

/// The numbers of a spread by their names.
fn statistics(spread: &Spread) -> Vec<(&'static str, Duration)> {
    let mut all = vec![("min", spread.min), ("mean", spread.mean), ("stddev", spread.stddev), ("max", spread.max)];
    if let Some(p) = spread.percentiles {
        all.extend([("p50", p.p50), ("p90", p.p90), ("p95", p.p95), ("p99", p.p99), ("p99_9", p.p99_9)]);
    }
    all
}

impl Exporter for OpenMetrics {
    fn start(&mut self, _: &Run, _: &mut String) {}

    fn event(&mut self, _: &Run, _: &Happened, _: &mut String) {}

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        let mut registry = Registry::with_prefix("udping");
        let flows: Vec<_> = run.flows.iter().zip(&results.flows).collect();
        for (name, help, value) in COUNTS {
            let family = Family::<Labels, Counter>::default();
            for (flow, summary) in &flows {
                let (host, address) = (run.targets[flow.target].host.clone(), flow.address.to_string());
                let labels = Labels { host, address, source_port: flow.source_port };
                family.get_or_create(&labels).inc_by(value(summary));
            }
            registry.register(name, help, family);
        }
        for (name, help, value) in SPANS {
            let family = Family::<SpanLabels, Seconds>::default();
            for (flow, summary) in &flows {
                for (statistic, span) in value(summary).iter().flat_map(statistics) {
                    let (host, address) = (run.targets[flow.target].host.clone(), flow.address.to_string());
                    let labels = SpanLabels { host, address, source_port: flow.source_port, statistic };
                    family.get_or_create(&labels).set(span.as_secs_f64());
                }
            }
            registry.register_with_unit(name, help, Unit::Seconds, family);
        }
        // It is written to memory.
        let _ = encode(out, &registry);
    }
}
