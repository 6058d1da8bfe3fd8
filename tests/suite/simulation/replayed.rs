//! The fates of a simulated flow, replayed through the sockets of the system between two network
//! namespaces: the same counts, and the same datagrams but for their times.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use udping_tests::namespace::Namespace;
use udping_tests::{Server, host_program, own_file, run, udping_host};

use super::captured::fields;

/// What both runs have: the delays keep arrivals apart by more than what a busy machine adds.
const LINK: [(&str, &str); 6] = [
    ("delay", "80ms"),
    ("jitter", "2ms"),
    ("loss", "10%"),
    ("duplicate", "10%"),
    ("reorder", "20%"),
    ("seed", "4"),
];
const PINGS: [&str; 6] =
    ["--count=60", "--interval=60ms", "--source-port=5000", "-W", "400ms", "--format=json"];

/// A datagram that the client has sent or received, without its times.
type Datagram = (bool, Vec<u8>);

/// The datagrams in a capture of the client, in their order.
fn datagrams(capture: &Path, timeless: fn(&[u8]) -> Vec<u8>) -> Vec<Datagram> {
    let byte =
        |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let packets = fields(capture, &["udp.srcport", "udp.payload"]);
    let of = |packet: &Vec<String>| {
        let payload: Vec<_> = packet[1].as_bytes().chunks(2).map(byte).collect();
        (packet[0] == "5000", timeless(&payload))
    };
    packets.iter().map(of).collect()
}

/// A ping of the UDP Pinger lab, without its time: "Ping SEQ TIME".
fn timeless_text(payload: &[u8]) -> Vec<u8> {
    let words = payload.split(|byte| *byte == b' ').take(2);
    words.flat_map(|word| word.iter().chain(b" ")).copied().collect()
}

/// A STAMP packet without its timestamps, which all begin at multiples of four bytes, and their error
/// estimates (RFC 8762, figures 2 and 4).
fn timeless_stamp(payload: &[u8]) -> Vec<u8> {
    let is_time = |index: usize| matches!(index, 4..14 | 16..24 | 28..38);
    let bytes = payload.iter().enumerate();
    bytes.map(|(index, byte)| if is_time(index) { 0 } else { *byte }).collect()
}

/// The results in what a simulation has printed.
fn results(stdout: &str) -> Value {
    let (start, end) = (stdout.find("{\"format\"").unwrap(), stdout.rfind("}\n").unwrap());
    serde_json::from_str(&stdout[start..=end]).unwrap()
}

/// Runs both, and returns their captures and results.
#[track_caller]
fn both(name: &str, server: &[&str], client: &[&str]) -> [(std::path::PathBuf, Value); 2] {
    let simulated = own_file(&format!("{name}-simulated.pcapng"), b"");
    let mut command = udping_host();
    command.args(["simulate", "--verbose", "--pcap"]).arg(&simulated);
    command.args(LINK.map(|(name, value)| format!("--{name}={value}")));
    command.args(["--server", &format!("server 12000 {}", server.join(" ")), "--"]);
    let outcome = run(command.args(["client", "server", "12000"]).args(PINGS).args(client));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let of_simulated = results(&outcome.stdout);

    let [here, there] = Namespace::pair();
    let mut command = there.command(host_program());
    let arguments = ["server", "12000", "--bind", "10.9.0.2"];
    let server = Server::listening(command.args(arguments).args(server));
    let real = own_file(&format!("{name}-real.pcapng"), b"");
    let link: Vec<_> = LINK.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let impairments = format!("{},flow=10.0.0.2:5000-10.0.0.1:12000", link.join(","));
    let mut command: Command = here.command(host_program());
    // A source port that is chosen is listened on.
    command.args(["--allow-to", "10.9.0.2:12000", "--allow-listen", "5000"]);
    command.args(["--impair", &impairments, "--pcap"]).arg(&real);
    let outcome = run(command.args(["client", "10.9.0.2", "12000"]).args(PINGS).args(client));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    server.stop();
    [(simulated, of_simulated), (real, results(&outcome.stdout))]
}

fn number(results: &Value, path: &str) -> u64 {
    results.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {results}"))
}

#[track_caller]
fn assert_same(
    runs: &[(std::path::PathBuf, Value); 2],
    timeless: fn(&[u8]) -> Vec<u8>,
    counts: &[&str],
) {
    let [(simulated, results), (real, of_real)] = runs;
    for count in counts {
        assert_eq!(number(results, count), number(of_real, count), "{count}: {of_real}");
    }
    // What is sent and received at about the same time may be captured in either order.
    for way in [true, false] {
        let of = |capture| -> Vec<_> {
            datagrams(capture, timeless).into_iter().filter(|(sent, _)| *sent == way).collect()
        };
        assert_eq!(of(simulated), of(real));
    }
    // There is something to be the same.
    for count in ["lost", "duplicates", "reordered"] {
        assert!(number(results, &format!("/total/{count}")) >= 2, "{count}: {results}");
    }
    // The RTTs are those of the links, and what the real way takes.
    for bound in ["/total/rtt/min_ns", "/total/rtt/p50_ns"] {
        let (simulated, real) = (number(results, bound), number(of_real, bound));
        assert!(
            (simulated..simulated + 20_000_000).contains(&real),
            "{bound}: {simulated}, {real}"
        );
    }
}

const COUNTS: [&str; 6] = [
    "/total/sent",
    "/total/received",
    "/total/lost",
    "/total/late",
    "/total/duplicates",
    "/total/reordered",
];

#[test]
fn a_simulated_flow_is_replayed_between_two_namespaces() {
    assert_same(&both("text", &[], &[]), timeless_text, &COUNTS);
}

#[test]
fn a_simulated_flow_of_stamp_is_replayed_between_two_namespaces() {
    let stamp = ["--protocol=stamp", "--stateful"];
    let counts = COUNTS.iter().chain(&["/total/stamp/lost_forward", "/total/stamp/lost_backward"]);
    let counts: Vec<_> = counts.copied().collect();
    assert_same(&both("stamp", &stamp, &stamp), timeless_stamp, &counts);
}
