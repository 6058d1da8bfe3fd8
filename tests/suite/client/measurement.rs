//! What a run measures, for which targets, and how that is printed.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use udping_tests::{
    CLIENT, Outcome, Runtime, Server, file, own_file, peer, ping, run, udping_host,
    under_both_runtimes, wasmtime,
};

under_both_runtimes![
    a_document_holds_the_run,
    a_line_is_written_for_each_thing_that_happens,
    a_row_is_written_for_each_ping,
    metrics_end_as_openmetrics_has_it,
    metrics_of_each_run_are_the_same_series,
    lines_begin_with_the_time_on_request,
    a_run_without_end_ends_at_its_deadline,
    a_flood_does_not_wait_for_the_interval,
    bursts_leave_back_to_back,
    source_ports_take_turns,
    a_precise_run_sends_all_of_its_pings,
    a_live_line_is_for_terminals_alone,
];

const FAST: [&str; 6] = ["-c", "5", "-i", "20ms", "-W", "300ms"];

/// Runs five pings to a server that drops none, with output in `format`.
fn printed(runtime: Runtime, options: &[&str]) -> Outcome {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let outcome = ping(runtime, &server, &[&FAST, options].concat());
    // The summary is not part of the csv.
    let has_summary = outcome.stderr.contains("\n5 sent, 5 received, 0 lost (0.0 %)");
    assert!(outcome.code() == 0 && has_summary == options.contains(&"csv"), "{outcome:?}");
    assert!(has_summary || outcome.stderr.is_empty(), "{outcome:?}");
    outcome
}

fn a_document_holds_the_run(runtime: Runtime) {
    for records in [false, true] {
        let options =
            if records { &["--format", "json", "--records"][..] } else { &["--format", "json"] };
        let outcome = printed(runtime, options);
        let document = udping_schema::results(&outcome.stdout);
        assert_eq!(
            (&document["format"], &document["version"]),
            (&"udping-results".into(), &1.into())
        );
        assert_eq!(document["config"]["interval_ns"], 20_000_000);
        assert_eq!(
            (&document["total"]["sent"], &document["total"]["received"]),
            (&5.into(), &5.into())
        );
        assert_eq!(document["flows"].as_array().unwrap().len(), 1);
        let all = document["records"].as_array();
        assert_eq!(all.map(Vec::len), records.then_some(5));
        for (i, record) in all.into_iter().flatten().enumerate() {
            assert_eq!((&record["seq"], &record["fate"]), (&(i + 1).into(), &"received".into()));
            // On a machine that stalls, some slots are missed.
            let slot = record["scheduled_ns"].as_u64().unwrap();
            assert!(slot % 20_000_000 == 0 && slot >= i as u64 * 20_000_000, "{record}");
            let (min, max) =
                (&document["total"]["rtt"]["min_ns"], &document["total"]["rtt"]["max_ns"]);
            assert!((min.as_u64()..=max.as_u64()).contains(&record["rtt_ns"].as_u64()), "{record}");
        }
    }
}

fn a_line_is_written_for_each_thing_that_happens(runtime: Runtime) {
    let outcome = printed(runtime, &["--format", "jsonl"]);
    let lines = udping_schema::events(&outcome.stdout);
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let of = |event| events.iter().filter(|other| **other == event).count();
    assert_eq!((events[0], events[events.len() - 1]), ("start", "summary"));
    assert_eq!((of("sent"), of("reply"), events.len()), (5, 5, 12), "{events:?}");
}

fn a_row_is_written_for_each_ping(runtime: Runtime) {
    let outcome = printed(runtime, &["--format", "csv"]);
    let rows: Vec<Vec<_>> = outcome.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0].join(","), "host,address,source_port,seq,scheduled_ns,sent_ns,fate,rtt_ns");
    assert_eq!(
        rows.iter().skip(1).map(|row| row[3]).collect::<Vec<_>>(),
        ["1", "2", "3", "4", "5"]
    );
    assert!(
        rows[1..].iter().all(|row| row[6] == "received" && row[7].parse::<u64>().unwrap() > 0),
        "{rows:?}"
    );
}

fn metrics_end_as_openmetrics_has_it(runtime: Runtime) {
    let outcome = printed(runtime, &["--format", "openmetrics"]);
    assert!(outcome.stdout.ends_with("# EOF\n"), "{outcome:?}");
    let sent = outcome.lines_with("udping_sent_total{");
    assert!(sent.len() == 1 && sent[0].ends_with("} 5"), "{sent:?}");
    assert_eq!(outcome.lines_with("udping_rtt_seconds_bucket{").len(), 20);
    assert_eq!(outcome.lines_with("udping_rtt_quantile_seconds{").len(), 7);
}

/// A collector that runs it each minute gets the same series each time.
fn metrics_of_each_run_are_the_same_series(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let series = || {
        let outcome = ping(runtime, &server, &[&FAST, &["--format", "openmetrics"][..]].concat());
        let samples = outcome.stdout.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(series(), series());
}

fn lines_begin_with_the_time_on_request(runtime: Runtime) {
    let outcome = printed(runtime, &["-D"]);
    let lines = outcome.lines_with(" rtt=");
    assert_eq!(lines.len(), 5);
    for line in lines {
        let time = line.split(' ').next().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z') && time.len() == 30, "{line}");
    }
}

fn a_run_without_end_ends_at_its_deadline(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let outcome = ping(runtime, &server, &["-c", "0", "-i", "10ms", "-w", "300ms", "-q"]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let sent: u32 = outcome.lines_with(" sent, ")[0].split(' ').next().unwrap().parse().unwrap();
    assert!((2..=31).contains(&sent), "{outcome:?}");
}

fn a_flood_does_not_wait_for_the_interval(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let start = Instant::now();
    let outcome = ping(runtime, &server, &["-c", "500", "-f"]);
    assert_eq!(outcome.lines_with("500 sent, 500 received").len(), 1, "{outcome:?}");
    assert!(start.elapsed() < Duration::from_mins(1), "500 seconds, by the interval");
    assert_eq!(outcome.lines_with(" rtt=").len(), 0);
}

fn bursts_leave_back_to_back(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let options = ["-c", "6", "-i", "200ms", "--burst", "3", "--format", "json", "--records"];
    let document = udping_schema::results(&ping(runtime, &server, &options).stdout);
    let due: Vec<_> = document["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["scheduled_ns"].as_u64().unwrap())
        .collect();
    assert_eq!(due, [0, 0, 0, 200_000_000, 200_000_000, 200_000_000]);
}

fn source_ports_take_turns(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let options = ["-c", "6", "-i", "20ms", "--source-ports", "3", "--format", "json", "--records"];
    let document = udping_schema::results(&ping(runtime, &server, &options).stdout);
    let flows = document["flows"].as_array().unwrap();
    let mut ports: Vec<_> =
        flows.iter().map(|flow| flow["source_port"].as_u64().unwrap()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 3, "{flows:?}");
    assert!(flows.iter().all(|flow| flow["received"] == 2), "{flows:?}");
    assert_eq!(document["total"]["received"], 6);
}

fn a_precise_run_sends_all_of_its_pings(runtime: Runtime) {
    let outcome = printed(runtime, &["--precise"]);
    assert_eq!(outcome.lines_with("5 sent, 5 received").len(), 1, "{outcome:?}");
}

fn a_live_line_is_for_terminals_alone(runtime: Runtime) {
    let outcome = printed(runtime, &["--live"]);
    assert_eq!(outcome.lines_with(" rtt=").len(), 5, "its output is a pipe: {outcome:?}");
    assert!(!outcome.stdout.contains('\x1b'));
}

/// A list of targets: two servers and an unused address, with comments.
fn list(servers: &[&Server]) -> String {
    let mut text = "# those who answer\n\n".to_owned();
    for server in servers {
        text += &format!("{}  # a server\n", server.addresses[0]);
    }
    text
}

#[test]
fn the_host_reads_a_list_and_grants_what_stands_there() {
    let (one, two) = (
        Server::start(Runtime::UdpingHost, "127.0.0.1", &[]),
        Server::start(Runtime::UdpingHost, "::1", &[]),
    );
    let targets = own_file("targets.txt", list(&[&one, &two]).as_bytes());
    let outcome = run(udping_host().arg("--targets").arg(&targets).arg("client").args(FAST));
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    assert_eq!(outcome.lines_with(" rtt=").len(), 10, "{outcome:?}");
    assert_eq!(
        outcome.lines_with("5 sent, 5 received, 0 lost (0.0 %), rtt min/avg/max").len(),
        2,
        "{outcome:?}"
    );
    assert_eq!(outcome.lines_with("10 sent, 10 received").len(), 1, "{outcome:?}");
}

#[test]
fn a_list_of_hosts_without_ports_has_one_port() {
    let server = Server::start(Runtime::UdpingHost, "0.0.0.0", &[]);
    let targets = own_file("no-ports.txt", b"127.0.0.1\n127.0.0.2 # another\n");
    let port = server.addresses[0].port().to_string();
    for option in ["-p", "--port"] {
        let mut command = udping_host();
        command.arg("--targets").arg(&targets).args(["client", option, &port]).args(FAST);
        let outcome = run(&mut command);
        // Each was granted and pinged on that port; this test does not check the address that
        // answers the second.
        assert_eq!(outcome.stderr, "", "{outcome:?}");
        assert_eq!(
            outcome.lines_with(&format!("127.0.0.1:{port}: 5 sent, 5 received")).len(),
            1,
            "{outcome:?}"
        );
        assert_eq!(
            outcome.lines_with(&format!("127.0.0.2:{port}: 5 sent, ")).len(),
            1,
            "{outcome:?}"
        );
    }
}

#[test]
fn silent_target_does_not_affect_others_but_fails_the_run() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let text = format!(
        "{}127.0.0.1:9\nno-such-host.invalid:7\n{}\n",
        list(&[&server]),
        server.addresses[0]
    );
    let targets = own_file("some-silent.txt", text.as_bytes());
    let outcome = run(udping_host().arg("--targets").arg(&targets).arg("client").args(FAST));
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    assert_eq!(outcome.lines_with("5 sent, 5 received").len(), 1, "{outcome:?}");
    assert_eq!(outcome.lines_with("5 sent, 0 received, 5 lost (100.0 %)").len(), 1, "{outcome:?}");
    assert_eq!(
        outcome.lines_with("no-such-host.invalid: not pinged: cannot resolve").len(),
        1,
        "{outcome:?}"
    );
    assert_eq!(outcome.lines_with("not pinged: it is listed twice").len(), 1, "{outcome:?}");
}

/// In every format, and on standard error.
#[test]
fn unresolved_and_duplicate_targets_are_reported() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let address = server.addresses[0];
    let twice = own_file("twice.txt", format!("{address}\n{address}\n").as_bytes());
    let gone = own_file("gone.txt", format!("{address}\ngone.invalid:7\n").as_bytes());
    for format in ["text", "json", "jsonl", "csv", "openmetrics"] {
        for (list, host, code) in [(&gone, "gone.invalid", 1), (&twice, "127.0.0.1", 0)] {
            let mut command = udping_host();
            command.arg("--targets").arg(list).arg("client").args(FAST).args(["--format", format]);
            let outcome = run(&mut command);
            assert_eq!(outcome.code(), code, "{format}: {outcome:?}");
            // With csv, the summary follows on standard error.
            let error = if format == "csv" {
                outcome.stderr.lines().next().unwrap()
            } else {
                outcome.only_error()
            };
            assert!(error.starts_with(&format!("client: {host} port ")), "{format}: {outcome:?}");
            assert!(error.contains(" is not pinged: "), "{format}: {outcome:?}");
            let told = if format == "csv" {
                ",not_pinged,"
            } else if code == 0 {
                "listed twice"
            } else {
                "gone.invalid"
            };
            assert!(
                outcome.stdout.contains(told) && outcome.stdout.contains(host),
                "{format}: {outcome:?}"
            );
        }
    }
}

#[test]
fn a_list_that_names_nobody_or_something_else_is_one_line() {
    for (name, text, complaint) in [
        ("none.txt", "# nobody\n", ": it contains no target"),
        (
            "net.txt",
            "127.0.0.1:7\n127.0.0.0/8:7\n",
            ": line 2: \"127.0.0.0/8:7\" is not HOST[:PORT], with an IPv6 address in brackets",
        ),
    ] {
        let targets = own_file(name, text.as_bytes());
        let outcome = run(udping_host().arg("--targets").arg(&targets).arg("client"));
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        assert_eq!(
            outcome.only_error(),
            format!("udping-host: --targets {}{complaint}", targets.display())
        );
    }
    let outcome = run(udping_host().args(["--targets", "/nonexistent", "client"]));
    assert!(
        outcome.only_error().starts_with("udping-host: --targets /nonexistent: No such file"),
        "{outcome:?}"
    );
}

#[test]
fn under_wasmtime_a_list_is_read_from_standard_input() {
    let Some(mut command) = wasmtime() else { return };
    let (one, two) = (
        Server::start(Runtime::Wasmtime, "127.0.0.1", &[]),
        Server::start(Runtime::Wasmtime, "127.0.0.1", &[]),
    );
    let client = file("client.wasm", CLIENT.bytes);
    command.args(["-S", "inherit-network"]).arg(client).args(["--targets", "-"]).args(FAST);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(list(&[&one, &two]).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("\n10 sent, 10 received"), "{text}");
}

#[test]
fn under_udping_host_a_client_says_who_reads_the_list() {
    let outcome = run(udping_host().args(["client", "--targets", "-"]));
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (2, ""));
    assert!(outcome.only_error().ends_with("udping-host --targets FILE client"), "{outcome:?}");
}

/// The same seed gives the same intervals, another seed others.
#[test]
fn a_poisson_schedule_is_that_of_its_seed() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let due = |seed| {
        let options = [
            "-c",
            "5",
            "-i",
            "50ms",
            "--schedule",
            "poisson",
            "--seed",
            seed,
            "--format",
            "json",
            "--records",
        ];
        let document = udping_schema::results(&ping(Runtime::UdpingHost, &server, &options).stdout);
        document["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["scheduled_ns"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let (one, again, other) = (due("1"), due("1"), due("2"));
    // A missed slot is in neither.
    assert!(one.iter().filter(|at| again.contains(at)).count() >= 2, "{one:?} {again:?}");
    assert_eq!(
        one.iter().filter(|at| other.contains(at)).count(),
        1,
        "they start together: {one:?} {other:?}"
    );
}

/// As many as a site has: the table of flows, the grants and the list must not slow down each
/// datagram.
#[test]
fn a_thousand_targets_are_pinged_by_one_process() {
    let port = udping_tests::responder::start().port();
    let text: String =
        (0..1_000).map(|i| format!("127.0.{}.{}:{port}\n", 1 + i / 250, 1 + i % 250)).collect();
    let targets = own_file("thousand.txt", text.as_bytes());
    let options = ["-c", "2", "-i", "500ms", "-q", "--format", "csv"];
    let outcome = run(udping_host().arg("--targets").arg(&targets).arg("client").args(options));
    fs::remove_file(&targets).unwrap();
    let answered = outcome.lines_with(",received,").len();
    assert_eq!((outcome.code(), answered), (0, 2_000), "{}", outcome.stderr);
}

#[test]
fn pings_to_many_targets_leave_together_unless_precise() {
    let port = udping_tests::responder::start().port();
    let text: String = (1..=40).map(|i| format!("127.0.9.{i}:{port}\n")).collect();
    let targets = own_file("together.txt", text.as_bytes());
    let client = |options: &[&str]| {
        let mut command = udping_host();
        command.arg("--targets").arg(&targets).args(["client", "-c", "5", "-i", "10ms"]);
        let outcome = run(command.args(options));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        outcome
    };
    // When each ping was due, in nanoseconds from the start, by target.
    let due = |options: &[&str]| {
        let format = [&["--format", "json", "--records"], options].concat();
        let results = udping_schema::results(&client(&format).stdout);
        let mut due = vec![Vec::new(); 40];
        for record in results["records"].as_array().unwrap() {
            let target = record["target"].as_u64().unwrap() as usize;
            due[target].push(record["scheduled_ns"].as_u64().unwrap());
        }
        due
    };
    assert!(client(&["-q"]).stdout.starts_with("PING 40 targets"));
    let first_line = |options: &[&str]| client(options).stdout.lines().next().unwrap().to_owned();
    assert!(first_line(&["-q"]).ends_with(", together every 1.00 ms"), "{}", first_line(&["-q"]));
    assert!(!first_line(&["-q", "--precise"]).contains("together"));
    for (options, grid) in [(&[][..], 1_000_000), (&["--precise"], 250_000)] {
        for (target, times) in due(options).iter().enumerate() {
            let turn = target as u64 * 250_000;
            let offset = turn - turn % grid;
            // A slot may be missed on a busy machine, but none is moved.
            assert!(!times.is_empty(), "{options:?}");
            assert!(times.iter().all(|at| at % 10_000_000 == offset), "{options:?}: {times:?}");
        }
    }
    fs::remove_file(&targets).unwrap();
}

/// The output of a client on a terminal with that many columns, and later with others, which ends
/// after `count` pings.
fn on_terminal(columns: &str, variables: &[(&str, &str)], options: &[&str]) -> String {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let mut command = peer("terminal.py", &[columns]);
    command
        .arg(udping_tests::host_program())
        .arg("client")
        .args(server.host_and_port())
        .args(options);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let outcome = run(command.envs(variables.iter().copied()));
    // A run without any reply fails, but is shown nevertheless.
    assert!(matches!(outcome.code(), 0 | 1), "{outcome:?}");
    outcome.stdout
}

const LIVE: [&str; 6] = ["--live", "-c", "30", "-i", "20ms", "-q"];

#[test]
fn a_live_line_fits_its_terminal_and_what_that_can_show() {
    let variables: [(&str, &[(&str, &str)]); 4] = [
        ("80", &[("TERM", "xterm"), ("LANG", "C.UTF-8")]),
        ("40", &[("TERM", "xterm"), ("LANG", "C")]),
        ("40", &[("TERM", "dumb"), ("LANG", "C.UTF-8"), ("LC_ALL", "C")]),
        ("20", &[("TERM", "xterm"), ("NO_COLOR", "1")]),
    ];
    for (columns, variables) in variables {
        let text = on_terminal(columns, variables, &LIVE);
        let live = text.split("\n\n---").next().unwrap().split_once("datagrams\r\n").unwrap().1;
        let live = live.split("\r\n").next().unwrap();
        assert!(live.matches('\r').count() > 2, "{live:?}");
        for line in live.split('\r') {
            let shown = line.replace("\x1b[K", "");
            assert!(shown.chars().count() < columns.parse().unwrap(), "{columns}: {line:?}");
        }
        assert_eq!(live.contains('\x1b'), !variables.contains(&("TERM", "dumb")), "{live:?}");
        assert_eq!(!live.is_ascii(), columns == "80", "{live:?}");
    }
}

#[test]
fn a_live_line_follows_its_terminal_when_that_is_resized() {
    let text = on_terminal("80,30", &[("TERM", "xterm")], &LIVE);
    let (wide, narrow) = text.split_once("<resized>").unwrap();
    let widest = |part: &str| {
        part.split('\r').map(|line| line.replace("\x1b[K", "").chars().count()).max().unwrap()
    };
    assert!(widest(wide.rsplit_once("datagrams\r\n").unwrap().1) > 30, "{wide:?}");
    let live = narrow.split("\r\n").next().unwrap();
    // The line that was being written at that time may still be a wide one.
    let later = live.splitn(3, '\r').nth(2).unwrap();
    assert!(widest(later) < 30, "{later:?}");
}

#[test]
fn loss_is_red_on_a_terminal_that_has_colours() {
    for (variables, is_red) in [
        (&[("TERM", "xterm")][..], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
    ] {
        // Some are lost, since the timeout is tiny: almost certainly the first, which is slow.
        let text = on_terminal("80", variables, &["-c", "3", "-i", "20ms", "-W", "1us"]);
        assert_eq!(text.contains("\x1b[31m"), is_red, "{variables:?}: {text:?}");
    }
}
