//! Exports the round-trip time and loss of UDP targets to Prometheus, by the multi-target exporter
//! pattern: `/probe` pings one target once, `/metrics` has the targets that are pinged all the time.
//!
//! This crate is HTTP, the configuration and the metrics. It runs no component itself: a module's
//! continuous targets are pinged by a process `udping-host client --format jsonl`, whose events it
//! counts ([`Commands::client`]), and its probes are run by another process, each in a sandbox of
//! its own ([`protocol`]). So it holds no key and no UDP socket, and what breaks out of a sandbox has
//! neither this process's memory nor its listening socket.

mod client_log;
mod commands;
pub mod component;
mod config;
mod connections;
mod continuous;
mod exporter;
mod exposition;
mod http;
mod options;
mod own;
mod own_host;
mod page;
mod probe;
mod prober;
pub mod protocol;
mod recent;
mod sandbox;
mod series;
mod streamed;
mod target;
mod watching;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

pub use commands::Commands;
pub use config::{Config, ConfigError, Module};
pub use exporter::{Exporter, LoadError, check};
pub use options::Options;
pub use target::{AllowList, Allowed, InvalidTarget, Target};

/// Serves `exporter` until `stop` is true. Each message of `reload` has it read its configuration
/// again.
pub async fn serve(
    exporter: Arc<Exporter>,
    listener: TcpListener,
    mut reload: mpsc::Receiver<()>,
    stop: watch::Receiver<bool>,
) {
    tokio::spawn(watching::watch(exporter.clone()));
    let reloading = exporter.clone();
    tokio::spawn(async move {
        while reload.recv().await.is_some() {
            let exporter = reloading.clone();
            let result = tokio::task::spawn_blocking(move || exporter.reload()).await;
            if let Ok(Err(error)) = result {
                tracing::warn!("{error}; the configuration stays as it was");
            }
        }
    });
    let router = http::router(exporter.clone());
    connections::serve(listener, exporter.own.connections.clone(), router, stop).await;
}
