//! The page at `/`, and the JSON that it shows. It polls: no connection is held open for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::Semaphore;
use udping_results::Timestamp;

use crate::exporter::Exporter;
use crate::recent::{Digest, KEPT};
use crate::sandbox::Facts;
use crate::series::Series;
use crate::streamed;
use crate::target::Target;

/// The maximum number of lists of targets that are written at a time: each holds a thread.
const LISTS: usize = 8;

/// What a browser is told of every response: scripts and styles come from here alone, nothing is
/// framed, and nothing is taken for what it is not declared to be.
pub(crate) fn headers() -> [(HeaderName, HeaderValue); 4] {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
        connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // A page of another version is not to stay in a cache, and figures even less.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

#[derive(Clone)]
struct Served {
    exporter: Arc<Exporter>,
    lists: Arc<Semaphore>,
}

/// The routes of the page.
pub(crate) fn router(exporter: Arc<Exporter>) -> Router {
    let file = |content_type, text: &'static str| {
        get(async move || ([(header::CONTENT_TYPE, content_type)], text))
    };
    Router::new()
        .route("/", file(HTML, include_str!("page/index.html")))
        .route("/page/style.css", file(CSS, include_str!("page/style.css")))
        .route("/page/main.js", file(SCRIPT, include_str!("page/main.js")))
        .route("/page/table.js", file(SCRIPT, include_str!("page/table.js")))
        .route("/page/graph.js", file(SCRIPT, include_str!("page/graph.js")))
        .route("/page/facts.js", file(SCRIPT, include_str!("page/facts.js")))
        .route("/page/format.js", file(SCRIPT, include_str!("page/format.js")))
        .route("/api/targets", get(targets))
        .route("/api/pings", get(pings))
        .with_state(Served { exporter, lists: Arc::new(Semaphore::new(LISTS)) })
}

/// All targets and modules.
#[derive(Serialize)]
struct Listed {
    version: &'static str,
    /// When the exporter started: counters are since then.
    started: Timestamp,
    /// How many pings of a target are at most among its last ones.
    kept: usize,
    modules: Vec<ListedModule>,
    #[serde(serialize_with = "each")]
    targets: Arc<[Arc<Series>]>,
}

#[derive(Serialize)]
struct ListedModule {
    name: String,
    /// Options of the client and of the host, as arguments.
    client: Vec<String>,
    host: Vec<String>,
    sandbox: Facts,
}

/// A row of the table.
#[derive(Serialize)]
struct Row<'a> {
    module: &'a str,
    host: &'a str,
    port: u16,
    /// None if it is not pinged.
    address: Option<String>,
    sent: u64,
    received: u64,
    lost: u64,
    /// Of its last pings.
    last: Digest,
}

impl<'a> Row<'a> {
    fn of(series: &'a Series) -> Self {
        let last = series.last();
        Self {
            module: &series.labels.module,
            host: &series.labels.target.host,
            port: series.labels.target.port.get(),
            address: last.address.map(|address| address.to_string()),
            sent: series.requests.get(),
            received: series.replies.get(),
            lost: series.lost.get(),
            last: last.pings.digest(),
        }
    }
}

/// Serializes one row after the other.
fn each<S: Serializer>(series: &Arc<[Arc<Series>]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(series.iter().map(|series| Row::of(series)))
}

async fn targets(State(Served { exporter, lists }): State<Served>) -> Response {
    let Ok(permit) = lists.try_acquire_owned() else {
        exporter.own.lists_shed.inc();
        return streamed::busy("there are too many lists of targets at a time\n".to_owned());
    };
    streamed::response(JSON, Some(permit), move |out| {
        let modules = exporter.sandboxes().into_iter().map(|(module, sandbox)| ListedModule {
            name: module.name.clone(),
            client: module.client.words(),
            // Where the key is kept is nobody's business.
            host: module.host.words().into_iter().map(without_file).collect(),
            sandbox: sandbox.facts(),
        });
        let listed = Listed {
            version: exporter.version(),
            started: timestamp(exporter.started),
            kept: KEPT,
            modules: modules.collect(),
            targets: exporter.series.get(),
        };
        // It fails only if the reader is gone.
        let _ = serde_json::to_writer(out, &listed);
    })
}

fn without_file(word: String) -> String {
    if word.starts_with("--key-file=") { "--key-file".to_owned() } else { word }
}

#[derive(Debug, Deserialize)]
struct PingsQuery {
    module: String,
    target: String,
}

/// The last pings of a target.
#[derive(Serialize)]
struct LastPings {
    /// As in [`Listed`].
    started: Timestamp,
    now_ms: u64,
    late: u64,
    duplicates: u64,
    send_errors: u64,
    network_errors: u64,
    /// When each was sent, in ms since 1970, and its RTT in ns, or none if it was lost.
    pings: Vec<(u64, Option<u64>)>,
}

async fn pings(
    State(Served { exporter, .. }): State<Served>,
    query: Result<Query<PingsQuery>, QueryRejection>,
) -> Response {
    let Ok(Query(PingsQuery { module, target })) = query else {
        let usage = "write /api/pings?module=NAME&target=HOST:PORT\n";
        return (StatusCode::BAD_REQUEST, usage).into_response();
    };
    let target = target.parse::<Target>().ok();
    let all = exporter.series.get();
    let found = all.iter().find(|series| {
        *series.labels.module == *module && Some(&series.labels.target) == target.as_ref()
    });
    let Some(series) = found else {
        return (StatusCode::NOT_FOUND, "there is no such target\n").into_response();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let pings = LastPings {
        started: timestamp(exporter.started),
        now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        late: series.late.get(),
        duplicates: series.duplicates.get(),
        send_errors: series.send_errors.get(),
        network_errors: series.network_errors.get(),
        pings: series.last().pings.pings(now).collect(),
    };
    match serde_json::to_vec(&pings) {
        Ok(json) => ([(header::CONTENT_TYPE, JSON)], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from_unix(time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}
