//! The metrics of one probe.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde::de::IgnoredAny;
use udping_core::stats;
use udping_results::{Document, OneWay, Spread, Summary};

use crate::protocol::ProbeAnswer;
use crate::series::rtt_histogram;

/// More pings than a probe has time for.
const MOST_PINGS: u64 = 1_000_000;

/// What a probe found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probed {
    summary: Summary,
    /// The time from the request to the response.
    duration: Duration,
    /// The time that the sandbox took to start.
    start: Duration,
    denied: u64,
}

/// Why there are no results, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotProbed {
    /// The target cannot be pinged: its name has no address, or there is no route.
    Failed(String),
    /// The probe was not made.
    Broken(String),
}

impl Probed {
    /// Reads the results in `answer`.
    ///
    /// # Errors
    ///
    /// If there are none.
    pub(crate) fn read(answer: &ProbeAnswer, duration: Duration) -> Result<Self, NotProbed> {
        if let Some(error) = &answer.error {
            return Err(NotProbed::Broken(error.clone()));
        }
        let document: Result<Document<String, IgnoredAny>, _> =
            serde_json::from_str(&answer.output);
        match document.map(|document| document.total) {
            Ok(Some(summary)) => {
                Ok(Self { summary, duration, start: answer.start, denied: answer.denied })
            }
            // Before it sends anything, it complains and writes no results.
            _ => Err(match answer.complaint.lines().last() {
                Some(complaint) => NotProbed::Failed(complaint.to_owned()),
                None => NotProbed::Broken("the client wrote no results".to_owned()),
            }),
        }
    }

    /// Whether the target replied in time.
    pub(crate) fn has_reply(&self) -> bool {
        self.summary.received > 0
    }

    /// The metrics, as a registry.
    pub(crate) fn registry(&self) -> Registry {
        let Summary { sent, received, late, duplicates, rtt, stamp, .. } = &self.summary;
        // What is outstanding when the probe ends is not awaited any more.
        let lost = sent.saturating_sub(*received).saturating_sub(*late);
        let mut registry = outcome(self.has_reply(), self.duration);
        let probe = registry.sub_registry_with_prefix("udping_probe");
        seconds(probe, "sandbox_start", "Time that the sandbox took to start", self.start);
        for (name, help, value) in [
            ("requests", "Pings that the socket accepted", *sent),
            ("replies", "Pings whose first reply came within the timeout", *received),
            ("late", "Pings whose first reply came after the timeout", *late),
            ("lost", "Pings without a reply", lost),
            ("duplicates", "Replies to pings already answered", *duplicates),
            ("denied", "Uses of the network that the sandbox was denied", self.denied),
        ] {
            count(probe, name, help, value);
        }
        // Nothing was sent if the address cannot be reached.
        if *sent > 0 {
            let gauge = Gauge::<f64, AtomicU64>::default();
            gauge.set(lost as f64 / *sent as f64);
            probe.register("loss_ratio", "Share of the pings without a reply", gauge);
        }
        if let Some(rtt) = rtt {
            spread(probe, "rtt", "round-trip time", rtt);
        }
        if let Some(histogram) = rtt.as_ref().and_then(rtt_distribution) {
            let help = "Round-trip time of the pings answered within the timeout";
            probe.register_with_unit("rtt", help, Unit::Seconds, histogram);
        }
        if let Some(OneWay { lost_forward, lost_backward, net_rtt, .. }) = stamp {
            for (name, help, value) in [
                ("lost_forward", "Pings lost forward", lost_forward),
                ("lost_backward", "Pings lost backward", lost_backward),
            ] {
                if let Some(value) = value {
                    count(probe, name, help, *value);
                }
            }
            if let Some(net_rtt) = net_rtt {
                spread(probe, "net_rtt", "round-trip time without the reflector's own", net_rtt);
            }
        }
        registry
    }
}

/// The RTTs as a histogram, classic and native: those of the results' own, whose values are within
/// 0.1 %. None for one that no probe can have, which its component has made up.
fn rtt_distribution(rtt: &Spread) -> Option<Histogram> {
    let counts = stats::Histogram::deserialize(rtt.histogram.as_deref()?).ok()?;
    if counts.count() > MOST_PINGS {
        return None;
    }
    let histogram = rtt_histogram();
    for (shortest, longest, count) in counts.recorded() {
        let middle = Duration::from_nanos(shortest.midpoint(longest)).as_secs_f64();
        for _ in 0..count {
            histogram.observe(middle);
        }
    }
    Some(histogram)
}

/// What `blackbox_exporter` says of each of its probes.
fn outcome(has_reply: bool, duration: Duration) -> Registry {
    let mut registry = Registry::default();
    let success = Gauge::<i64>::default();
    success.set(has_reply.into());
    registry.register("probe_success", "Whether the target replied in time", success);
    seconds(&mut registry, "probe_duration", "How long the probe took", duration);
    registry
}

/// The metrics of a probe that could not be made, such as of a name without an address.
pub(crate) fn failed(duration: Duration) -> Registry {
    outcome(false, duration)
}

fn count(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

fn seconds(registry: &mut Registry, name: &str, help: &str, value: Duration) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value.as_secs_f64());
    registry.register_with_unit(name, help, Unit::Seconds, gauge);
}

fn spread(registry: &mut Registry, name: &str, what: &str, spread: &Spread) {
    for (part, help, value) in [
        ("min", "Minimum of the", spread.min_ns),
        ("mean", "Mean of the", spread.mean_ns),
        ("max", "Maximum of the", spread.max_ns),
        ("stddev", "Standard deviation of the", spread.stddev_ns),
    ] {
        seconds(registry, &format!("{name}_{part}"), &format!("{help} {what}"), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread_of(rtts: &[u64]) -> Spread {
        let mut histogram = stats::Histogram::new().unwrap();
        for rtt in rtts {
            histogram.record(Duration::from_micros(*rtt));
        }
        Spread { histogram: Some(histogram.serialize()), ..Spread::default() }
    }

    fn text(rtt: &Spread) -> String {
        let mut registry = Registry::default();
        registry.register("rtt", "RTT", rtt_distribution(rtt).unwrap());
        let mut text = String::new();
        prometheus_client::encoding::prometheus_text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn the_histogram_has_each_rtt() {
        let text = text(&spread_of(&[15, 15, 300, 7_000]));
        for line in ["{le=\"1e-05\"} 0", "{le=\"2e-05\"} 2", "{le=\"0.0005\"} 3", "{le=\"+Inf\"} 4"]
        {
            assert!(text.contains(&format!("rtt_bucket{line}")), "{line}\n{text}");
        }
        let sum = text.lines().find_map(|line| line.strip_prefix("rtt_sum ")).unwrap();
        let sum: f64 = sum.parse().unwrap();
        assert!((sum - 7.33e-3).abs() < 7.33e-6, "{sum}");
    }

    /// The component may be anybody's: it does not keep the exporter counting.
    #[test]
    fn a_histogram_that_no_probe_can_have_is_none() {
        let mut huge = stats::Histogram::new().unwrap();
        huge.record(Duration::from_micros(1));
        for _ in 0..40 {
            let copy = huge.clone();
            huge.add(&copy);
        }
        let huge = Spread { histogram: Some(huge.serialize()), ..Spread::default() };
        assert!(rtt_distribution(&huge).is_none());
        let broken = Spread { histogram: Some("HIST".to_owned()), ..Spread::default() };
        assert!(rtt_distribution(&broken).is_none());
        assert!(rtt_distribution(&Spread::default()).is_none());
    }
}
