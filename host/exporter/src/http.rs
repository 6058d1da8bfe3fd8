//! The HTTP interface: what each path answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::exporter::Exporter;
use crate::exposition;
use crate::own::ProbeResult;
use crate::own_host::{self, OwnHost};
use crate::page;
use crate::probe::{self, NotProbed, Probed};
use crate::streamed::busy;
use crate::target::Target;

/// The maximum number of scrapes of `/metrics` at a time: each holds a thread.
const SCRAPES: usize = 8;

/// How long a probe may take for a request that does not say how long it waits.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What Prometheus says about how long it waits, in seconds.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

#[derive(Clone)]
struct Served {
    exporter: Arc<Exporter>,
    scrapes: Arc<Semaphore>,
}

/// The routes of `exporter`.
pub(crate) fn router(exporter: Arc<Exporter>) -> Router {
    let hosts = exporter.clone();
    let is_own =
        move |host: &str| hosts.config().hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
    let own_host = OwnHost::new(is_own, exporter.own.foreign_hosts.clone());
    let page = page::router(exporter.clone());
    let served = Served { exporter, scrapes: Arc::new(Semaphore::new(SCRAPES)) };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/probe", get(probe))
        .route("/-/healthy", get(async || "healthy\n"))
        .route("/-/ready", get(async || "ready\n"))
        .route("/-/reload", post(reload))
        .with_state(served)
        .merge(page)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn_with_state(own_host, own_host::check))
        .layer(middleware::map_response(headed))
}

/// Adds what a browser is told of every response.
async fn headed(mut response: Response) -> Response {
    response.headers_mut().extend(page::headers());
    response
}

async fn metrics(State(served): State<Served>, headers: HeaderMap) -> Response {
    let Ok(permit) = served.scrapes.clone().try_acquire_owned() else {
        served.exporter.own.scrapes_shed.inc();
        return busy("there are too many scrapes at a time\n".to_owned());
    };
    let Exporter { registries, commands, .. } = &*served.exporter;
    exposition::respond(&headers, registries.clone(), Some(permit), commands.release_memory)
}

#[derive(Debug, Deserialize)]
struct ProbeQuery {
    target: String,
    module: String,
}

async fn probe(
    State(Served { exporter, .. }): State<Served>,
    query: Result<Query<ProbeQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let started = Instant::now();
    let wrong = |message: String| (StatusCode::BAD_REQUEST, message + "\n").into_response();
    let Query(ProbeQuery { target, module }) = match query {
        Ok(query) => query,
        Err(error) => {
            return wrong(format!("write /probe?target=HOST:PORT&module=NAME: {error}"));
        }
    };
    let Some((module, prober)) = exporter.module(&module) else {
        return wrong(format!("there is no module {module:?}"));
    };
    let target = match target.parse::<Target>() {
        Ok(target) => target,
        Err(error) => return wrong(error.to_string()),
    };
    let offset = exporter.config().timeout_offset;
    let deadline = match scrape_timeout(&headers) {
        Ok(timeout) => timeout.unwrap_or(TIMEOUT).saturating_sub(offset),
        Err(error) => return wrong(error),
    };
    if deadline.is_zero() {
        return wrong(format!(
            "{SCRAPE_TIMEOUT} leaves no time: timeout-offset is {}",
            humantime::format_duration(offset)
        ));
    }
    let own = exporter.own.clone();
    if !module.may_probe(&target) {
        own.probed(&module.name, ProbeResult::Refused);
        let message = format!("module {} does not allow {target}\n", module.name);
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    let Some(permit) = prober.permit() else {
        own.probed(&module.name, ProbeResult::Shed);
        return busy(format!("module {} has as many probes at a time as may be\n", module.name));
    };
    // A probe runs to its end even if the request is cancelled, and takes its permit until then.
    let probing = tokio::spawn(async move {
        let _permit = permit;
        own.probes_in_progress.inc();
        let answer = prober.probe(&target, deadline).await;
        own.probes_in_progress.dec();
        let duration = started.elapsed();
        let probed = match answer {
            Ok(answer) => {
                own.denied(&module.name, answer.denied);
                own.sandbox_start.observe(answer.start.as_secs_f64());
                Probed::read(&answer, duration)
            }
            Err(error) => Err(NotProbed::Broken(error.to_string())),
        };
        let result = match &probed {
            Ok(probed) if probed.has_reply() => ProbeResult::Success,
            Ok(_) | Err(NotProbed::Failed(_)) => ProbeResult::Failure,
            Err(NotProbed::Broken(_)) => ProbeResult::Error,
        };
        own.probed(&module.name, result);
        if let Err(NotProbed::Failed(why) | NotProbed::Broken(why)) = &probed {
            tracing::warn!("module {}: the probe of {target} failed: {why}", module.name);
        }
        (probed, duration)
    });
    let registry = match probing.await {
        Ok((Ok(probed), _)) => probed.registry(),
        Ok((Err(NotProbed::Failed(_)), duration)) => probe::failed(duration),
        Ok((Err(NotProbed::Broken(why)), _)) => return broken(why),
        Err(error) => return broken(error.to_string()),
    };
    exposition::respond(&headers, Arc::new(vec![registry]), None, || {})
}

async fn reload(State(Served { exporter, .. }): State<Served>) -> Response {
    match tokio::task::spawn_blocking(move || exporter.reload()).await {
        Ok(Ok(())) => "reloaded\n".into_response(),
        Ok(Err(error)) => {
            tracing::warn!("{error}; the configuration stays as it was");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
        }
        Err(error) => broken(error.to_string()),
    }
}

/// How long the scraper waits, if it says so.
fn scrape_timeout(headers: &HeaderMap) -> Result<Option<Duration>, String> {
    let Some(given) = headers.get(SCRAPE_TIMEOUT) else { return Ok(None) };
    given
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(|timeout| Some(timeout.min(TIMEOUT * 60)))
        .ok_or_else(|| format!("{SCRAPE_TIMEOUT} is not a number of seconds"))
}

fn broken(why: String) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, why + "\n").into_response()
}
