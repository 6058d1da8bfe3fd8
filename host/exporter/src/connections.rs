//! Connections: how many there may be, and for how long.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

/// The maximum number of connections at a time. Each further one is closed at once.
const CONNECTIONS: usize = 512;

/// The time in which the head of a request must arrive.
const HEAD: Duration = Duration::from_secs(10);

/// The maximum length of the head of a request, in bytes.
const LONGEST_HEAD: usize = 16 << 10;

/// How long a connection may idle: longer than Prometheus waits between scrapes by default.
const IDLE: Duration = Duration::from_secs(150);

/// How long a reader may take nothing.
const WRITE: Duration = Duration::from_secs(20);

/// How long requests have to end when the exporter does.
const GRACE: Duration = Duration::from_secs(2);

/// The pause after a connection could not be accepted, for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The metrics of connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    pub(crate) open: Gauge,
    pub(crate) shed: Counter,
}

/// Accepts connections until `stop` is true, or its sender is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    connections: Connections,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = raised(&mut stop) => break,
        };
        let Ok((stream, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            connections.shed.inc();
            continue;
        };
        let (open, router, stop) = (connections.open.clone(), router.clone(), stop.clone());
        tokio::spawn(async move {
            open.inc();
            connection(stream, router, stop).await;
            open.dec();
            drop(permit);
        });
    }
    // Those that are open end by themselves.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = timeout(GRACE, permits.acquire_many(all)).await;
}

async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    // A response is written in several parts: none is to wait for the acknowledgement of the one
    // before it, which peers delay by 40 ms. It fails only for a connection that is gone.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(IDLE));
    stream.set_write_timeout(Some(WRITE));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // An error is the peer's: it is gone, it is too slow, or it does not speak HTTP.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = raised(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Resolves when `stop` is true, or its sender is dropped.
async fn raised(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
