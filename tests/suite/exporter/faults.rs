//! Requests, connections and components that take more than they should: the others go on, and
//! memory and descriptors stay bounded.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use udping_tests::exporter::Exporter;
use udping_tests::http::stalled;
use udping_tests::{Runtime, Server};

fn is_healthy(exporter: &Exporter) -> bool {
    exporter.get("/-/healthy").status == 200
}

/// Sends `head`, and returns the first line of the response, if there is one.
fn sent(server: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // What is too long is not read to its end.
    let _ = stream.write_all(head.as_bytes());
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn requests_that_are_none_get_a_status_or_are_closed() {
    let exporter = Exporter::start("[modules.a]\ntargets = ['127.0.0.1:7']\n");
    let long = "a".repeat(1 << 20);
    for (head, answer) in [
        ("nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), "HTTP/1.1 431"),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"), "HTTP/1.1 431"),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 421"),
        ("DELETE /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 405"),
        ("GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 404"),
        // One that promises a body of 1 GB is answered without it.
        ("POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 200"),
    ] {
        let line = sent(exporter.address(), &head);
        // A peer that still writes may see its connection reset before it reads.
        assert!(line.starts_with(answer) || line.is_empty() && head.len() > 1 << 20, "{answer}: {line}");
    }
    assert!(is_healthy(&exporter));
}

#[test]
fn a_body_of_a_gigabyte_takes_no_memory() {
    let exporter = Exporter::start("");
    let before = exporter.server.process.resident().unwrap();
    let mut stream = TcpStream::connect(exporter.address()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let head = "POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = vec![0; 1 << 20];
    // It may stop reading, or close the connection.
    for _ in 0..1024 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    let grown = exporter.server.process.resident().unwrap().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    assert!(is_healthy(&exporter));
}

#[test]
fn connections_beyond_the_limit_are_closed_at_once() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start(&format!(
        "[modules.a]\ntargets = ['{}']\nclient.interval = '20ms'\n",
        server.addresses[0]
    ));
    let labels =
        format!("{{module=\"a\",host=\"127.0.0.1\",port=\"{}\"}}", server.addresses[0].port());
    let replies = format!("udping_replies_total{labels}");
    exporter.until(&replies, 1.0);
    let before = exporter.server.process.descriptors().unwrap();
    // Heads that never end.
    let open: Vec<_> = (0..900)
        .filter_map(|_| {
            let mut stream = TcpStream::connect(exporter.address()).ok()?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: local").ok()?;
            Some(stream)
        })
        .collect();
    let descriptors = exporter.server.process.descriptors().unwrap();
    assert!(descriptors < before + 600, "{before} to {descriptors}");
    // They have ten seconds for their heads; then there is room again, and nothing was lost meanwhile.
    let start = Instant::now();
    let metrics = loop {
        let mut stream = TcpStream::connect(exporter.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut response = String::new();
        if stream.read_to_string(&mut response).is_ok() && response.starts_with("HTTP/1.1 200") {
            break response;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "no room again");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(metrics.contains("udping_exporter_connections_shed_total"), "{metrics}");
    drop(open);
    let now = exporter.get("/metrics");
    assert!(now.sample("udping_exporter_connections_shed_total") >= 100.0);
    assert!(now.sample(&replies) >= 100.0, "{}", now.sample(&replies));
    assert!(now.sample("udping_exporter_dropped_events_total{module=\"a\"}").abs() < 1e-9);
}

#[test]
fn readers_that_take_nothing_hold_no_response_in_memory() {
    // Large enough that the kernel's buffers do not take it all.
    let targets: Vec<_> = (1..=2000).map(|port| format!("'192.0.2.7:{port}'")).collect();
    let config =
        format!("[modules.a]\ntargets = [{}]\nclient.interval = '1h'\n", targets.join(","));
    let exporter = Exporter::start(&config);
    let length = exporter.get("/metrics").body.len() as u64;
    assert!(length > 4 << 20, "{length}");
    let before = exporter.server.process.resident().unwrap();
    let mut readers = Vec::new();
    // As many scrapes as may be: one more is shed, the rest goes on.
    udping_tests::until(|| {
        readers.push(stalled(exporter.address(), "/metrics"));
        (exporter.get("/metrics").status == 503).then_some(())
    });
    assert!(is_healthy(&exporter));
    let grown = exporter.server.process.resident().unwrap().saturating_sub(before);
    assert!(grown < 2 * length, "{grown} bytes more for 8 responses of {length}");
    drop(readers);
    udping_tests::until(|| (exporter.get("/metrics").status == 200).then_some(()));
}
