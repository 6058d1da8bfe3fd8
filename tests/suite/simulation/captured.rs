//! Captures, as tshark reads them.

use std::process::Command;

use serde_json::Value;
use udping_tests::{Runtime, Server, installed, own_file, run, udping_host};

/// The fields that tshark reads of each packet in a capture; there must be nothing that its experts
/// complain about.
pub(super) fn fields(path: &std::path::Path, names: &[&str]) -> Vec<Vec<String>> {
    let mut tshark = Command::new(installed("tshark").expect("make peers installs tshark"));
    // Each datagram with its checksum verified; the port is not that of another protocol.
    tshark.args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-n", "-r"]);
    tshark.arg(path).args(["-T", "fields", "-E", "separator=;"]);
    let all = ["_ws.expert.message"].iter().chain(names);
    for name in all {
        tshark.args(["-e", name]);
    }
    let outcome = run(&mut tshark);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let packet = |line: &str| line.split(';').map(str::to_owned).collect::<Vec<_>>();
    let packets: Vec<_> = outcome.stdout.lines().map(packet).collect();
    assert!(packets.iter().all(|packet| packet[0].is_empty()), "{packets:?}");
    packets.into_iter().map(|packet| packet[1..].to_vec()).collect()
}

/// The times between packets of one flow, in nanoseconds, for those that a component has received.
fn rtts(path: &std::path::Path, port: &str) -> Vec<u64> {
    let packets = fields(path, &["udp.srcport", "udp.time_delta"]);
    let received = packets.into_iter().filter(|packet| packet[0] == port);
    let nanoseconds = |text: &str| {
        let (seconds, fraction) = text.split_once('.').unwrap();
        seconds.parse::<u64>().unwrap() * 1_000_000_000 + fraction.parse::<u64>().unwrap()
    };
    received.map(|packet| nanoseconds(&packet[1])).collect()
}

#[test]
fn rtts_of_a_simulated_capture_are_the_clients_exactly() {
    let path = own_file("simulated.pcapng", b"");
    let mut command = udping_host();
    command
        .args(["simulate", "--delay", "3ms", "--jitter", "1ms", "--verbose", "--pcap"])
        .arg(&path);
    command.args(["--", "client", "server", "12000", "-c", "20", "-i", "20ms", "--format=jsonl"]);
    let outcome = run(&mut command);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let events = outcome.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let reported: Vec<_> = events.filter_map(|event| event.get("rtt_ns")?.as_u64()).collect();
    assert_eq!(reported.len(), 20, "{outcome:?}");
    assert_eq!(rtts(&path, "12000"), reported);
    // An interface is a node.
    let interfaces = fields(&path, &["frame.interface_name"]);
    assert!(interfaces.iter().all(|packet| packet[0] == "client"), "{interfaces:?}");
}

#[test]
fn a_real_run_is_captured_without_root() {
    let path = own_file("real.pcapng", b"");
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    let mut command = udping_host();
    command.arg("--pcap").arg(&path).args(["client", &host, &port, "-c", "10", "-i", "5ms"]);
    let outcome = run(command.args(["--format", "json"]));
    server.stop();
    let results: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let (min, max) = ("/total/rtt/min_ns", "/total/rtt/max_ns");
    let bound = |path| results.pointer(path).and_then(Value::as_u64).unwrap();
    let captured = rtts(&path, &port);
    assert_eq!(captured.len(), 10, "{captured:?}");
    // By the wall clock, whose readings are not those of the client.
    for rtt in captured {
        assert!(rtt + 500_000 >= bound(min) && rtt <= bound(max) + 500_000, "{rtt}: {results}");
    }
}

#[test]
fn a_capture_that_cannot_be_written_is_said() {
    let mut command = udping_host();
    command.args(["--pcap", "/nothing/here.pcapng", "client", "127.0.0.1", "7", "-c", "1"]);
    let outcome = run(&mut command);
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.only_error().contains("cannot write /nothing/here.pcapng"), "{outcome:?}");
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    let mut command = udping_host();
    command.args(["--pcap", "/dev/full", "client", &host, &port, "-c", "3", "-i", "5ms", "-q"]);
    let outcome = run(&mut command);
    server.stop();
    assert!(outcome.stdout.contains("3 sent, 3 received"), "{outcome:?}");
    assert!(outcome.only_error().contains("the capture is not complete"), "{outcome:?}");
}
