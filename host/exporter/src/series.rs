//! The series of targets that are pinged all the time.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel as _, EncodeLabelSet, EncodeMetric as _, LabelSetEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::registry::{Registry, Unit};

use crate::recent::Recent;
use crate::target::Target;

/// The bounds of the classic buckets of RTTs, in seconds: those of `client --format openmetrics`.
pub(crate) const RTT_BUCKETS: [f64; 19] = [
    10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.2,
    0.5, 1.0, 2.0, 5.0, 10.0,
];

/// The maximum number of native buckets of a target. RTTs between 1 us and 10 s take 168 at the
/// highest resolution (a factor of 1.1); beyond the maximum, the resolution is halved.
const NATIVE_BUCKETS: usize = 160;

/// A histogram of RTTs, classic and native.
pub(crate) fn rtt_histogram() -> Histogram {
    let native = NativeHistogramConfig::default().max_buckets(NATIVE_BUCKETS);
    Histogram::new_classic_and_native(RTT_BUCKETS, native)
}

/// The labels of a target: the same from run to run, whatever a name resolves to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Labels {
    pub(crate) module: Arc<str>,
    pub(crate) target: Target,
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        ("module", &*self.module).encode(encoder.encode_label())?;
        ("host", self.target.host.as_str()).encode(encoder.encode_label())?;
        ("port", self.target.port.get()).encode(encoder.encode_label())
    }
}

/// The counters of one target.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) has_address: Gauge,
    pub(crate) requests: Counter,
    pub(crate) replies: Counter,
    pub(crate) late: Counter,
    pub(crate) lost: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) send_errors: Counter,
    pub(crate) network_errors: Counter,
    pub(crate) address_changes: Counter,
    /// Losses by direction, of targets whose reflector is stateful.
    pub(crate) directed: Option<Directed>,
    rtt: Histogram,
    last: Mutex<Last>,
}

/// What the page shows of a target, besides its counters.
#[derive(Debug, Default)]
pub(crate) struct Last {
    /// The address that is pinged.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) pings: Recent,
}

/// Losses by direction, as the last summary of the client has them. Some become known later, and
/// another client starts anew: both are added up here.
#[derive(Debug, Default)]
pub(crate) struct Directed {
    pub(crate) forward: Counter,
    pub(crate) backward: Counter,
}

impl Series {
    pub(crate) fn new(labels: Labels, is_directed: bool) -> Self {
        Self {
            labels,
            has_address: Gauge::default(),
            requests: Counter::default(),
            replies: Counter::default(),
            late: Counter::default(),
            lost: Counter::default(),
            duplicates: Counter::default(),
            send_errors: Counter::default(),
            network_errors: Counter::default(),
            address_changes: Counter::default(),
            directed: is_directed.then(Directed::default),
            rtt: rtt_histogram(),
            last: Mutex::default(),
        }
    }

    /// What the page shows of it.
    pub(crate) fn last(&self) -> MutexGuard<'_, Last> {
        // Nothing that holds the lock leaves it half changed.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a reply in time.
    pub(crate) fn reply(&self, rtt: Duration) {
        self.replies.inc();
        self.rtt.observe(rtt.as_secs_f64());
    }
}

/// The series of all targets. A list that was returned is not affected by later changes.
#[derive(Debug, Default)]
pub(crate) struct AllSeries(RwLock<Arc<[Arc<Series>]>>);

impl AllSeries {
    /// The current series.
    pub(crate) fn get(&self) -> Arc<[Arc<Series>]> {
        // Nothing that holds the lock leaves it half changed.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the series of `module`: those of targets that stay stay, with what they counted.
    pub(crate) fn replace(
        &self,
        module: &Arc<str>,
        targets: &[Target],
        is_directed: bool,
    ) -> Vec<Arc<Series>> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (before, others): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|series| series.labels.module == *module);
        let mut before: std::collections::HashMap<_, _> =
            before.into_iter().map(|series| (series.labels.target.clone(), series)).collect();
        let series: Vec<_> = targets
            .iter()
            .map(|target| {
                let kept =
                    before.remove(target).filter(|series| series.directed.is_some() == is_directed);
                kept.unwrap_or_else(|| {
                    let labels = Labels { module: module.clone(), target: target.clone() };
                    Arc::new(Series::new(labels, is_directed))
                })
            })
            .collect();
        *all = others.into_iter().chain(series.iter().cloned()).collect();
        series
    }

    /// Registries of all metrics of targets, one metric each: what is encoded at a time stays small.
    pub(crate) fn registries(self: &Arc<Self>) -> Vec<Registry> {
        METRICS.iter().map(|metric| registry(OneMetric { series: self.clone(), metric })).collect()
    }
}

fn registry(metric: OneMetric) -> Registry {
    let mut registry = Registry::with_prefix("udping");
    registry.register_collector(Box::new(metric));
    registry
}

/// A metric of each target: its name, its help, its unit, and where it stands.
struct Metric {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    of: Of,
}

/// Where a metric stands in a target's series.
enum Of {
    Counter(fn(&Series) -> Option<&Counter>),
    Gauge(fn(&Series) -> &Gauge),
    Histogram(fn(&Series) -> &Histogram),
}

const fn counter(
    name: &'static str,
    help: &'static str,
    of: fn(&Series) -> Option<&Counter>,
) -> Metric {
    Metric { name, help, unit: None, of: Of::Counter(of) }
}

static METRICS: [Metric; 12] = [
    counter("requests", "Pings that the socket accepted", |s| Some(&s.requests)),
    counter("replies", "Pings whose first reply came within the timeout", |s| Some(&s.replies)),
    counter("late", "Pings whose first reply came after the timeout", |s| Some(&s.late)),
    counter("lost", "Pings whose timeout passed without a reply, later ones among them", |s| {
        Some(&s.lost)
    }),
    counter("duplicates", "Replies to pings already answered", |s| Some(&s.duplicates)),
    counter("send_errors", "Pings that the socket did not accept", |s| Some(&s.send_errors)),
    counter("network_errors", "Errors that the network returned (ICMP)", |s| {
        Some(&s.network_errors)
    }),
    counter("address_changes", "Times that the name was resolved to another address", |s| {
        Some(&s.address_changes)
    }),
    counter(
        "lost_forward",
        "Pings lost forward, by the counter of a stateful STAMP reflector",
        |s| s.directed.as_ref().map(|directed| &directed.forward),
    ),
    counter(
        "lost_backward",
        "Pings lost backward, by the counter of a stateful STAMP reflector",
        |s| s.directed.as_ref().map(|directed| &directed.backward),
    ),
    Metric {
        name: "target_pinged",
        help: "1 where the target is pinged; 0 where its name has no address, or another target has it",
        unit: None,
        of: Of::Gauge(|s| &s.has_address),
    },
    Metric {
        name: "rtt",
        help: "Round-trip time of the pings answered within the timeout",
        unit: Some(Unit::Seconds),
        of: Of::Histogram(|s| &s.rtt),
    },
];

/// One metric of all targets.
struct OneMetric {
    series: Arc<AllSeries>,
    metric: &'static Metric,
}

impl fmt::Debug for OneMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OneMetric").field(&self.metric.name).finish()
    }
}

impl Collector for OneMetric {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Metric { name, help, unit, of } = self.metric;
        let kind = match of {
            Of::Counter(_) => MetricType::Counter,
            Of::Gauge(_) => MetricType::Gauge,
            Of::Histogram(_) => MetricType::Histogram,
        };
        let series = self.series.get();
        let has = |series: &Series| match of {
            Of::Counter(of) => of(series).is_some(),
            Of::Gauge(_) | Of::Histogram(_) => true,
        };
        // A metric without series has no description either.
        if !series.iter().any(|series| has(series)) {
            return Ok(());
        }
        let help = format!("{help}.");
        let mut metric = encoder.encode_descriptor(name, &help, unit.as_ref(), kind)?;
        for series in series.iter() {
            let one = metric.encode_family(&series.labels)?;
            match of {
                Of::Counter(of) => {
                    if let Some(counter) = of(series) {
                        counter.encode(one)?;
                    }
                }
                Of::Gauge(of) => of(series).encode(one)?,
                Of::Histogram(of) => of(series).encode(one)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_stays_keeps_its_counters() {
        let all = Arc::new(AllSeries::default());
        let module: Arc<str> = "m".into();
        let [a, b, c] = ["a.example:7", "b.example:7", "c.example:7"].map(|t| t.parse().unwrap());
        let first = all.replace(&module, &[a, b], false);
        first[1].reply(Duration::from_millis(1));
        all.replace(&"other".into(), &[first[0].labels.target.clone()], false);
        let second = all.replace(&module, &[c, first[1].labels.target.clone()], false);
        assert_eq!(second[1].replies.get(), 1);
        assert_eq!(all.get().len(), 3);
    }

    #[test]
    fn every_target_has_its_series_from_the_start() {
        let all = Arc::new(AllSeries::default());
        all.replace(&"m".into(), &["a.example:7".parse().unwrap()], true);
        let mut text = String::new();
        for registry in all.registries() {
            prometheus_client::encoding::prometheus_text::encode(&mut text, &registry).unwrap();
        }
        for line in [
            "udping_requests_total{module=\"m\",host=\"a.example\",port=\"7\"} 0",
            "udping_lost_forward_total{module=\"m\",host=\"a.example\",port=\"7\"} 0",
            "udping_rtt_seconds_count{module=\"m\",host=\"a.example\",port=\"7\"} 0",
            "udping_rtt_seconds_bucket{module=\"m\",host=\"a.example\",port=\"7\",le=\"1e-05\"} 0",
            "udping_target_pinged{module=\"m\",host=\"a.example\",port=\"7\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
