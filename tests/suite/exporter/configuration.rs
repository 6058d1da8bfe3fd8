//! A configuration that is wrong, and one that changes.

use rustix::process::Signal;
use udping_tests::exporter::{Exporter, configured};
use udping_tests::http::request;
use udping_tests::{Runtime, Server, run, udping_host, until};

#[test]
fn check_says_what_is_wrong_and_where() {
    for (config, complaint) in [
        ("[modules.a]\ntarget = []\n", "line 2, column 1: unknown field `target`"),
        (
            "[modules.a]\ntargets = ['192.0.2.7']\n",
            "line 2, column 11: \"192.0.2.7\": which port of 192.0.2.7?",
        ),
        (
            "[modules.a.client]\ninterval = '1us'\n",
            "line 2, column 12: invalid value '1us' for '--interval <DURATION>': must be at least 10us",
        ),
        ("[modules.a.client]\nhaste = 7\n", "line 2, column 9: "),
        (
            "[modules.a.host]\nallow-to = '192.0.2.7:7'\n",
            "line 2, column 12: allow-to is not for a module: it is granted its targets alone",
        ),
        ("[modules.a.host]\nlimit-memory = 'lots'\n", "line 2, column 16: invalid value 'lots'"),
        ("[modules.a.host]\nworkers = 2\n", "line 2, column 11: workers is not for a module"),
        (
            "[modules.a]\nallow = ['192.0.2.0/24:7']\ntargets-file = 'missing.txt'\n",
            "missing.txt: ",
        ),
    ] {
        let (_folder, path) = configured(config);
        for check in [&["--check"][..], &["--listen", "127.0.0.1:0"]] {
            let outcome = run(udping_host().args(["exporter", "--config"]).arg(&path).args(check));
            assert_eq!(outcome.code(), 2, "{config}: {outcome:?}");
            assert!(outcome.only_error().contains(complaint), "{config}: {outcome:?}");
        }
    }
    let (_folder, path) = configured("[modules.a]\ntargets = ['192.0.2.7:7']\n");
    let outcome = run(udping_host().args(["exporter", "--check", "--config"]).arg(&path));
    assert_eq!((outcome.code(), outcome.stdout.contains("1 module")), (0, true), "{outcome:?}");
}

#[test]
fn what_keeps_it_from_starting_is_one_line() {
    let (_folder, path) = configured("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let outcome = run(udping_host().args(["exporter", "--listen", &listen, "--config"]).arg(&path));
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.only_error().contains(&format!("cannot listen on {listen}: ")), "{outcome:?}");
    let mut command = udping_host();
    command.env("UDPING_KEY", "00".repeat(32)).args(["exporter", "--config"]).arg(&path);
    let outcome = run(&mut command);
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.only_error().contains("is to hold no key"), "{outcome:?}");
}

#[test]
fn a_reload_keeps_the_counters_of_targets_that_stay() {
    let servers = [(); 2].map(|()| Server::start(Runtime::UdpingHost, "127.0.0.1", &[]));
    let [one, two] = [0, 1].map(|index| servers[index].addresses[0].to_string());
    let config =
        |targets: &str| format!("[modules.a]\ntargets = [{targets}]\nclient.interval = '20ms'\n");
    let exporter = Exporter::start(&config(&format!("'{one}'")));
    let sample = |address: &str| {
        let port = address.rsplit(':').next().unwrap();
        format!("udping_replies_total{{module=\"a\",host=\"127.0.0.1\",port=\"{port}\"}}")
    };
    let before = exporter.until(&sample(&one), 10.0);

    exporter.configure(&config(&format!("'{one}', '{two}'")));
    let reload = |method| request(method, exporter.address(), "/-/reload", &[]);
    assert_eq!(reload("GET").status, 405);
    assert_eq!(reload("POST").status, 200);
    assert!(exporter.get("/metrics").sample(&sample(&one)) >= before);
    exporter.until(&sample(&two), 5.0);

    exporter.configure("[modules.a]\ntargets = 7");
    let refused = reload("POST");
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("line 2, column 11: "), "{}", refused.text());
    let metrics = exporter.get("/metrics");
    assert!(metrics.sample("udping_exporter_config_last_reload_successful").abs() < 1e-9);
    // The configuration before is still in force.
    exporter.until(&sample(&two), metrics.sample(&sample(&two)) + 5.0);

    exporter.configure(&config(&format!("'{two}'")));
    exporter.server.process.signal(Signal::HUP);
    until(|| (!exporter.get("/metrics").text().contains(&sample(&one))).then_some(()));
    let metrics = exporter.get("/metrics");
    assert!((metrics.sample("udping_exporter_config_last_reload_successful") - 1.0).abs() < 1e-9);
    assert!(
        (metrics.sample("udping_exporter_reloads_total{result=\"success\"}") - 2.0).abs() < 1e-9
    );
    assert!(
        (metrics.sample("udping_exporter_reloads_total{result=\"failure\"}") - 1.0).abs() < 1e-9
    );
    exporter.until(&sample(&two), metrics.sample(&sample(&two)) + 5.0);
}

#[test]
fn a_reload_that_changes_nothing_disturbs_nothing() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let exporter = Exporter::start(&format!(
        "[modules.a]\ntargets = ['{}']\nclient.interval = '20ms'\n",
        server.addresses[0]
    ));
    let starts = "udping_exporter_client_starts_total{module=\"a\"}";
    let replies = format!(
        "udping_replies_total{{module=\"a\",host=\"127.0.0.1\",port=\"{}\"}}",
        server.addresses[0].port()
    );
    exporter.until(&replies, 1.0);
    for _ in 0..3 {
        assert_eq!(request("POST", exporter.address(), "/-/reload", &[]).status, 200);
    }
    let metrics = exporter.get("/metrics");
    assert!((metrics.sample(starts) - 1.0).abs() < 1e-9, "{}", metrics.text());
}

#[test]
fn a_file_of_targets_is_followed() {
    let servers = [(); 2].map(|()| Server::start(Runtime::UdpingHost, "127.0.0.1", &[]));
    let [one, two] = [0, 1].map(|index| servers[index].addresses[0]);
    let (folder, _) = configured("");
    let list = folder.path().join("targets.txt");
    std::fs::write(&list, format!("# the first\n{one}\n")).unwrap();
    let exporter = Exporter::start(&format!(
        "[modules.a]\nallow = ['127.0.0.1:1-65535']\ntargets-file = '{}'\nclient.interval = '20ms'\n",
        list.display()
    ));
    let sample = |port: u16| {
        format!("udping_replies_total{{module=\"a\",host=\"127.0.0.1\",port=\"{port}\"}}")
    };
    exporter.until(&sample(one.port()), 1.0);
    // As an editor replaces it: under another name first.
    let new = folder.path().join("targets.new");
    std::fs::write(&new, format!("{one}\n{two} # the second\n192.0.2.1:7\nnonsense\n")).unwrap();
    std::fs::rename(&new, &list).unwrap();
    until(|| exporter.get("/metrics").text().contains(&sample(two.port())).then_some(()));
    exporter.until(&sample(two.port()), 1.0);
    let metrics = exporter.get("/metrics");
    assert!((metrics.sample("udping_exporter_refused_targets{module=\"a\"}") - 2.0).abs() < 1e-9);
    assert!(!metrics.text().contains("192.0.2.1"));
    // A file that is gone leaves the targets as they were.
    std::fs::remove_file(&list).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(800));
    let now = exporter.get("/metrics").sample(&sample(two.port()));
    exporter.until(&sample(two.port()), now + 5.0);
}
