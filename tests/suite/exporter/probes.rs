//! One ping, by /probe: in a fresh sandbox whose only grant is the target.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use udping_tests::exporter::{Exporter, TRAP};
use udping_tests::http::request;
use udping_tests::namespace::Namespace;
use udping_tests::{Runtime, Server, children, file, guests, host_program, key_file, wat};

const LOOPBACK: &str = "[modules.echo]\nallow = ['127.0.0.0/8:1-65535', 'localhost:1-65535']\n";

/// A target that never replies, and its address.
fn silent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

#[test]
fn a_probe_tells_rtt_and_loss_of_one_target() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter =
        Exporter::start(&format!("{LOOPBACK}client = {{ count = 3, interval = '10ms' }}"));
    let response = exporter.get(&format!("/probe?module=echo&target={}", server.addresses[0]));
    assert_eq!(response.status, 200, "{response:?}");
    assert!(response.content_type.starts_with("text/plain; version=0.0.4"), "{response:?}");
    for (sample, value) in [
        ("probe_success", 1.0),
        ("udping_probe_requests", 3.0),
        ("udping_probe_replies", 3.0),
        ("udping_probe_lost", 0.0),
        ("udping_probe_loss_ratio", 0.0),
        ("udping_probe_denied", 0.0),
        ("udping_probe_rtt_seconds_count", 3.0),
    ] {
        assert!((response.sample(sample) - value).abs() < 1e-9, "{sample}: {}", response.text());
    }
    let [min, mean, max, duration, start] = [
        "udping_probe_rtt_min_seconds",
        "udping_probe_rtt_mean_seconds",
        "udping_probe_rtt_max_seconds",
        "probe_duration_seconds",
        "udping_probe_sandbox_start_seconds",
    ]
    .map(|name| response.sample(name));
    assert!(0.0 < min && min <= mean && mean <= max && max < duration, "{}", response.text());
    assert!(0.0 < start && start < duration, "{}", response.text());
    // Three pings 10 ms apart.
    assert!(duration > 0.02, "{duration}");
    let own = exporter.get("/metrics");
    let probes = "udping_exporter_probes_total{module=\"echo\",result=\"success\"}";
    assert!((own.sample(probes) - 1.0).abs() < 1e-9);
    assert_eq!(server.stop().code(), 0);
}

#[test]
fn a_probe_resolves_the_name_it_is_for() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start(&format!("{LOOPBACK}client.ipv4 = true"));
    let port = server.addresses[0].port();
    let response = exporter.get(&format!("/probe?module=echo&target=localhost:{port}"));
    assert!((response.sample("probe_success") - 1.0).abs() < 1e-9, "{}", response.text());
    let exporter = Exporter::start("[modules.echo]\nallow = ['nowhere.invalid:7']");
    let response = exporter.get("/probe?module=echo&target=nowhere.invalid:7");
    assert_eq!(response.status, 200);
    assert!(response.sample("probe_success").abs() < 1e-9, "{}", response.text());
}

#[test]
fn what_is_not_allowed_is_refused() {
    let exporter = Exporter::start(
        "[modules.a]\nallow = ['192.0.2.0/24:7', '*.example.org:7', '0.0.0.0/0:9']\ntargets = ['198.51.100.1:7']",
    );
    for (query, status, message) in [
        ("module=a&target=192.0.3.1:7", 403, "module a does not allow 192.0.3.1:7"),
        ("module=a&target=192.0.2.1:8", 403, "module a does not allow 192.0.2.1:8"),
        ("module=a&target=example.org:7", 403, "module a does not allow example.org:7"),
        // A network covers no special address.
        ("module=a&target=127.0.0.1:9", 403, "module a does not allow 127.0.0.1:9"),
        ("module=a&target=169.254.169.254:9", 403, "module a does not allow 169.254.169.254:9"),
        ("module=a&target=127.1:9", 403, "module a does not allow 127.1:9"),
        ("module=a&target=%5B::ffff:127.0.0.1%5D:9", 403, "module a does not allow"),
        ("module=b&target=192.0.2.1:7", 400, "there is no module \"b\""),
        ("module=a&target=192.0.2.1", 400, "which port of 192.0.2.1?"),
        ("module=a&target=192.0.2.1:0", 400, "\"192.0.2.1:0\" is not HOST:PORT"),
        ("module=a&target=192.0.2.0/24:7", 400, "is neither an address nor a host name"),
        ("module=a&target=--flood:7", 400, "is neither an address nor a host name"),
        ("module=a&target=a%20b:7", 400, "is neither an address nor a host name"),
        ("module=a&target=a%0Ab:7", 400, "is neither an address nor a host name"),
        ("module=a", 400, "write /probe?target=HOST:PORT&module=NAME"),
        ("module=a&target=192.0.2.1:7&target=127.0.0.1:7", 400, "write /probe?target="),
    ] {
        let response = exporter.get(&format!("/probe?{query}"));
        assert_eq!(response.status, status, "{query}: {response:?}");
        assert!(response.text().contains(message), "{query}: {}", response.text());
        assert_eq!(response.text().lines().count(), 1, "{query}: {}", response.text());
    }
    let refused = "udping_exporter_probes_total{module=\"a\",result=\"refused\"}";
    assert!((exporter.get("/metrics").sample(refused) - 7.0).abs() < 1e-9);
}

#[test]
fn a_probe_ends_before_the_scraper_gives_up() {
    let (_socket, target) = silent();
    let exporter =
        Exporter::start(&format!("timeout-offset = '200ms'\n{LOOPBACK}client.timeout = '5s'"));
    let path = format!("/probe?module=echo&target={target}");
    let header = "X-Prometheus-Scrape-Timeout-Seconds";
    let start = Instant::now();
    let response = request("GET", exporter.address(), &path, &[(header, "0.9")]);
    let elapsed = start.elapsed();
    assert_eq!(response.status, 200);
    assert!(response.sample("probe_success").abs() < 1e-9, "{}", response.text());
    assert!((response.sample("udping_probe_loss_ratio") - 1.0).abs() < 1e-9, "{}", response.text());
    assert!(
        (Duration::from_millis(600)..Duration::from_millis(900)).contains(&elapsed),
        "{elapsed:?}"
    );
    for (value, message) in [("0.2", "leaves no time"), ("soon", "is not a number of seconds")] {
        let response = request("GET", exporter.address(), &path, &[(header, value)]);
        assert_eq!(response.status, 400);
        assert!(response.text().contains(message), "{}", response.text());
    }
}

#[test]
fn probes_beyond_the_limit_are_shed() {
    let (_socket, target) = silent();
    let exporter = Exporter::start(&format!("max-probes = 2\n{LOOPBACK}client.timeout = '1s'"));
    let path = format!("/probe?module=echo&target={target}");
    let statuses = thread::scope(|scope| {
        let probes: Vec<_> = (0..6).map(|_| scope.spawn(|| exporter.get(&path).status)).collect();
        let mut statuses: Vec<_> = probes.into_iter().map(|probe| probe.join().unwrap()).collect();
        statuses.sort_unstable();
        statuses
    });
    assert_eq!(statuses, [200, 200, 503, 503, 503, 503]);
    let metrics = exporter.get("/metrics");
    let count = |result| {
        metrics
            .sample(&format!("udping_exporter_probes_total{{module=\"echo\",result=\"{result}\"}}"))
    };
    assert!((count("shed") - 4.0).abs() < 1e-9 && (count("failure") - 2.0).abs() < 1e-9);
    // They are free again.
    assert_eq!(exporter.get(&path).status, 200);
}

#[test]
fn a_component_that_traps_fails_its_own_probes_alone() {
    let component = wat("trap-in-every-probe.wasm", TRAP);
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start(&format!(
        "{LOOPBACK}[modules.trap]\nallow = ['127.0.0.1:1-65535']\ncomponent = '{}'\n",
        component.display()
    ));
    for _ in 0..20 {
        let probe = |module| {
            exporter.get(&format!("/probe?module={module}&target={}", server.addresses[0]))
        };
        let trapped = probe("trap");
        assert_eq!(trapped.status, 500, "{trapped:?}");
        assert!(trapped.text().contains("the client trapped: "), "{}", trapped.text());
        assert!((probe("echo").sample("probe_success") - 1.0).abs() < 1e-9);
    }
    let metrics = exporter.get("/metrics");
    let errors = "udping_exporter_probes_total{module=\"trap\",result=\"error\"}";
    assert!((metrics.sample(errors) - 20.0).abs() < 1e-9);
    // It traps in the sandbox: the process that runs probes goes on.
    let starts = "udping_exporter_prober_starts_total{module=\"trap\"}";
    assert!((metrics.sample(starts) - 1.0).abs() < 1e-9);
}

#[test]
fn a_prober_that_does_not_answer_is_ended_and_started_again() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start(LOOPBACK);
    let probe = || {
        let path = format!("/probe?module=echo&target={}", server.addresses[0]);
        let timeout = [("x-prometheus-scrape-timeout-seconds", "2")];
        request("GET", exporter.address(), &path, &timeout)
    };
    assert_eq!(probe().status, 200);
    let [prober] = children(exporter.server.process.pid())[..] else { panic!("one child") };
    rustix::process::kill_process(prober, rustix::process::Signal::STOP).unwrap();
    let silent = probe();
    assert_eq!(silent.status, 500);
    assert!(silent.text().contains("does not answer, and is ended"), "{}", silent.text());
    udping_tests::until(|| (probe().status == 200).then_some(()));
    let starts =
        exporter.get("/metrics").sample("udping_exporter_prober_starts_total{module=\"echo\"}");
    assert!((starts - 2.0).abs() < 1e-9, "{starts}");
}

#[test]
fn a_probe_reaches_its_target_alone() {
    // Where a datagram that was let through would reach nobody.
    let here = Namespace::new();
    let component = file("fills.wasm", guests::FILLS);
    let exporter = Exporter::start_by(
        &mut here.command(host_program()),
        // The module's own targets are not the probe's.
        &format!(
            "[modules.m]\nallow = ['127.0.0.1:7', '10.9.0.2:1-65535']\ncomponent = '{}'\n",
            component.display()
        ),
        "127.0.0.1:0",
    );
    // It sends to 10.9.0.2, whatever its arguments say.
    let get = |path: &str| here.within(|| exporter.get(path));
    let response = get("/probe?module=m&target=127.0.0.1:7");
    assert!(!response.text().contains("probe_success 1"), "{response:?}");
    let denied = get("/metrics").sample("udping_exporter_denied_total{module=\"m\"}");
    assert!(denied >= 1.0, "{denied}");
}

#[test]
fn a_module_with_a_key_is_answered_by_servers_with_that_key() {
    let key = "5f".repeat(32);
    let path = key_file(&key);
    let mut command = udping_tests::udping_host();
    command.args(["--key-file", path.to_str().unwrap(), "server", "0", "--bind", "127.0.0.1"]);
    let server = Server::listening(&mut command);
    let exporter = Exporter::start(&format!(
        "{LOOPBACK}client.timeout = '300ms'\n[modules.keyed]\nallow = ['127.0.0.1:1-65535']\nhost.key-file = '{}'\n",
        path.display()
    ));
    for (module, success) in [("keyed", 1.0), ("echo", 0.0)] {
        let response =
            exporter.get(&format!("/probe?module={module}&target={}", server.addresses[0]));
        assert!((response.sample("probe_success") - success).abs() < 1e-9, "{}", response.text());
    }
    assert_eq!(server.stop().code(), 0);
}
