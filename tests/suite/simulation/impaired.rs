//! Impairments of the real network.

use serde_json::Value;
use udping_tests::{Runtime, Server, run, udping_host};

/// The results of pings to `server` under `impairments`.
fn pinged(impairments: &str, server: &Server, options: &[&str]) -> Value {
    let [host, port] = server.host_and_port();
    let mut command = udping_host();
    command.args(["--impair", impairments, "client", &host, &port, "--format", "json"]);
    let outcome = run(command.args(options));
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"))
}

fn number(results: &Value, path: &str) -> u64 {
    results.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {results}"))
}

#[test]
fn delay_loss_and_duplicates_are_seen_without_root() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let options = ["-c", "100", "-i", "5ms", "-W", "500ms"];
    let results = pinged("delay=20ms,jitter=5ms,loss=20%,duplicate=20%,seed=7", &server, &options);
    // 64 % of the pings are answered, and two thirds of those at least twice.
    let (received, lost) = (number(&results, "/total/received"), number(&results, "/total/lost"));
    assert!((45..=85).contains(&received) && received + lost == 100, "{results}");
    assert!(number(&results, "/total/duplicates") >= 5, "{results}");
    // Both links, of at least 15 ms each; the kernel's times are shifted with the datagrams.
    assert!(number(&results, "/total/rtt/min_ns") >= 30_000_000, "{results}");
    assert_eq!(results.pointer("/receiver/times").and_then(Value::as_str), Some("kernel"));
    // The same seed loses the same pings.
    let again = pinged("loss=20%,seed=7", &server, &options);
    let third = pinged("loss=20%,seed=7", &server, &options);
    assert_eq!(number(&again, "/total/lost"), number(&third, "/total/lost"));
    server.stop();
}

#[test]
fn one_direction_alone() {
    let server =
        Server::start(Runtime::UdpingHost, "127.0.0.1", &["--protocol", "stamp", "--stateful"]);
    let options = ["--protocol", "stamp", "--stateful", "-c", "60", "-i", "5ms", "-W", "300ms"];
    for (impairments, lost, none) in [
        ("send.loss=40%,seed=3", "/total/stamp/lost_forward", "/total/stamp/lost_backward"),
        ("receive.loss=40%,seed=3", "/total/stamp/lost_backward", "/total/stamp/lost_forward"),
    ] {
        let results = pinged(impairments, &server, &options);
        assert!(number(&results, lost) >= 5, "{impairments}: {results}");
        assert_eq!(number(&results, none), 0, "{impairments}: {results}");
    }
    server.stop();
}

/// A server under impairments answers late, also after its component has handed the replies over.
#[test]
fn a_server_is_impaired_as_any_component() {
    let server = Server::listening(udping_host().args([
        "--impair",
        "send.delay=30ms",
        "server",
        "0",
        "--bind",
        "127.0.0.1",
    ]));
    let [host, port] = server.host_and_port();
    let outcome =
        run(udping_host()
            .args(["client", &host, &port, "-c", "5", "-i", "10ms", "--format", "json"]));
    let results: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(number(&results, "/total/received"), 5);
    assert!(number(&results, "/total/rtt/min_ns") >= 30_000_000, "{results}");
    server.stop();
}
