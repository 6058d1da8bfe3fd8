//! Targets that are pinged all the time, by /metrics.

use std::collections::BTreeSet;

use rustix::process::{Signal, test_kill_process};
use udping_tests::exporter::{Exporter, assert_promtool_accepts, sample};
use udping_tests::http::request;
use udping_tests::proc::{assert_restricted, sockets};
use udping_tests::{Runtime, Server, children, own_file, udping_host, until};

#[test]
fn pings_and_their_rtts_are_counted() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let lossy = Server::start(Runtime::UdpingHost, "127.0.0.1", &["--drop-rate", "100"]);
    let exporter = Exporter::start(&format!(
        "[modules.a]\ntargets = ['{}', '{}', 'nowhere.invalid:7']\nclient = {{ interval = '20ms', timeout = '200ms' }}\n",
        server.addresses[0], lossy.addresses[0]
    ));
    let labels = |port: u16| format!("{{module=\"a\",host=\"127.0.0.1\",port=\"{port}\"}}");
    let [answers, drops] = [&server, &lossy].map(|server| labels(server.addresses[0].port()));
    exporter.until(&format!("udping_replies_total{answers}"), 20.0);
    exporter.until(&format!("udping_lost_total{drops}"), 10.0);
    let metrics = exporter.get("/metrics");
    let value = |name: &str, labels: &str| metrics.sample(&format!("{name}{labels}"));
    let replies = value("udping_replies_total", &answers);
    let requests = value("udping_requests_total", &answers);
    // One metric is encoded after the other, while pings go on.
    assert!((replies - 2.0..=replies + 2.0).contains(&requests), "{requests} {replies}");
    let count = value("udping_rtt_seconds_count", &answers);
    let sum = value("udping_rtt_seconds_sum", &answers);
    assert!((replies - 2.0..=replies + 2.0).contains(&count), "{count} {replies}");
    assert!(0.0 < sum && sum / count < 0.1, "{sum} {count}");
    let last = metrics.sample(&format!(
        "udping_rtt_seconds_bucket{},le=\"+Inf\"}}",
        answers.trim_end_matches('}')
    ));
    assert!((last - count).abs() < 1e-9, "{last} {count}");
    assert!(value("udping_lost_total", &answers).abs() < 1e-9);
    assert!(value("udping_replies_total", &drops).abs() < 1e-9);
    // A name that does not resolve has its series, too.
    let nowhere = "{module=\"a\",host=\"nowhere.invalid\",port=\"7\"}";
    for (name, labels, expected) in [
        ("udping_target_pinged", answers.as_str(), 1.0),
        ("udping_target_pinged", nowhere, 0.0),
        ("udping_requests_total", nowhere, 0.0),
        ("udping_rtt_seconds_count", nowhere, 0.0),
    ] {
        assert!((value(name, labels) - expected).abs() < 1e-9, "{name}{labels}");
    }
    assert_eq!(exporter.server.stop().code(), 143);
}

#[test]
fn the_direction_of_losses_is_counted_with_a_stateful_reflector() {
    let options = ["--protocol", "stamp", "--stateful", "--drop-rate", "50", "--seed", "7"];
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &options);
    let exporter = Exporter::start(&format!(
        "[modules.s]\ntargets = ['{}']\nclient = {{ protocol = 'stamp', stateful = true, interval = '10ms', timeout = '100ms' }}\n",
        server.addresses[0]
    ));
    let labels =
        format!("{{module=\"s\",host=\"127.0.0.1\",port=\"{}\"}}", server.addresses[0].port());
    // What the server drops on purpose, it drops before the reflector sees it.
    let forward = exporter.until(&format!("udping_lost_forward_total{labels}"), 20.0);
    let metrics = exporter.get("/metrics");
    let lost = metrics.sample(&format!("udping_lost_total{labels}"));
    assert!(forward <= lost + 2.0, "{forward} {lost}");
    assert!(metrics.sample(&format!("udping_lost_backward_total{labels}")).abs() < 1e-9);
}

#[test]
fn a_scraper_gets_the_format_it_asks_for() {
    let exporter = Exporter::start("[modules.a]\ntargets = ['127.0.0.1:7']\n");
    for (accept, content_type, end) in [
        ("*/*", "text/plain; version=0.0.4", "\n"),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text", "# EOF\n"),
    ] {
        let response = request("GET", exporter.address(), "/metrics", &[("Accept", accept)]);
        assert!(response.content_type.starts_with(content_type), "{}", response.content_type);
        assert!(response.text().ends_with(end));
    }
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let response = request("GET", exporter.address(), "/metrics", &[("Accept", accept)]);
    assert!(response.content_type.contains("encoding=delimited"), "{}", response.content_type);
    let has = |text: &[u8]| response.body.windows(text.len()).any(|window| window == text);
    assert!(has(b"udping_rtt_seconds") && has(b"udping_exporter_build_info"));
}

#[test]
fn promtool_has_no_complaint() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start(&format!(
        "[modules.a]\ntargets = ['{0}', 'a-name.invalid:7']\n[modules.s]\ntargets = ['{0}']\nclient = {{ protocol = 'stamp', stateful = true }}\n",
        server.addresses[0]
    ));
    exporter.until(&sample("udping_replies_total", server.addresses[0]), 1.0);
    for path in ["/metrics".to_owned(), format!("/probe?module=a&target={}", server.addresses[0])] {
        assert_promtool_accepts(&exporter.get(&path));
    }
}

#[test]
fn the_labels_of_a_target_are_the_same_in_the_next_run() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let config = format!("[modules.a]\ntargets = ['{}', 'b.invalid:7']\n", server.addresses[0]);
    let series = || {
        let exporter = Exporter::start(&config);
        exporter.until(&sample("udping_replies_total", server.addresses[0]), 1.0);
        let metrics = exporter.get("/metrics");
        let names = metrics.text().lines().filter(|line| !line.starts_with('#'));
        names.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(series(), series());
}

#[test]
fn a_request_for_another_host_is_refused() {
    let exporter = Exporter::start("hosts = ['ping.example']\n");
    for (host, status) in [
        ("127.0.0.1:9427", 200),
        ("[::1]", 200),
        ("localhost", 200),
        ("Ping.Example:80", 200),
        ("rebound.example", 421),
        ("127.0.0.1.rebound.example", 421),
        ("localhost.rebound.example", 421),
        ("user@localhost", 421),
    ] {
        let response = request("GET", exporter.address(), "/-/healthy", &[("Host", host)]);
        assert_eq!(response.status, status, "{host}: {response:?}");
    }
    let refused = exporter.get("/metrics").sample("udping_exporter_foreign_hosts_total");
    assert!(refused >= 3.0, "{refused}");
}

#[test]
fn its_processes_end_with_it() {
    for (signal, code) in
        [(Signal::TERM, Some(143)), (Signal::INT, Some(130)), (Signal::KILL, None)]
    {
        let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
        let exporter = Exporter::start(&format!(
            "[modules.a]\ntargets = ['{}']\nclient.interval = '50ms'\nallow = ['localhost:7']\n",
            server.addresses[0]
        ));
        exporter.until(&sample("udping_replies_total", server.addresses[0]), 1.0);
        // A client, a prober; its own helper resolves names.
        let mut processes = children(exporter.server.process.pid());
        assert_eq!(processes.len(), 2, "{processes:?}");
        let helpers = until(|| {
            let found: Vec<_> = processes.iter().copied().flat_map(children).collect();
            (!found.is_empty()).then_some(found)
        });
        processes.extend(helpers);
        exporter.server.process.signal(signal);
        let outcome = exporter.server.process.wait();
        if let Some(code) = code {
            assert_eq!(outcome.code(), code, "{outcome:?}");
        }
        until(|| processes.iter().all(|pid| test_kill_process(*pid).is_err()).then_some(()));
    }
}

#[test]
fn a_client_that_ends_is_started_again() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start(&format!(
        "[modules.a]\ntargets = ['{}']\nclient.interval = '20ms'\nallow = ['127.0.0.1:1-65535']\n",
        server.addresses[0]
    ));
    let replies = sample("udping_replies_total", server.addresses[0]);
    exporter.until(&replies, 5.0);
    for process in children(exporter.server.process.pid()) {
        rustix::process::kill_process(process, Signal::KILL).unwrap();
    }
    exporter.until("udping_exporter_client_starts_total{module=\"a\"}", 2.0);
    let now = exporter.get("/metrics").sample(&replies);
    assert!(now >= 5.0);
    exporter.until(&replies, now + 5.0);
    let probe = format!("/probe?module=a&target={}", server.addresses[0]);
    until(|| (exporter.get(&probe).status == 200).then_some(()));
}

#[test]
fn processes_that_run_components_are_hardened() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start(&format!(
        "[modules.a]\ntargets = ['{0}']\nallow = ['localhost:7']\nclient.interval = '20ms'\n",
        server.addresses[0]
    ));
    exporter.until(&sample("udping_replies_total", server.addresses[0]), 1.0);
    let probe = exporter.get(&format!("/probe?module=a&target={}", server.addresses[0]));
    assert_eq!(probe.status, 200, "{probe:?}");
    let processes = children(exporter.server.process.pid());
    assert_eq!(processes.len(), 2);
    for pid in processes {
        let pid = pid.as_raw_nonzero();
        assert_restricted(pid.get());
        // Neither the listening socket nor a connection of HTTP.
        assert_eq!(sockets(pid.get(), "tcp"), 0);
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert!(environment.is_empty(), "{environment:?}");
    }
}

#[test]
fn the_process_that_speaks_http_holds_no_key() {
    let key = "a7".repeat(32);
    let path = own_file("of-an-exporter.key", key.as_bytes());
    let mut command = udping_host();
    command.args(["--key-file", path.to_str().unwrap(), "server", "0", "--bind", "127.0.0.1"]);
    let server = Server::listening(&mut command);
    let exporter = Exporter::start(&format!(
        "[modules.a]\ntargets = ['{}']\nclient.interval = '20ms'\nhost.key-file = '{}'\n",
        server.addresses[0],
        path.display()
    ));
    exporter.until(&sample("udping_replies_total", server.addresses[0]), 5.0);
    let pid = exporter.server.process.pid().as_raw_nonzero();
    let bytes = vec![0xa7_u8; 32];
    assert!(!memory_contains(pid.get(), key.as_bytes()), "the key as text");
    assert!(!memory_contains(pid.get(), &bytes), "the key as bytes");
    // What it does hold is found: the file's name.
    assert!(memory_contains(pid.get(), b"of-an-exporter.key"), "its memory is not searched");
    // It listens for HTTP, and its client has the socket that pings.
    assert_eq!(sockets(pid.get(), "udp"), 0);
    assert!(sockets(pid.get(), "tcp") > 0);
    let [client] = children(exporter.server.process.pid()).try_into().unwrap();
    assert!(sockets(client.as_raw_nonzero().get(), "udp") > 0);
}

/// Whether a process has `needle` anywhere in the memory that it can write.
fn memory_contains(pid: i32, needle: &[u8]) -> bool {
    use std::os::unix::fs::FileExt as _;

    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut read = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = vec![0; (end - start) as usize];
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            read += bytes.len();
            if bytes.windows(needle.len()).any(|window| window == needle) {
                return true;
            }
        }
    }
    assert!(read > 0, "its memory was not read");
    false
}
