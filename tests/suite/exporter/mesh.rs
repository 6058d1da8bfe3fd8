//! Three machines that ping each other, with loss on one path, under a real Prometheus: its API
//! returns the loss, and quantiles that equal those of the client's own results.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use udping_tests::exporter::Exporter;
use udping_tests::http::get;
use udping_tests::namespace::Namespace;
use udping_tests::{Process, Server, host_program, installed, peer, run, until};

/// Where the answers of the host with a known RTT come from.
const SLOW: &str = "10.9.0.3:12007";

/// Returns the program of a name, which the tests require.
fn required(program: &str) -> std::path::PathBuf {
    installed(program).unwrap_or_else(|| panic!("no {program}: run `make peers`"))
}

/// A Prometheus that scrapes the mesh, and where it listens.
fn prometheus(
    at: &Namespace,
    port: u16,
    options: &[&str],
) -> (Process, SocketAddr, tempfile::TempDir) {
    let folder = tempfile::Builder::new().prefix("udping-prometheus").tempdir().unwrap();
    let rules =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus/rules.yml");
    let config = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ['{}']
scrape_configs:
  - job_name: udping
    static_configs: [{{ targets: ['10.9.0.1:9427', '10.9.0.2:9427', '10.9.0.3:9427'] }}]
    relabel_configs:
      - {{ source_labels: [__address__], regex: '(.*):\\d+', target_label: vantage }}
  - job_name: udping-probe
    metrics_path: /probe
    params: {{ module: [mesh] }}
    static_configs: [{{ targets: ['10.9.0.2:12000', '10.9.0.3:12000'] }}]
    relabel_configs:
      - {{ source_labels: [__address__], target_label: __param_target }}
      - {{ source_labels: [__param_target], target_label: instance }}
      - {{ target_label: __address__, replacement: '10.9.0.1:9427' }}
",
        rules.display()
    );
    let path = folder.path().join("prometheus.yml");
    std::fs::write(&path, config).unwrap();
    let address = SocketAddr::new("10.9.0.254".parse().unwrap(), port);
    // Its log is not the test's: a pipe that nobody reads would stop it.
    let script = format!(
        "echo starting; exec {} --config.file={} --storage.tsdb.path={} --web.listen-address={address} {} >{} 2>&1",
        required("prometheus").display(),
        path.display(),
        folder.path().join("data").display(),
        options.join(" "),
        folder.path().join("log").display(),
    );
    let mut process = Process::start(at.command("sh").args(["-c", &script]));
    assert_eq!(process.line(), "starting");
    (process, address, folder)
}

/// The values that a query returns, each with its labels.
fn query(at: &Namespace, prometheus: SocketAddr, expression: &str) -> Vec<(Value, f64)> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let response = at.within(|| get(prometheus, &format!("/api/v1/query?query={encoded}")));
    assert_eq!(response.status, 200, "{expression}: {response:?}");
    let json: Value = serde_json::from_slice(&response.body).unwrap();
    let results = json["data"]["result"].as_array().unwrap().clone();
    results
        .into_iter()
        .map(|mut result| {
            let value = result["value"][1].as_str().unwrap().parse().unwrap();
            (result["metric"].take(), value)
        })
        .collect()
}

/// The only value that a query returns, once there is one.
fn value(at: &Namespace, prometheus: SocketAddr, expression: &str) -> f64 {
    until(|| match query(at, prometheus, expression).as_slice() {
        [(_, value)] if !value.is_nan() => Some(*value),
        [] | [_] => None,
        several => panic!("{expression}: {several:?}"),
    })
}

#[test]
fn prometheus_returns_the_losses_and_quantiles_of_a_mesh() {
    let (switch, hosts) = Namespace::mesh(3);
    let ip = |number: usize| format!("10.9.0.{}", number + 1);
    // A quarter of what the first sends to the second.
    hosts[1].tool(
        "iptables",
        "-A INPUT -s 10.9.0.1 -p udp --dport 12000 -m statistic --mode nth --every 4 --packet 0 -j DROP",
    );
    let servers: Vec<_> = hosts
        .iter()
        .map(|host| Server::listening(host.command(host_program()).args(["server", "12000"])))
        .collect();
    let script = peer("slow_echo.py", &["10.9.0.3", "12007"]);
    let mut slow = hosts[2].command(script.get_program());
    let slow = Server::listening(slow.args(script.get_args()));
    let exporters: Vec<_> = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| {
            let others = (0..3).filter(|other| *other != number);
            let targets: Vec<_> = others.map(|other| format!("'{}:12000'", ip(other))).collect();
            let slow = if number == 0 { format!(", '{SLOW}'") } else { String::new() };
            let config = format!(
                "[modules.mesh]\ntargets = [{}{slow}]\nclient = {{ interval = '20ms', timeout = '500ms' }}\n",
                targets.join(", ")
            );
            let mut command = host.command(host_program());
            Exporter::start_by(&mut command, &config, &format!("{}:9427", ip(number)))
        })
        .collect();
    let (_classic_process, classic, _classic_folder) = prometheus(&switch, 9090, &[]);
    let (_native_process, native, _native_folder) =
        prometheus(&switch, 9091, &["--enable-feature=native-histograms"]);
    let is_up = |address| {
        let ask = || std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
        switch.within(ask).then_some(())
    };
    for address in [classic, native] {
        until(|| is_up(address));
    }

    // The same, as the client itself tells it.
    let [host, port] = SLOW.split(':').collect::<Vec<_>>().try_into().unwrap();
    let options = ["-c", "500", "-i", "20ms", "--format", "json"];
    let outcome = run(hosts[0].command(host_program()).args(["client", host, port]).args(options));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let results: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let own = |name: &str| results["total"]["rtt"][name].as_f64().unwrap() / 1e9;

    for prometheus in [classic, native] {
        let paths = until(|| {
            let paths = query(&switch, prometheus, "udping_requests_total");
            (paths.len() == 7 && paths.iter().all(|(_, sent)| *sent >= 300.0)).then_some(paths)
        });
        for (labels, _) in paths {
            let label = |name: &str| labels[name].as_str().unwrap().to_owned();
            let (vantage, host, port) = (label("vantage"), label("host"), label("port"));
            let path = format!("vantage=\"{vantage}\",host=\"{host}\",port=\"{port}\"");
            // The share of all pings, and the rule's share of the last minutes.
            let ratio = format!(
                "udping_lost_total{{{path}}} / (udping_lost_total{{{path}}} + udping_replies_total{{{path}}})"
            );
            let rule = format!("path:udping_loss:ratio_rate5m{{{path}}}");
            for expression in [ratio, rule] {
                let loss = value(&switch, prometheus, &expression);
                let expected =
                    if (&*vantage, &*host) == ("10.9.0.1", "10.9.0.2") { 0.25 } else { 0.0 };
                assert!((loss - expected).abs() < 0.02, "{expression}: {loss}");
            }
        }
        let success = query(&switch, prometheus, "probe_success");
        assert_eq!(success.len(), 2, "{success:?}");
    }

    let path = "vantage=\"10.9.0.1\",port=\"12007\"";
    for (quantile, name) in [("0.5", "p50_ns"), ("0.99", "p99_ns")] {
        // All of them are between 20 and 50 ms, so within the same classic bucket.
        let expression = format!(
            "histogram_quantile({quantile}, rate(udping_rtt_seconds_bucket{{{path}}}[1m]))"
        );
        let of_classic = value(&switch, classic, &expression);
        assert!((0.020..0.050).contains(&of_classic), "{name}: {of_classic}");
        assert!((0.020..0.050).contains(&own(name)), "{name}: {}", own(name));
        // A native bucket is at most 9.1 % wide (a factor of 2^(1/8)), and the minute is not all of what
        // the exporter counts itself.
        let expression =
            format!("histogram_quantile({quantile}, rate(udping_rtt_seconds{{{path}}}[1m]))");
        let of_native = value(&switch, native, &expression);
        let factor = of_native / own(name);
        assert!((1.0 / 1.15..1.15).contains(&factor), "{name}: {of_native} {}", own(name));
    }
    // With the rule, whichever there is.
    let rule = format!("path:udping_rtt_seconds:p99_rate5m{{{path}}}");
    assert!((0.035..0.050).contains(&value(&switch, native, &rule)));
    let up = query(&switch, native, "up");
    assert!(up.len() == 5 && up.iter().all(|(_, up)| *up > 0.5), "{up:?}");
    drop((exporters, servers, slow));
}

#[test]
fn the_files_for_prometheus_are_what_promtool_takes() {
    let mut check = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/check"));
    let tools = required("promtool");
    let path = std::env::var("PATH").unwrap();
    check.env("PATH", format!("{}:{path}", tools.parent().unwrap().display()));
    let outcome = run(check.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert!(
        outcome.stdout.contains("Unit Testing") || outcome.stderr.contains("Unit Testing"),
        "{outcome:?}"
    );
}

#[test]
fn the_example_configuration_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/exporter.toml");
    let own = udping_tests::own_file("exporter.toml", &std::fs::read(path).unwrap());
    let mut check = udping_tests::udping_host();
    let outcome = run(check.args(["exporter", "--check", "--config"]).arg(own));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
}
