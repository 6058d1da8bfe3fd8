//! The HTTP interface: what each path answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use udping_cli::address::Address;

use crate::exporter::Exporter;
use crate::exposition;
use crate::own::ProbeResult;
use crate::page;
use crate::probe::{self, NotProbed, Probed};
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
    let served = Served { exporter, scrapes: Arc::new(Semaphore::new(SCRAPES)) };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/probe", get(probe))
        .route("/-/healthy", get(async || "healthy\n"))
        .route("/-/ready", get(async || "ready\n"))
        .route("/-/reload", post(reload))
        .with_state(served.clone())
        .merge(page::router(served.exporter.clone()))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn_with_state(served, own_host))
        .layer(middleware::map_response(headed))
}

/// Refuses requests for another host: a page of a stranger's, in the browser of somebody who can
/// reach this exporter, could have its own name resolve to it (DNS rebinding). An address is nothing
/// that a stranger's name could be.
async fn own_host(State(served): State<Served>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let host = host.as_ref().filter(|host| !host.as_str().contains('@')).map(Authority::host);
    let is_own = host.is_some_and(|host| {
        host.parse::<Address>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || served.exporter.config().hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    });
    if is_own {
        return next.run(request).await;
    }
    served.exporter.own.foreign_hosts.inc();
    let message =
        "the Host header names another host: add the name to `hosts` in the configuration\n";
    (StatusCode::MISDIRECTED_REQUEST, message).into_response()
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
    exposition::respond(&headers, served.exporter.registries.clone(), Some(permit))
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
    exposition::respond(&headers, Arc::new(vec![registry]), None)
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

fn busy(why: String) -> Response<Body> {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], why).into_response()
}
