//! A running exporter.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::http::{self, Response};
use crate::{Server, host_program, installed, until};

/// An exporter, with a folder for its configuration.
#[derive(Debug)]
pub struct Exporter {
    /// Its process.
    pub server: Server,
    folder: TempDir,
}

/// Returns a folder with a file `exporter.toml`.
///
/// # Panics
///
/// If it cannot be written.
pub fn configured(config: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("udping-exporter").tempdir().expect("a folder");
    let path = folder.path().join("exporter.toml");
    fs::write(&path, config).expect("a configuration");
    (folder, path)
}

/// The name of a sample of the module `a` and a target.
pub fn sample(name: &str, target: SocketAddr) -> String {
    let (host, port) = (target.ip(), target.port());
    format!("{name}{{module=\"a\",host=\"{host}\",port=\"{port}\"}}")
}

/// A component that traps at once, in every run and probe.
pub const TRAP: &str = "(component
    (core module $m (func (export \"run\") (result i32) unreachable))
    (core instance $i (instantiate $m))
    (func $run (result (result)) (canon lift (core func $i \"run\")))
    (instance $run (export \"run\" (func $run)))
    (export \"wasi:cli/run@0.2.0\" (instance $run)))";

/// Checks that `promtool check metrics` has no complaint about a response.
///
/// # Panics
///
/// If it has, or if there is no promtool.
#[track_caller]
pub fn assert_promtool_accepts(metrics: &Response) {
    let promtool = installed("promtool").expect("no promtool: run `make peers`");
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut check = check.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("promtool");
    check.stdin.take().expect("it is piped").write_all(&metrics.body).expect("a reader");
    let output = check.wait_with_output().expect("an end");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}\n{}", metrics.text());
}

impl Exporter {
    /// Starts one with that configuration on a free port of loopback.
    #[track_caller]
    pub fn start(config: &str) -> Self {
        Self::start_by(&mut Command::new(host_program()), config, "127.0.0.1:0")
    }

    /// Like [`Self::start`], with another way to start the host.
    #[track_caller]
    pub fn start_by(host: &mut Command, config: &str, listen: &str) -> Self {
        let (folder, path) = configured(config);
        host.args(["exporter", "--listen", listen, "--config"]).arg(path);
        Self { server: Server::listening(host), folder }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.server.addresses[0]
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes another configuration.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn configure(&self, config: &str) {
        self.write("exporter.toml", config);
    }

    /// Writes a file into its folder.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.folder().join(name), content).expect("a file");
    }

    /// Requests `path`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        http::get(self.address(), path)
    }

    /// Waits until a sample of `/metrics` is at least `least`.
    #[track_caller]
    pub fn until(&self, sample: &str, least: f64) -> f64 {
        until(|| Some(self.get("/metrics").sample(sample)).filter(|value| *value >= least))
    }
}
