//! The results as metrics, for Prometheus and for `node_exporter`'s textfile collector.
//!
//! The format is OpenMetrics text with one exception: TYPE and HELP of a counter name `..._total`,
//! as its samples do. The textfile collector parses the older text format, in which they would
//! otherwise belong to no sample, so that counters would become untyped; Prometheus's OpenMetrics
//! parser accepts both.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use udping_core::Instant;
use udping_core::client::{Happened, Results};
use udping_core::client::{Punctuality, Summary};
use udping_core::stats::{Buckets, Spread};

use crate::labels::{Flow, Info, NotPinged, flows, not_pinged, targets};
use crate::{Exporter, Run};

/// The exporter of `--format openmetrics`.
#[derive(Debug, Default)]
pub struct OpenMetrics;

/// The label of a quantile, as that of a summary.
#[derive(Clone, Copy, Debug, EncodeLabelSet)]
struct Quantile {
    quantile: &'static str,
}

/// The labels of what belongs to no flow, and of exemplars.
type NoLabels = [(&'static str, &'static str); 0];

const NO_LABELS: NoLabels = [];

/// The results, as a collector for a registry.
#[derive(Debug)]
struct Metrics {
    /// The targets, and whether they were pinged.
    targets: Vec<(Info, bool)>,
    not_pinged: Vec<NotPinged>,
    flows: Vec<(Flow, Summary)>,
    sender: Punctuality,
    dropped: Option<u64>,
}

/// A metric of each flow: its name, its help text, and its value.
type Metric<V> = (&'static str, &'static str, fn(&Summary) -> V);

const COUNTS: [Metric<u64>; 8] = [
    ("sent_total", "Pings that the socket accepted.", |s| s.sent),
    ("received_total", "Pings whose first reply came within the timeout.", |s| s.received),
    ("late_total", "Pings whose first reply came after the timeout.", |s| s.late),
    ("lost_total", "Pings without a reply.", |s| s.lost),
    ("duplicates_total", "Replies to pings already answered.", |s| s.duplicates),
    ("reordered_total", "Replies that came after one to a later ping.", |s| s.reordered),
    ("foreign_total", "Datagrams that answer no ping.", |s| s.foreign),
    ("send_errors_total", "Pings that the socket did not accept.", |s| s.send_errors),
];

const SPANS: [Metric<Option<Spread>>; 9] = [
    ("rtt", "Round-trip time of the pings received.", |s| s.rtt.clone()),
    ("scheduled_rtt", "The same, from when they were due.", |s| s.scheduled_rtt.clone()),
    ("ipdv", "How much the round-trip times of adjacent pings differ.", |s| s.ipdv.clone()),
    ("net_rtt", "Round-trip time without the reflector's own.", |s| s.one_way.clone()?.net_rtt),
    ("processing", "The reflector's own time.", |s| s.one_way.clone()?.processing),
    (
        "forward_variation",
        "Difference of the forward delay between adjacent pings (RFC 3393).",
        |s| s.one_way.clone()?.forward_variation,
    ),
    (
        "backward_variation",
        "Difference of the backward delay between adjacent pings (RFC 3393).",
        |s| s.one_way.clone()?.backward_variation,
    ),
    ("forward_delay", "Forward delay, between clocks declared synchronised.", |s| {
        s.one_way.clone()?.synced?.forward_delay
    }),
    ("backward_delay", "Backward delay, between clocks declared synchronised.", |s| {
        s.one_way.clone()?.synced?.backward_delay
    }),
];

const DURATIONS: [Metric<Option<Duration>>; 2] = [
    ("jitter", "Interarrival jitter (RFC 3550) at the end of the run.", |s| s.jitter),
    ("longest_outage", "The longest time without an answer to anything sent in it.", |s| {
        Some(s.longest_outage.duration)
    }),
];

const BURST: Metric<u64> =
    ("longest_loss_burst", "The most consecutive pings that were lost.", |s| s.longest_loss_burst);

/// Returns the quantiles of a spread, of which the minimum is 0 and the maximum 1.
fn quantiles(spread: &Spread) -> impl Iterator<Item = (Quantile, f64)> {
    let mut all = vec![("0", spread.min)];
    if let Some(p) = spread.percentiles {
        all.extend([
            ("0.5", p.p50),
            ("0.9", p.p90),
            ("0.95", p.p95),
            ("0.99", p.p99),
            ("0.999", p.p99_9),
        ]);
    }
    all.push(("1", spread.max));
    all.into_iter().map(|(quantile, span)| (Quantile { quantile }, span.as_secs_f64()))
}

/// Returns the bounds and counts of a spread's histogram. Without one, there is but the bucket that
/// has no bound.
fn buckets(spread: &Spread) -> Vec<(f64, u64)> {
    let counts = spread.buckets.map(|buckets| buckets.counts);
    let mut all: Vec<_> = Buckets::BOUNDS
        .iter()
        .zip(counts.into_iter().flatten())
        .map(|(bound, count)| (bound.as_secs_f64(), count))
        .collect();
    let bounded: u64 = all.iter().map(|(_, count)| count).sum();
    all.push((f64::INFINITY, spread.count - bounded));
    all
}

impl Metrics {
    /// Starts a gauge in seconds.
    fn seconds<'e>(
        encoder: &'e mut DescriptorEncoder<'_>,
        name: &'e str,
        help: &str,
    ) -> Result<MetricEncoder<'e>, fmt::Error> {
        encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)
    }

    /// Encodes one spread for each set of labels: a histogram, and what it tells only roughly.
    fn encode_spreads<L: EncodeLabelSet + Clone>(
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        spreads: &[(L, Spread)],
    ) -> fmt::Result {
        if spreads.is_empty() {
            return Ok(());
        }
        let seconds = Some(&Unit::Seconds);
        let mut metric = encoder.encode_descriptor(name, help, seconds, MetricType::Histogram)?;
        for (labels, spread) in spreads {
            let sum = spread.mean.as_secs_f64() * spread.count as f64;
            metric.encode_family(labels)?.encode_histogram::<NoLabels>(
                sum,
                spread.count,
                &buckets(spread),
                None,
            )?;
        }
        let (name_of_quantiles, help_of_quantiles) =
            (format!("{name}_quantile"), format!("Quantiles: {help}"));
        let mut metric = Self::seconds(encoder, &name_of_quantiles, &help_of_quantiles)?;
        for (labels, spread) in spreads {
            for (quantile, seconds) in quantiles(spread) {
                metric.encode_family(&(labels.clone(), quantile))?.encode_gauge(&seconds)?;
            }
        }
        let (name, help) = (format!("{name}_stddev"), format!("Standard deviation: {help}"));
        let mut metric = Self::seconds(encoder, &name, &help)?;
        for (labels, spread) in spreads {
            metric.encode_family(labels)?.encode_gauge(&spread.stddev.as_secs_f64())?;
        }
        Ok(())
    }

    fn encode_targets(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 where the target was pinged; 0 where its name has no address, or where it is one of the others.";
        let mut metric =
            encoder.encode_descriptor("target_pinged", help, None, MetricType::Gauge)?;
        for (Info { host, port, .. }, pinged) in &self.targets {
            let labels =
                Flow { host: host.clone(), port: *port, source_port: None, port_index: None };
            metric.encode_family(&labels)?.encode_gauge(&u64::from(*pinged))?;
        }
        let mut metric = encoder.encode_descriptor(
            "target_info",
            "The address of each target.",
            None,
            MetricType::Gauge,
        )?;
        for (info, _) in self.targets.iter().filter(|(_, pinged)| *pinged) {
            metric.encode_family(info)?.encode_gauge(&1_u64)?;
        }
        if !self.not_pinged.is_empty() {
            let help = "Targets that were named and not pinged, and why: always 1.";
            let mut metric =
                encoder.encode_descriptor("target_not_pinged", help, None, MetricType::Gauge)?;
            for target in &self.not_pinged {
                metric.encode_family(target)?.encode_gauge(&1_u64)?;
            }
        }
        Ok(())
    }

    fn encode_flows(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in COUNTS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (flow, summary) in &self.flows {
                // Encoded as a gauge, since a counter's suffix would be added to the name, which
                // already has it.
                metric.encode_family(flow)?.encode_gauge(&value(summary))?;
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
            let spreads: Vec<_> = self
                .flows
                .iter()
                .filter_map(|(flow, summary)| Some((flow.clone(), value(summary)?)))
                .collect();
            Self::encode_spreads(encoder, (name, help), &spreads)?;
        }
        Ok(())
    }

    fn encode_sender(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Points of the schedule that were over by more than half an interval.";
        let mut metric =
            encoder.encode_descriptor("missed_slots_total", help, None, MetricType::Counter)?;
        metric.encode_gauge(&self.sender.missed_slots)?;
        if let Some(dropped) = self.dropped {
            let help = "Datagrams that this machine dropped since the receive buffers of the own sockets were full.";
            let mut metric = encoder.encode_descriptor(
                "receive_buffer_drops_total",
                help,
                None,
                MetricType::Counter,
            )?;
            metric.encode_gauge(&dropped)?;
        }
        for (name, help, spread) in [
            (
                "timer_error",
                "From when pings were due to when they were sent.",
                self.sender.timer_error.clone(),
            ),
            (
                "send_call",
                "How long the call took by which each was sent.",
                self.sender.send_call.clone(),
            ),
        ] {
            let spreads: Vec<_> = spread.map(|spread| (NO_LABELS, spread)).into_iter().collect();
            Self::encode_spreads(encoder, (name, help), &spreads)?;
        }
        Ok(())
    }
}

/// In the order of flows, which the library's own families do not keep.
impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_targets(&mut encoder)?;
        self.encode_flows(&mut encoder)?;
        self.encode_sender(&mut encoder)
    }
}

impl Exporter for OpenMetrics {
    fn start(&mut self, _: &Run, _: &mut String) {}

    fn event(&mut self, _: &Run, _: &Happened, _: &mut String) {}

    /// A complete exposition, each of which ends with `# EOF`.
    fn interim(&mut self, run: &Run, results: &Results, out: &mut String) {
        self.finish(run, results, out);
    }

    fn finish(&mut self, run: &Run, results: &Results, out: &mut String) {
        let metrics = Metrics {
            targets: targets(run),
            not_pinged: not_pinged(run),
            flows: flows(run, results),
            sender: results.punctuality.clone(),
            dropped: results.dropped,
        };
        let mut registry = Registry::with_prefix("udping");
        registry.register_collector(Box::new(metrics));
        // It is written to memory.
        let _ = encode(out, &registry);
    }

    fn can_drop(&self) -> bool {
        false
    }

    fn dropped(&mut self, _: &Run, _: Instant, _: u64, _: &mut String) {}
}
