//! The exporter's own metrics.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::connections::Connections;

/// The bounds of the buckets of the time that a sandbox takes to start, in seconds.
const START_BUCKETS: [f64; 10] =
    [50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.1];

/// The label of a module.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfModule {
    pub(crate) module: String,
}

/// The labels of probes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfProbe {
    pub(crate) module: String,
    pub(crate) result: ProbeResult,
}

/// What became of the request for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ProbeResult {
    /// The target replied.
    Success,
    /// The target did not reply.
    Failure,
    /// The target is not allowed.
    Refused,
    /// There were as many probes as may be.
    Shed,
    /// The probe could not be made.
    Error,
}

impl ProbeResult {
    const ALL: [Self; 5] = [Self::Success, Self::Failure, Self::Refused, Self::Shed, Self::Error];
}

impl EncodeLabelValue for ProbeResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        let value = match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Refused => "refused",
            Self::Shed => "shed",
            Self::Error => "error",
        };
        EncodeLabelValue::encode(&value, encoder)
    }
}

/// The labels of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfReload {
    pub(crate) result: &'static str,
}

/// The exporter's own metrics.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) probes: Family<OfProbe, Counter>,
    pub(crate) probes_in_progress: Gauge,
    pub(crate) sandbox_start: Histogram,
    pub(crate) client_starts: Family<OfModule, Counter>,
    pub(crate) prober_starts: Family<OfModule, Counter>,
    denied: Family<OfModule, Counter>,
    pub(crate) dropped_events: Family<OfModule, Counter>,
    pub(crate) refused_targets: Family<OfModule, Gauge>,
    reloads: Family<OfReload, Counter>,
    reload_successful: Gauge,
    reload_time: Gauge<f64, AtomicU64>,
    pub(crate) connections: Connections,
    pub(crate) scrapes_shed: Counter,
    pub(crate) lists_shed: Counter,
    pub(crate) foreign_hosts: Counter,
}

impl Own {
    /// Registers all of them.
    pub(crate) fn new(registry: &mut Registry, version: &str) -> Self {
        let own = Self {
            probes: Family::default(),
            probes_in_progress: Gauge::default(),
            sandbox_start: Histogram::new(START_BUCKETS),
            client_starts: Family::default(),
            prober_starts: Family::default(),
            denied: Family::default(),
            dropped_events: Family::default(),
            refused_targets: Family::default(),
            reloads: Family::default(),
            reload_successful: Gauge::default(),
            reload_time: Gauge::default(),
            connections: Connections::default(),
            scrapes_shed: Counter::default(),
            lists_shed: Counter::default(),
            foreign_hosts: Counter::default(),
        };
        registry.register(
            "build",
            "The version of the exporter",
            Info::new([("version", version.to_owned())]),
        );
        registry.register("probes", "Requests for a probe, by result", own.probes.clone());
        registry.register(
            "probes_in_progress",
            "Probes that run now",
            own.probes_in_progress.clone(),
        );
        registry.register_with_unit(
            "sandbox_start",
            "Time that the sandbox of a probe took to start",
            Unit::Seconds,
            own.sandbox_start.clone(),
        );
        registry.register(
            "client_starts",
            "Clients started that ping a module's targets: at the start, when targets change, and after failures",
            own.client_starts.clone(),
        );
        registry.register(
            "prober_starts",
            "Processes started that run a module's probes: at the start, when the module changes, and after failures",
            own.prober_starts.clone(),
        );
        registry.register(
            "denied",
            "Uses of the network that sandboxes were denied",
            own.denied.clone(),
        );
        registry.register(
            "dropped_events",
            "Events that clients dropped, since the exporter was too slow: what they tell of is not counted",
            own.dropped_events.clone(),
        );
        registry.register(
            "refused_targets",
            "Lines of a module's file of targets that are none, or are not allowed",
            own.refused_targets.clone(),
        );
        registry.register("reloads", "Reloads of the configuration", own.reloads.clone());
        registry.register(
            "config_last_reload_successful",
            "Whether the configuration could be read the last time",
            own.reload_successful.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration was last read",
            Unit::Seconds,
            own.reload_time.clone(),
        );
        registry.register("connections", "Open connections", own.connections.open.clone());
        registry.register(
            "connections_shed",
            "Connections closed at once, since there were as many as may be",
            own.connections.shed.clone(),
        );
        registry.register(
            "scrapes_shed",
            "Scrapes refused with status 503, since there were as many as may be",
            own.scrapes_shed.clone(),
        );
        registry.register(
            "lists_shed",
            "Lists of targets, as the page asks for them, refused with status 503, since there were as many as may be",
            own.lists_shed.clone(),
        );
        registry.register(
            "foreign_hosts",
            "Requests refused, since their Host header does not name this exporter",
            own.foreign_hosts.clone(),
        );
        own
    }

    /// Notes the first reading of the configuration.
    pub(crate) fn loaded(&self) {
        self.reload_successful.set(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.reload_time.set(now.as_secs_f64());
        for result in ["success", "failure"] {
            drop(self.reloads.get_or_create(&OfReload { result }));
        }
    }

    /// Notes a further reading of the configuration.
    pub(crate) fn reloaded(&self, is_read: bool) {
        if is_read {
            self.loaded();
        } else {
            self.reload_successful.set(0);
        }
        let result = if is_read { "success" } else { "failure" };
        self.reloads.get_or_create(&OfReload { result }).inc();
    }

    fn of_modules(&self) -> [&Family<OfModule, Counter>; 4] {
        [&self.client_starts, &self.prober_starts, &self.denied, &self.dropped_events]
    }

    /// Creates the series of `module`, so that they exist before anything happens.
    pub(crate) fn module(&self, module: &str) {
        for result in ProbeResult::ALL {
            drop(self.probes.get_or_create(&OfProbe { module: module.to_owned(), result }));
        }
        let of = OfModule { module: module.to_owned() };
        for family in self.of_modules() {
            drop(family.get_or_create(&of));
        }
        drop(self.refused_targets.get_or_create(&of));
    }

    /// Removes the series of a module that is gone.
    pub(crate) fn no_module(&self, module: &str) {
        for result in ProbeResult::ALL {
            self.probes.remove(&OfProbe { module: module.to_owned(), result });
        }
        let of = OfModule { module: module.to_owned() };
        for family in self.of_modules() {
            family.remove(&of);
        }
        self.refused_targets.remove(&of);
    }

    /// Counts denials.
    pub(crate) fn denied(&self, module: &str, count: u64) {
        self.denied.get_or_create(&OfModule { module: module.to_owned() }).inc_by(count);
    }

    /// Counts a probe.
    pub(crate) fn probed(&self, module: &str, result: ProbeResult) {
        self.probes.get_or_create(&OfProbe { module: module.to_owned(), result }).inc();
    }
}
