//! The metrics of one running component: what the process that runs it answers when asked
//! ([`Snapshot`]), and the process that serves that over HTTP.

use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware;
use axum::response::IntoResponse as _;
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::connections::{self, Connections};
use crate::exposition;
use crate::own_host::{self, OwnHost};
use crate::streamed::busy;

/// The maximum number of scrapes at a time: each holds a thread.
const SCRAPES: usize = 4;

/// What does not change while a component runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The name of the component.
    pub component: String,
    /// The version of the host.
    pub version: String,
    /// Whether it has a key.
    pub keyed: bool,
    /// When the host started.
    pub started: SystemTime,
}

/// The totals of a run, of all its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Datagrams received by the component.
    pub received: u64,
    /// Payload bytes received by the component.
    pub received_bytes: u64,
    /// Datagrams sent by the component.
    pub sent: u64,
    /// Payload bytes sent by the component.
    pub sent_bytes: u64,
    /// Datagrams dropped by full receive buffers; none if the system does not count them.
    pub socket_dropped: Option<u64>,
    /// What was refused, dropped or delayed, by operation and reason.
    pub denied: Vec<(Denial, u64)>,
    /// The processor time that the host spent on dropped datagrams.
    pub dropping: Duration,
    /// How often it was started anew.
    pub restarts: u64,
    /// What became of datagrams, as the component counts them itself.
    pub outcomes: Vec<(Outcome, u64)>,
}

/// A kind of denial.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet, Serialize, Deserialize)]
pub struct Denial {
    /// The requested operation.
    pub operation: String,
    /// The reason of the denial.
    pub reason: String,
}

/// What became of datagrams.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet, Serialize, Deserialize)]
pub struct Outcome {
    /// What became of them.
    pub outcome: String,
    /// Why; empty where the outcome says it.
    pub reason: String,
}

impl Snapshot {
    /// The metrics, as a registry.
    fn registry(&self, about: &About) -> Registry {
        let mut registry = Registry::with_prefix("udping");
        let labels = [
            ("component", about.component.clone()),
            ("version", about.version.clone()),
            ("keyed", about.keyed.to_string()),
        ];
        registry.register(
            "component",
            "The component, the version of its host, and whether it has a key",
            Info::new(labels),
        );
        let started = about.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_time = Gauge::<f64, AtomicU64>::default();
        start_time.set(started.as_secs_f64());
        registry.register_with_unit(
            "start_time",
            "When the host started, since the Unix epoch",
            Unit::Seconds,
            start_time,
        );
        for (name, help, value) in [
            ("received_datagrams", "Datagrams that the component received", self.received),
            ("sent_datagrams", "Datagrams that the component sent", self.sent),
            ("restarts", "Times that the component was started anew, after a trap", self.restarts),
        ] {
            registry.register(name, help, counted(value));
        }
        for (name, help, value) in [
            ("received", "Payload that the component received", self.received_bytes),
            ("sent", "Payload that the component sent", self.sent_bytes),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, counted(value));
        }
        if let Some(dropped) = self.socket_dropped {
            registry.register(
                "socket_dropped_datagrams",
                "Datagrams that the system dropped, since a receive buffer was full",
                counted(dropped),
            );
        }
        registry.register(
            "denied",
            "What the host refused the component, and datagrams that it dropped or delayed",
            family(&self.denied),
        );
        if !self.outcomes.is_empty() {
            registry.register(
                "component_datagrams",
                "Datagrams by what the component did with them, and why, as it counts them itself",
                family(&self.outcomes),
            );
        }
        let dropping = Counter::<f64, AtomicU64>::default();
        dropping.inc_by(self.dropping.as_secs_f64());
        registry.register_with_unit(
            "dropping",
            "Processor time that the host spent on datagrams that it dropped",
            Unit::Seconds,
            dropping,
        );
        registry
    }
}

fn counted(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}

fn family<L: Clone + Hash + Eq>(counts: &[(L, u64)]) -> Family<L, Counter> {
    let family = Family::<L, Counter>::default();
    for (labels, count) in counts {
        family.get_or_create(labels).inc_by(*count);
    }
    family
}

/// Asks the process that runs the component. `None` if that has ended.
pub type Ask = Box<dyn FnMut() -> Option<Snapshot> + Send>;

struct Served {
    about: About,
    ask: Mutex<Ask>,
    scrapes: Arc<Semaphore>,
}

/// Serves what `ask` returns at `/metrics`, for ever.
pub async fn serve(listener: TcpListener, about: About, ask: Ask) {
    let scrapes = Arc::new(Semaphore::new(SCRAPES));
    let served = Arc::new(Served { about, ask: Mutex::new(ask), scrapes });
    let router = Router::new()
        .route("/", get(async || "the metrics of a component are at /metrics\n"))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(async || "healthy\n"))
        .layer(middleware::from_fn_with_state(OwnHost::addresses_alone(), own_host::check))
        .with_state(served);
    let (_never, stop) = watch::channel(false);
    connections::serve(listener, Connections::default(), router, stop).await;
}

async fn metrics(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response<Body> {
    let Ok(permit) = served.scrapes.clone().try_acquire_owned() else {
        return busy("there are too many scrapes at a time\n".to_owned());
    };
    let asking = served.clone();
    let snapshot = tokio::task::spawn_blocking(move || (*asking.ask.lock().ok()?)()).await;
    match snapshot {
        Ok(Some(snapshot)) => {
            let registry = snapshot.registry(&served.about);
            exposition::respond(&headers, Arc::new(vec![registry]), Some(permit), || {})
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the component has ended\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text;

    use super::*;

    #[test]
    fn a_snapshot_has_the_names_that_prometheus_expects() {
        let about = About {
            component: "server".to_owned(),
            version: "1.2.3".to_owned(),
            keyed: true,
            started: UNIX_EPOCH + Duration::from_millis(1_500),
        };
        let snapshot = Snapshot {
            received: 7,
            received_bytes: 448,
            sent: 5,
            sent_bytes: 320,
            socket_dropped: Some(3),
            denied: vec![(
                Denial { operation: "send".to_owned(), reason: "amplification".to_owned() },
                2,
            )],
            dropping: Duration::from_millis(250),
            restarts: 1,
            outcomes: vec![(
                Outcome { outcome: "refused".to_owned(), reason: "no_valid_tag".to_owned() },
                2,
            )],
        };
        let mut text = String::new();
        prometheus_text::encode(&mut text, &snapshot.registry(&about)).unwrap();
        insta::assert_snapshot!(text);
    }
}
