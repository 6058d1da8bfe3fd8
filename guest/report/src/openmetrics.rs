//! The results as OpenMetrics text, for Prometheus's textfile collector and its kind.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::{Registry, Unit};
use udping_core::pinger::{Happened, Results};
use udping_core::stats::Spread;
use udping_core::summary::{Punctuality, Summary};

use crate::{Exporter, Run};

/// `--format openmetrics`.
#[derive(Debug, Default)]
pub struct OpenMetrics;

#[derive(Clone, Debug, EncodeLabelSet)]
struct Flow {
    host: String,
    address: String,
    source_port: u16,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet)]
struct Statistic {
    statistic: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct NotPinged {
    host: String,
    reason: String,
}

/// Results that a registry can hold.
#[derive(Debug)]
struct Metrics {
    not_pinged: Vec<NotPinged>,
    flows: Vec<(Flow, Summary)>,
    sender: Punctuality,
}

/// A metric of each flow: its name, what it is, and its value.
type Metric<V> = (&'static str, &'static str, fn(&Summary) -> V);

const COUNTS: [Metric<u64>; 8] = [
    ("sent", "Pings that the socket accepted.", |s| s.sent),
    ("received", "Pings whose first reply came within the timeout.", |s| s.received),
    ("late", "Pings whose first reply came after the timeout.", |s| s.late),
    ("lost", "Pings without a reply.", |s| s.lost),
    ("duplicates", "Replies to pings already answered.", |s| s.duplicates),
    ("reordered", "Replies that came after one to a later ping.", |s| s.reordered),
    ("foreign", "Datagrams that answer no ping.", |s| s.foreign),
    ("send_errors", "Pings that the socket did not accept.", |s| s.send_errors),
];

const SPANS: [Metric<Option<Spread>>; 9] = [
    ("rtt", "Round-trip time of the pings received.", |s| s.rtt),
    ("scheduled_rtt", "The same, from when they were due.", |s| s.scheduled_rtt),
    ("ipdv", "How much the round-trip times of adjacent pings differ.", |s| s.ipdv),
    ("net_rtt", "Round-trip time without the reflector's own.", |s| s.one_way?.net_rtt),
    ("processing", "The reflector's own time.", |s| s.one_way?.processing),
    ("up_variation", "How much delays on the way there differ between adjacent pings.", |s| s.one_way?.up_variation),
    ("down_variation", "How much delays on the way back do.", |s| s.one_way?.down_variation),
    ("up_delay", "Delay on the way there, between clocks declared synchronised.", |s| s.one_way?.synced?.up_delay),
    ("down_delay", "Delay on the way back, likewise.", |s| s.one_way?.synced?.down_delay),
];

const DURATIONS: [Metric<Option<Duration>>; 2] = [
    ("jitter", "Interarrival jitter (RFC 3550) at the end of the run.", |s| s.jitter),
    ("longest_outage", "The longest time without an answer to anything sent in it.", |s| Some(s.longest_outage)),
];

const BURST: Metric<u64> = ("longest_loss_burst", "The most consecutive pings that were lost.", |s| s.longest_loss_burst);

/// The numbers of a spread by their names.
fn statistics(spread: &Spread) -> impl Iterator<Item = (Statistic, f64)> {
    let mut all = vec![("min", spread.min), ("mean", spread.mean), ("stddev", spread.stddev), ("max", spread.max)];
    if let Some(p) = spread.percentiles {
        all.extend([("p50", p.p50), ("p90", p.p90), ("p95", p.p95), ("p99", p.p99), ("p99_9", p.p99_9)]);
    }
    all.into_iter().map(|(statistic, span)| (Statistic { statistic }, span.as_secs_f64()))
}

impl Metrics {
    /// Begins a gauge in seconds.
    fn seconds<'e>(
        encoder: &'e mut DescriptorEncoder<'_>,
        name: &'e str,
        help: &str,
    ) -> Result<MetricEncoder<'e>, fmt::Error> {
        encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)
    }

    fn encode_flows(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        if !self.not_pinged.is_empty() {
            let help = "Targets that are not pinged, and why: always 1.";
            let mut metric = encoder.encode_descriptor("target_not_pinged", help, None, MetricType::Gauge)?;
            for target in &self.not_pinged {
                metric.encode_family(target)?.encode_gauge(&1)?;
            }
        }
        for (name, help, value) in COUNTS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (flow, summary) in &self.flows {
                ConstCounter::new(value(summary)).encode(metric.encode_family(flow)?)?;
            }
        }
        let (name, help, value) = BURST;
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (flow, summary) in &self.flows {
            metric.encode_family(flow)?.encode_gauge(&value(summary))?;
        }
        for (name, help, value) in DURATIONS {
            let mut metric = Self::seconds(encoder, name, help)?;
            for (flow, summary) in &self.flows {
                if let Some(span) = value(summary) {
                    metric.encode_family(flow)?.encode_gauge(&span.as_secs_f64())?;
                }
            }
        }
        for (name, help, value) in SPANS {
            let spreads: Vec<_> = self.flows.iter().filter_map(|(flow, summary)| Some((flow, value(summary)?))).collect();
            if spreads.is_empty() {
                continue;
            }
            let mut metric = Self::seconds(encoder, name, help)?;
            for (flow, spread) in &spreads {
                for (statistic, seconds) in statistics(spread) {
                    metric.encode_family(&((*flow).clone(), statistic))?.encode_gauge(&seconds)?;
                }
            }
        }
        Ok(())
    }

    fn encode_sender(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Points of the schedule that were over by more than half an interval.";
        let metric = encoder.encode_descriptor("missed_slots", help, None, MetricType::Counter)?;
        ConstCounter::new(self.sender.missed_slots).encode(metric)?;
        for (name, help, spread) in [
            ("timer_error", "From when pings were due to when they were sent.", self.sender.timer_error),
            ("send_call", "How long the call took by which each was sent.", self.sender.send_call),
        ] {
            let mut metric = Self::seconds(encoder, name, help)?;
            for (statistic, seconds) in spread.iter().flat_map(statistics) {
                metric.encode_family(&statistic)?.encode_gauge(&seconds)?;
            }
        }
        Ok(())
    }
}

/// In the order of flows: the library's own families have none.
impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_flows(&mut encoder)?;
        self.encode_sender(&mut encoder)
    }
}

impl Exporter for OpenMetrics {
    fn start(&mut self, _: &Run, _: &mut String) {}

    fn event(&mut self, _: &Run, _: &Happened, _: &mut String) {}

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        let flows = run.flows.iter().zip(&results.flows).map(|(flow, summary)| {
            let (host, address) = (run.targets[flow.target].host.clone(), flow.address.to_string());
            (Flow { host, address, source_port: flow.source_port }, summary.clone())
        });
        let mut registry = Registry::with_prefix("udping");
        let not_pinged = run.targets.iter().filter_map(|target| {
            let reason = target.address.clone().err()?;
            Some(NotPinged { host: target.host.clone(), reason })
        });
        let (flows, not_pinged) = (flows.collect(), not_pinged.collect());
        registry.register_collector(Box::new(Metrics { not_pinged, flows, sender: results.punctuality }));
        // It is written to memory.
        let _ = encode(out, &registry);
    }
}
