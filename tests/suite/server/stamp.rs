//! STAMP against independent implementations: stamp-suite on the other side, in both modes, and
//! tshark as a decoder.
//!
//! tshark 4.0 knows TWAMP-Test, whose unauthenticated packets equal STAMP's except for the SSID
//! (RFC 8762, section 4.6; RFC 8972, section 3). It decodes authenticated ones as if they were not:
//! only stamp-suite can verify those.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{env, thread};

use rustix::process::Signal;
use serde_json::{Value, json};
use udping_tests::{
    CLIENT, PATIENCE, Process, Runtime, SERVER, Server, foreign, key_file, run, under_both_runtimes,
};

under_both_runtimes![
    a_foreign_sender_has_all_of_its_requests_answered,
    what_is_lost_shows_in_a_stateful_reflectors_numbers,
    a_foreign_sender_without_the_key_gets_no_answer,
    a_foreign_reflector_answers_every_ping,
    a_foreign_reflectors_count_tells_where_pings_were_lost,
    a_foreign_reflector_with_another_key_is_not_heard,
];

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// What is queued at a reflector is its time, and not the network's: it says when each request arrived
/// (RFC 8762, section 4.3.1), by the kernel's clock.
#[test]
fn requests_that_waited_for_a_stopped_reflector_arrived_when_they_did() {
    for (flags, is_told) in [(&[][..], true), (&["--no-kernel-time"], false)] {
        let mut command = udping_tests::udping_host();
        command.args(flags).args(["server", "0", "--bind", "127.0.0.1", "--protocol", "stamp"]);
        let server = Server::listening(&mut command);
        let [host, port] = server.host_and_port();
        let mut command = udping_tests::udping_host();
        command.args(["client", &host, &port, "--protocol", "stamp", "-c", "6", "-i", "100ms"]);
        let client = Process::start(command.args(["--format", "json"]));
        thread::sleep(Duration::from_millis(150));
        server.process.signal(Signal::STOP);
        thread::sleep(Duration::from_millis(600));
        server.process.signal(Signal::CONT);
        let outcome = client.wait();
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let total = udping_schema::results(&outcome.stdout)["total"].take();
        let ms = |spread: &Value| spread["max_ns"].as_f64().unwrap() / 1e6;
        assert!(ms(&total["rtt"]) > 300.0, "{flags:?}: {total}");
        let of_stamp = |what: &str| ms(&total["stamp"][what]);
        let (net, reflector) = (of_stamp("net_rtt"), of_stamp("processing"));
        if is_told {
            assert!(net < 100.0 && reflector > 300.0, "{flags:?}: {total}");
        } else {
            assert!(net > 300.0 && reflector < 100.0, "{flags:?}: {total}");
        }
    }
}

/// Unauthenticated and authenticated.
const MODES: [Option<&str>; 2] = [None, Some(KEY)];

/// Starts our reflector, with `key`.
fn reflector(runtime: Runtime, key: Option<&str>, options: &[&str]) -> Server {
    let arguments = [&["0", "--bind", "127.0.0.1", "--protocol", "stamp"], options].concat();
    Server::listening(&mut runtime.command_with_key(key, SERVER, &arguments))
}

/// The final report of our sender, with `key`.
fn sent(runtime: Runtime, key: Option<&str>, server: &Server, options: &[&str]) -> Value {
    let [host, port] = server.host_and_port();
    let arguments = [&host, &port, "--protocol", "stamp", "--format", "json"];
    let outcome = run(&mut runtime.command_with_key(key, CLIENT, &[&arguments, options].concat()));
    assert_eq!(outcome.stderr, "");
    udping_schema::results(&outcome.stdout)["total"].take()
}

/// Returns stamp-suite, with `key`.
fn stamp_suite(program: &Path, key: Option<&str>) -> Command {
    let mut command = Command::new(program);
    if let Some(key) = key {
        command.args(["--auth-mode", "A", "--hmac-key-file"]).arg(key_file(key));
    }
    command
}

/// Returns the report of stamp-suite as a sender of 10 requests, and the lines that it prints
/// before.
fn foreign_sender(
    program: &Path,
    key: Option<&str>,
    server: &Server,
    options: &[&str],
) -> (Value, Vec<String>) {
    let [host, port] = server.host_and_port();
    let mut command = stamp_suite(program, key);
    command.args([
        "--remote-addr",
        &host,
        "--remote-port",
        &port,
        "--count",
        "10",
        "--send-delay",
        "20ms",
    ]);
    let outcome =
        run(command.args(["--output-format", "json"]).args(options).env("RUST_LOG", "warn"));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    (
        serde_json::from_str(&outcome.stdout).unwrap(),
        outcome.stderr.lines().map(str::to_owned).collect(),
    )
}

/// Starts stamp-suite as a reflector.
fn foreign_reflector(program: &Path, key: Option<&str>, options: &[&str]) -> Server {
    // It takes 0 for the protocol's own port.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let reflector = stamp_suite(program, key);
    // It reports the address it listens on on standard error.
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .arg(reflector.get_program())
        .args(reflector.get_args());
    command
        .args(["--is-reflector", "--local-addr", "127.0.0.1", "--local-port", &port])
        .args(options);
    Server::listening(command.env("RUST_LOG", "stamp_suite::receiver::nix=info"))
}

/// The number after `name=` in one of stamp-suite's lines.
fn number(line: &str, name: &str) -> u64 {
    let number = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {line}"))
}

fn a_foreign_sender_has_all_of_its_requests_answered(runtime: Runtime) {
    let Some(program) = foreign("stamp-suite") else { return };
    for key in MODES {
        for (ours, theirs, clock) in [
            (
                &[][..],
                "NTP",
                json!({"synchronized": false, "format": "NTP", "scale": 25, "multiplier": 128, "error_ms": 1000.0}),
            ),
            (
                &["--stateful", "--clock-synced"],
                "PTP",
                json!({"synchronized": true, "format": "NTP", "scale": 18, "multiplier": 164, "error_ms": 10.009_765_625}),
            ),
        ] {
            let server = reflector(runtime, key, ours);
            let options =
                ["-R", "--clock-source", theirs, "--ssid", "4660", "--extra-padding", "64"];
            let (report, said) = foreign_sender(&program, key, &server, &options);
            assert_eq!(
                (&report["packets_sent"], &report["packets_received"]),
                (&json!(10), &json!(10)),
                "{report}"
            );
            let measurements = &report["measurements"];
            for fault in
                ["late", "duplicate", "unknown", "reordered", "additional", "unobserved_requested"]
            {
                assert_eq!(measurements[format!("{fault}_replies")], 0, "{fault}: {report}");
            }
            assert_eq!(measurements["independent_sequence_observations"], 0, "{report}");
            // TLVs are returned as sent, with the flag of unrecognized ones (RFC 8972, section 4).
            let tlvs = &measurements["tlv_validation"];
            assert!(tlvs["observed_tlvs"].as_u64() >= Some(10), "{tlvs}");
            let flags = json!({
                "unrecognized": tlvs["observed_tlvs"], "malformed": 0, "integrity_failed": 0, "conformant_reflected": 0,
            });
            assert_eq!(tlvs["flags"], flags, "{tlvs}");

            let one_way = &report["owd"];
            assert_eq!(
                (&one_way["samples"], &one_way["clock_quality"]["last_reflector"]),
                (&json!(10), &clock)
            );
            for delay in ["forward_min_ms", "forward_max_ms", "reverse_min_ms", "reverse_max_ms"] {
                assert!(
                    (0.0..60_000.0).contains(&one_way[delay].as_f64().unwrap()),
                    "{delay}, by the same clock: {one_way}"
                );
            }
            // One line for each reply, and no warning, such as about an SSID that was not returned.
            assert_eq!(said.len(), 10, "{said:?}");
            for (seq, line) in said.iter().enumerate() {
                assert_eq!((number(line, "seq"), number(line, "ttl")), (seq as u64, 255));
                assert!(
                    number(line, "reflector_recv_ts") <= number(line, "reflector_send_ts"),
                    "{line}"
                );
            }
        }
    }
}

fn what_is_lost_shows_in_a_stateful_reflectors_numbers(runtime: Runtime) {
    let Some(program) = foreign("stamp-suite") else { return };
    let options = ["--drop-rate", "40", "--seed", "7", "--stateful"];
    for (key, is_stateful) in [(None, false), (None, true), (Some(KEY), true)] {
        let server = reflector(runtime, key, if is_stateful { &options } else { &options[..4] });
        let (report, _) = foreign_sender(&program, key, &server, &["--timeout", "1"]);
        let measurements = &report["measurements"];
        let replies = measurements["unique_replies"].as_u64().unwrap();
        assert!((1..10).contains(&replies), "{report}");
        if is_stateful {
            assert_eq!(measurements["last_reflector_sequence"], replies - 1, "{report}");
        } else {
            assert_eq!(measurements["independent_sequence_observations"], 0, "{report}");
        }
    }
}

fn a_foreign_sender_without_the_key_gets_no_answer(runtime: Runtime) {
    let Some(program) = foreign("stamp-suite") else { return };
    for theirs in [Some(OTHER), None] {
        let mut server = reflector(runtime, Some(KEY), &["-v"]);
        let (report, _) = foreign_sender(&program, theirs, &server, &["--timeout", "1"]);
        assert_eq!(
            (&report["packets_sent"], &report["packets_received"]),
            (&json!(10), &json!(0)),
            "{report}"
        );
        let said: Vec<_> = (0..20).map(|_| server.process.line()).collect();
        let refused = said.iter().filter(|line| {
            line.starts_with("refused ") && line.ends_with(" (without a valid tag)")
        });
        assert_eq!(refused.count(), 10, "{said:?}");
    }
}

fn a_foreign_reflector_answers_every_ping(runtime: Runtime) {
    let Some(program) = foreign("stamp-suite") else { return };
    for key in MODES {
        for (theirs, ours) in [
            (&[][..], &["--ssid", "4660"][..]),
            // It takes the padding of a ping for TLVs (RFC 8972, section 4).
            (&["--stateful-reflector"], &["--stateful", "--size", "200"]),
            // Its timestamps have another format than ours (RFC 8186), and it states their error: 5
            // / 2^12 s.
            (
                &[
                    "--clock-source",
                    "PTP",
                    "--clock-synchronized",
                    "--error-scale",
                    "20",
                    "--error-multiplier",
                    "5",
                ],
                &["--clock-synced"],
            ),
        ] {
            let server = foreign_reflector(&program, key, theirs);
            let total = sent(runtime, key, &server, &[&["-i", "20ms"], ours].concat());
            let counts = ["sent", "received", "foreign"].map(|name| total[name].as_u64());
            assert_eq!(counts, [Some(10), Some(10), Some(0)], "{total}");
            let stamp = &total["stamp"];
            assert!(stamp["processing"]["min_ns"].as_u64() > Some(0), "{total}");
            assert!(
                stamp["net_rtt"]["max_ns"].as_u64() < total["rtt"]["max_ns"].as_u64(),
                "{total}"
            );
            assert!(
                stamp["forward_variation"].is_object() && stamp["backward_variation"].is_object(),
                "{total}"
            );
            let is_stateful = ours.contains(&"--stateful");
            for loss in ["lost_forward", "lost_backward", "lost_unknown"] {
                assert_eq!(stamp[loss].as_u64(), is_stateful.then_some(0), "{loss}: {total}");
            }
            if ours.contains(&"--clock-synced") {
                let synced = &stamp["synced"];
                assert_eq!(
                    synced["reflector"],
                    json!({"error_ns": 1_220_704, "synchronised": true})
                );
                assert_eq!(synced["below_zero"], 0, "by the same clock: {synced}");
                for delay in ["forward_delay", "backward_delay"] {
                    assert!(
                        synced[delay]["max_ns"].as_u64().unwrap() < 60_000_000_000,
                        "{delay}, by the same clock: {synced}"
                    );
                }
            }
            let said = server.stop();
            assert_eq!(said.lines_with("packets reflected: 10").len(), 1, "{said:?}");
        }
    }
}

fn a_foreign_reflectors_count_tells_where_pings_were_lost(runtime: Runtime) {
    let Some(program) = foreign("stamp-suite") else { return };
    for key in MODES {
        // Requests above its rate are dropped and not counted: they are lost forward.
        let options = ["--stateful-reflector", "--max-pps", "20", "--reflector-rate-burst", "1"];
        let server = foreign_reflector(&program, key, &options);
        let total =
            sent(runtime, key, &server, &["--stateful", "-c", "100", "-i", "5ms", "-W", "500ms"]);
        let stamp = &total["stamp"];
        let [forward, backward, unknown] = ["lost_forward", "lost_backward", "lost_unknown"]
            .map(|loss| stamp[loss].as_u64().unwrap());
        assert!(forward > 0, "{total}");
        assert_eq!((backward, forward + unknown), (0, total["lost"].as_u64().unwrap()), "{total}");
    }
}

fn a_foreign_reflector_with_another_key_is_not_heard(runtime: Runtime) {
    let Some(program) = foreign("stamp-suite") else { return };
    for (ours, theirs) in [(Some(KEY), Some(OTHER)), (None, Some(KEY)), (Some(KEY), None)] {
        let server = foreign_reflector(&program, theirs, &[]);
        let total = sent(runtime, ours, &server, &["-c", "3", "-i", "20ms", "-W", "300ms"]);
        assert_eq!((&total["sent"], &total["received"]), (&json!(3), &json!(0)), "{total}");
    }
}

/// Packets that tshark decodes on the loopback interface.
struct Capture {
    tshark: Process,
    /// The port to decode as STAMP.
    port: u16,
}

impl Capture {
    /// Starts to capture packets to and from `port`, and returns the time when the capture had
    /// begun.
    fn start(tshark: &Path, port: u16) -> (Self, String) {
        let marker = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = marker.local_addr().unwrap();
        let filter = format!("udp port {port} or udp port {}", address.port());
        let (decoded, patience) =
            (format!("udp.port=={port},twamp.test"), format!("duration:{}", PATIENCE.as_secs()));
        let mut command = Command::new(tshark);
        command.args([
            "-n", "-l", "-i", "lo", "-f", &filter, "-d", &decoded, "-T", "ek", "-a", &patience,
        ]);
        let mut capture = Self { tshark: Process::start(&mut command), port };
        // It has begun when it has captured a packet.
        let (seen, waiting) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                while waiting.recv_timeout(Duration::from_millis(20))
                    == Err(RecvTimeoutError::Timeout)
                {
                    marker.send_to(b"marker", address).unwrap();
                }
            });
            let first = capture.next();
            drop(seen);
            let time = frame_time(&first).to_owned();
            (capture, time)
        })
    }

    /// Returns the layers of the next packet.
    fn next(&mut self) -> Value {
        loop {
            let line = self.tshark.line();
            let layers = serde_json::from_str::<Value>(&line).unwrap()["layers"].take();
            if !layers.is_null() {
                return layers;
            }
        }
    }

    /// Returns the next STAMP packet, which tshark must decode without warnings.
    fn next_stamp(&mut self) -> Value {
        loop {
            let layers = self.next();
            if layers["udp"]["udp_udp_port"]
                .as_array()
                .unwrap()
                .contains(&json!(self.port.to_string()))
            {
                assert!(!layers.to_string().contains("_ws_"), "malformed, or of note: {layers}");
                return layers;
            }
        }
    }
}

/// The kernel's timestamp of the packet.
fn frame_time(layers: &Value) -> &str {
    layers["frame"]["frame_frame_time"].as_str().unwrap()
}

/// A field of TWAMP-Test.
fn field<'a>(layers: &'a Value, name: &str) -> &'a str {
    layers["twamp_test"][format!("twamp_test_twamp_test_{name}")]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {layers}"))
}

#[test]
fn tshark_reads_every_field_of_requests_and_replies() {
    let Some(tshark) = foreign("tshark") else { return };
    let opened = run(Command::new(&tshark).args(["-i", "lo", "--list-data-link-types"]));
    if !opened.status.success() {
        eprintln!(
            "not tested: tshark may not read what the loopback interface carries: {}",
            opened.stderr
        );
        assert!(env::var_os("UDPING_ALL_PEERS").is_none(), "CI runs as root");
        return;
    }
    // Not under udping-host: it sends several replies at a time, to be segmented (UDP_SEGMENT), and
    // on the loopback interface they are captured unsegmented.
    let runtime = Runtime::Wasmtime;
    if !runtime.is_there() {
        return;
    }
    for (options, error) in [(&[][..], 0x1980), (&["--clock-synced"], 0x92a4)] {
        let server = reflector(runtime, None, &[&["--stateful"], options].concat());
        let port = server.addresses[0].port();
        let (mut capture, mut before) = Capture::start(&tshark, port);
        let pings = ["-i", "20ms", "--ssid", "4660", "--size", "100"];
        let total = sent(runtime, None, &server, &[&pings, options].concat());
        assert_eq!(total["received"], 10, "{total}");

        let reflector_port = port.to_string();
        let packets = (0..20).map(|_| capture.next_stamp());
        let (requests, replies): (Vec<_>, Vec<_>) =
            packets.partition(|packet| packet["udp"]["udp_udp_dstport"] == reflector_port);
        assert_eq!((requests.len(), replies.len()), (10, 10));
        for (seq, (request, reply)) in requests.iter().zip(&replies).enumerate() {
            for (name, in_request, in_reply) in [
                ("seq_number", seq, seq),
                ("error_estimate", error, error),
                // Where TWAMP has zeros, STAMP has the SSID (RFC 8972, section 3).
                ("mbz1", 4660, 4660),
                ("sender_seq_number", 0, seq),
                ("sender_error_estimate", 0, error),
                ("mbz2", 0, 0),
                ("sender_ttl", 0, 255),
            ] {
                let expected = (in_request.to_string(), in_reply.to_string());
                assert_eq!(
                    (field(request, name).to_owned(), field(reply, name).to_owned()),
                    expected,
                    "{name} of {seq}"
                );
            }
            assert!(
                [request, reply]
                    .iter()
                    .all(|packet| field(packet, "padding").chars().all(|c| "0:".contains(c)))
            );
            assert_eq!(field(reply, "sender_timestamp"), field(request, "timestamp"));
            // In the format of RFC 3339, in UTC with nine digits: sorted text is in order of time.
            let times = [
                &before,
                field(request, "timestamp"),
                frame_time(request),
                field(reply, "receive_timestamp"),
                field(reply, "timestamp"),
                frame_time(reply),
            ];
            assert!(times.is_sorted(), "{times:?}");
            before = frame_time(request).to_owned();
        }
        capture.tshark.signal(Signal::TERM);
        capture.tshark.wait();
    }
}
