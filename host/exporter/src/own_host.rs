//! The guard against DNS rebinding: a page of a stranger's, in the browser of somebody who can reach
//! this server, could have its own name resolve to it. An address is nothing that a stranger's name
//! could be.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::metrics::counter::Counter;
use udping_cli::address::Address;

/// The hosts that requests may be for, besides addresses and `localhost`.
#[derive(Clone)]
pub(crate) struct OwnHost {
    is_own: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    refused: Counter,
    /// What helps, to one who is refused.
    advice: &'static str,
}

impl OwnHost {
    /// Those for which `is_own` returns true. Requests for others are counted in `refused`.
    pub(crate) fn new(
        is_own: impl Fn(&str) -> bool + Send + Sync + 'static,
        refused: Counter,
    ) -> Self {
        let advice = "add the name to `hosts` in the configuration";
        Self { is_own: Arc::new(is_own), refused, advice }
    }

    /// None.
    pub(crate) fn addresses_alone() -> Self {
        let advice = "use an address, or localhost";
        Self { is_own: Arc::new(|_| false), refused: Counter::default(), advice }
    }

    fn permits(&self, request: &Request) -> bool {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        let host = host.as_ref().filter(|host| !host.as_str().contains('@')).map(Authority::host);
        host.is_some_and(|host| {
            host.parse::<Address>().is_ok()
                || host.eq_ignore_ascii_case("localhost")
                || (self.is_own)(host)
        })
    }
}

impl fmt::Debug for OwnHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnHost").field("refused", &self.refused).finish_non_exhaustive()
    }
}

/// Refuses requests for another host.
pub(crate) async fn check(State(own): State<OwnHost>, request: Request, next: Next) -> Response {
    if own.permits(&request) {
        return next.run(request).await;
    }
    own.refused.inc();
    let message = format!("the Host header names another host: {}\n", own.advice);
    (StatusCode::MISDIRECTED_REQUEST, message).into_response()
}
