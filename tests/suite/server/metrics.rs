//! `--metrics`: what a running component received, sent and was denied, as Prometheus scrapes it.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use udping_tests::exporter::assert_promtool_accepts;
use udping_tests::http::{self, Response};
use udping_tests::proc::{assert_restricted, sockets};
use udping_tests::{Server, children, file, free_port, guests, key_file, run, udping_host, until};

/// A component with metrics.
struct Measured {
    server: Server,
    metrics: SocketAddr,
}

impl Measured {
    fn start(command: &mut Command, arguments: &[&str]) -> Self {
        // An address of its own: on 127.0.0.1, other tests' connections have ports that are free.
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let host = [127, 64 | (high & 63), low, NEXT.fetch_add(1, Ordering::Relaxed)];
        let metrics = SocketAddr::from((host, 9428));
        command.arg(format!("--metrics={metrics}")).args(arguments);
        Self { server: Server::listening(command), metrics }
    }

    fn server(options: &[&str], arguments: &[&str]) -> Self {
        let arguments = [&["server", "--bind", "127.0.0.1", "0"], arguments].concat();
        Self::start(udping_host().args(options), &arguments)
    }

    fn metrics(&self) -> Response {
        let response = http::get(self.metrics, "/metrics");
        assert_eq!(response.status, 200, "{}", response.text());
        response
    }

    /// Waits until a sample has at least that value.
    fn until(&self, sample: &str, value: f64) -> Response {
        until(|| {
            let response = self.metrics();
            let reached = response.text().contains(sample) && response.sample(sample) >= value;
            reached.then_some(response)
        })
    }

    fn socket(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.server.addresses[0]).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    /// The process that serves.
    fn serving(&self) -> Pid {
        let is_serving = |pid: &Pid| {
            let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
            command.is_ok_and(|command| command.ends_with(b"@helper=metrics\0"))
        };
        children(self.server.process.pid()).into_iter().find(is_serving).expect("a process")
    }
}

fn echoed(socket: &UdpSocket, datagram: &[u8]) {
    socket.send(datagram).unwrap();
    assert_eq!(socket.recv(&mut [0; 2048]).unwrap(), datagram.len());
}

#[test]
fn a_server_counts_datagrams_and_bytes() {
    let measured = Measured::server(&[], &[]);
    let nothing = measured.metrics();
    assert_eq!(nothing.count("udping_received_datagrams_total"), 0);
    let socket = measured.socket();
    (0..3).for_each(|_| echoed(&socket, &[7; 100]));
    let metrics = measured.metrics();
    for (name, value) in [
        ("udping_received_datagrams_total", 3),
        ("udping_received_bytes_total", 300),
        ("udping_sent_datagrams_total", 3),
        ("udping_sent_bytes_total", 300),
        ("udping_socket_dropped_datagrams_total", 0),
        ("udping_restarts_total", 0),
    ] {
        assert_eq!(metrics.count(name), value, "{name}");
    }
    assert!(metrics.sample("udping_start_time_seconds") > 1.7e9);
    let version = env!("CARGO_PKG_VERSION");
    let info = format!(
        "udping_component_info{{component=\"server\",version=\"{version}\",keyed=\"false\"}} 1\n"
    );
    assert!(metrics.text().contains(&info), "{}", metrics.text());
}

#[test]
fn one_with_a_key_says_so() {
    let key = key_file(&"5a".repeat(32));
    let measured = Measured::server(&["--key-file", key.to_str().unwrap()], &[]);
    assert!(measured.metrics().text().contains("keyed=\"true\""));
}

#[test]
fn what_the_server_refuses_is_counted_by_reason() {
    let key = key_file(&"5a".repeat(32));
    for options in [&[][..], &["--log", "json"], &["--workers", "2"]] {
        let port = free_port().to_string();
        let mut host = udping_host();
        host.args(["--key-file", key.to_str().unwrap()]).args(options);
        let measured = Measured::start(&mut host, &["server", "--bind", "127.0.0.1", &port]);
        let outcome = |outcome, reason| {
            format!("udping_component_datagrams_total{{outcome=\"{outcome}\",reason=\"{reason}\"}}")
        };
        assert_eq!(measured.metrics().count(&outcome("refused", "no_valid_tag")), 0);
        let socket = measured.socket();
        for _ in 0..3 {
            socket.send(b"Ping 1 0.0").unwrap();
        }
        measured.until(&outcome("refused", "no_valid_tag"), 3.0);
        // The host's own counts may be older than the component's.
        let metrics = measured.until("udping_received_datagrams_total", 3.0);
        assert_eq!(metrics.count(&outcome("answered", "")), 0);
        assert_eq!(metrics.count("udping_received_datagrams_total"), 3);
        // The answers to this host do not appear anywhere else.
        let stderr = measured.server.stop().stderr;
        assert!(!stderr.contains("counts "), "{stderr}");
    }
}

#[test]
fn what_is_denied_is_counted_by_operation_and_reason() {
    let measured = Measured::server(&["--allow-from", "192.0.2.1"], &[]);
    let socket = measured.socket();
    for _ in 0..3 {
        socket.send(b"nobody asked").unwrap();
    }
    let denied = r#"udping_denied_total{operation="receive",reason="allow-from"}"#;
    let metrics = measured.until(denied, 3.0);
    assert_eq!(metrics.count("udping_received_datagrams_total"), 0);
}

#[test]
fn datagrams_that_the_socket_dropped_are_counted() {
    let measured = Measured::server(&["--limit-buffers", "8KiB"], &[]);
    let socket = measured.socket();
    measured.server.process.signal(Signal::STOP);
    for _ in 0..1_000 {
        socket.send(&[0; 1_000]).unwrap();
    }
    measured.server.process.signal(Signal::CONT);
    let metrics = measured.until("udping_socket_dropped_datagrams_total", 1.0);
    // What was not dropped is received.
    let dropped = metrics.sample("udping_socket_dropped_datagrams_total");
    measured.until("udping_received_datagrams_total", 1_000.0 - dropped);
}

#[test]
fn a_component_that_traps_is_counted_on() {
    let guest: PathBuf = file("traps_in_batch.wasm", guests::TRAPS_IN_BATCH);
    let mut host = udping_host();
    host.args(["--allow-listen", "127.0.0.1:0", "--restart", "on-trap"]);
    let measured = Measured::start(&mut host, &["run", guest.to_str().unwrap()]);
    let socket = measured.socket();
    echoed(&socket, b"before");
    socket.send(b"trap").unwrap();
    measured.until("udping_restarts_total", 1.0);
    echoed(&socket, b"after");
    assert!(measured.metrics().sample("udping_received_datagrams_total") >= 3.0);
}

#[test]
fn workers_count_together() {
    let port = free_port().to_string();
    let mut host = udping_host();
    host.args(["--workers", "2"]);
    let measured = Measured::start(&mut host, &["server", "--bind", "127.0.0.1", &port]);
    for _ in 0..8 {
        echoed(&measured.socket(), b"from one port or another");
    }
    assert_eq!(measured.metrics().count("udping_received_datagrams_total"), 8);
}

#[test]
fn promtool_has_no_complaint_about_a_component() {
    let measured = Measured::server(&["--allow-from", "192.0.2.1"], &[]);
    measured.socket().send(b"denied").unwrap();
    let denied = r#"udping_denied_total{operation="receive",reason="allow-from"}"#;
    let metrics = measured.until(denied, 1.0);
    assert_promtool_accepts(&metrics);
}

#[test]
fn a_strangers_page_cannot_read_them() {
    let measured = Measured::server(&[], &[]);
    let rebound = http::request("GET", measured.metrics, "/metrics", &[("host", "example.org")]);
    let why = "the Host header names another host: use an address, or localhost\n";
    assert_eq!((rebound.status, rebound.text()), (421, why));
    assert_eq!(http::get(measured.metrics, "/nowhere").status, 404);
    assert_eq!(http::get(measured.metrics, "/-/healthy").status, 200);
}

#[test]
fn an_address_that_is_taken_is_an_error_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let metrics = format!("--metrics={address}");
    let outcome = run(udping_host().args([&metrics, "server", "--bind", "127.0.0.1", "0"]));
    assert_eq!(outcome.code(), 2);
    let expected = format!("--metrics {address}: cannot listen there: Address already in use");
    assert!(outcome.only_error().contains(&expected), "{}", outcome.stderr);
}

#[test]
fn the_process_that_serves_has_no_privileges_and_no_datagrams() {
    let measured = Measured::server(&[], &[]);
    measured.metrics();
    let [serving, running] =
        [measured.serving(), measured.server.process.pid()].map(|pid| pid.as_raw_nonzero().get());
    // The connection of the request may not be closed yet.
    assert!(sockets(running, "udp") == 1 && sockets(serving, "tcp") >= 1, "they are looked for");
    assert_eq!((sockets(running, "tcp"), sockets(serving, "udp")), (0, 0));
    assert_restricted(serving);
    let environment = fs::read(format!("/proc/{serving}/environ")).unwrap();
    assert!(environment.is_empty(), "{environment:?}");
}

#[test]
fn the_component_outlives_its_metrics_and_not_the_other_way_round() {
    let measured = Measured::server(&[], &[]);
    let serving = measured.serving();
    rustix::process::kill_process(serving, Signal::KILL).unwrap();
    until(|| std::net::TcpStream::connect(measured.metrics).is_err().then_some(()));
    echoed(&measured.socket(), b"still there");
    let outcome = measured.server.stop();
    assert!(
        outcome.stderr.contains("the process that serves metrics has ended"),
        "{}",
        outcome.stderr
    );

    let measured = Measured::server(&[], &[]);
    measured.server.process.signal(Signal::KILL);
    until(|| std::net::TcpStream::connect(measured.metrics).is_err().then_some(()));
}
