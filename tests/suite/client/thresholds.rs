//! Runs that fail at a threshold, reports while they last, and results that are compared.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use udping_tests::{
    Outcome, Runtime, Server, own_file, ping, run, udping_host, under_both_runtimes,
};

under_both_runtimes![
    a_threshold_that_is_exceeded_fails_the_run,
    results_so_far_are_printed_regularly,
];

/// Twenty pings, of which each is awaited for 200 ms, to a server with options of its own.
fn pinged(runtime: Runtime, interval: &str, server: &[&str], options: &[&str]) -> Outcome {
    let server = Server::start(runtime, "127.0.0.1", server);
    let common = ["-c", "20", "-i", interval, "-W", "200ms"];
    ping(runtime, &server, &[&common, options].concat())
}

fn a_threshold_that_is_exceeded_fails_the_run(runtime: Runtime) {
    let own = if runtime.is_udping_host() { 7 } else { 1 };
    let outcome =
        pinged(runtime, "5ms", &[], &["-q", "--fail-if", "min>1ns,loss>0%", "--fail-if", "max>1h"]);
    assert_eq!(outcome.code(), own, "{outcome:?}");
    // It says which, and the run is reported as any.
    let [line] = outcome.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{outcome:?}") };
    assert!(
        line.starts_with("127.0.0.1:") && line.contains(": min ") && line.ends_with(" > 0.001 us"),
        "{line}"
    );
    assert!(outcome.stdout.contains("20 sent, 20 received"), "{outcome:?}");

    let kept =
        pinged(runtime, "5ms", &[], &["-q", "--fail-if", "loss>0%,p90>1h,outage>1h,not-sent>0"]);
    assert_eq!((kept.code(), kept.stderr.as_str()), (0, ""));

    let lossy = pinged(runtime, "5ms", &["--drop-rate", "100"], &["-q", "--fail-if", "loss>99%"]);
    assert_eq!(lossy.code(), own, "{lossy:?}");
    assert!(lossy.stderr.contains(": loss 100 % > 99 %"), "{lossy:?}");
    // Without replies there is no RTT that could exceed anything, and the run fails as ever.
    let silent = pinged(runtime, "5ms", &["--drop-rate", "100"], &["-q", "--fail-if", "p99>1ns"]);
    assert_eq!((silent.code(), silent.stderr.as_str()), (1, ""));
}

fn results_so_far_are_printed_regularly(runtime: Runtime) {
    let options = |format| ["-q", "--report-every", "100ms", "--format", format];
    let text = pinged(runtime, "30ms", &[], &options("text"));
    // 19 intervals of 30 ms; a busy machine may be late for some.
    let reports = text.lines_with(", after ").len();
    assert!((2..=5).contains(&reports), "{text:?}");
    let lines = pinged(runtime, "30ms", &[], &options("jsonl"));
    let events = udping_schema::events(&lines.stdout);
    let interim: Vec<_> = events.iter().filter(|event| event["event"] == "interim").collect();
    assert!((2..=5).contains(&interim.len()), "{lines:?}");
    let sent: Vec<_> =
        interim.iter().map(|event| event["total"]["sent"].as_u64().unwrap()).collect();
    assert!(sent.is_sorted() && sent[0] >= 3, "{sent:?}");
    let metrics = pinged(runtime, "30ms", &[], &options("openmetrics"));
    let expositions = metrics.lines_with("# EOF").len();
    assert!((3..=6).contains(&expositions), "{metrics:?}");
    for format in ["json", "csv"] {
        let outcome = pinged(runtime, "30ms", &[], &options(format));
        assert!(
            outcome.code() != 0 && outcome.stderr.contains("--report-every is for"),
            "{outcome:?}"
        );
    }
}

/// Of 500 targets, metrics take more than what else may wait for the reader.
#[test]
fn reports_may_be_longer_than_what_waits_for_a_reader() {
    let targets: String = (1..=500).map(|port| format!("127.0.0.1:{port}\n")).collect();
    let targets = own_file("targets", targets.as_bytes());
    let options = ["client", "-c", "5", "-i", "100ms", "-W", "100ms", "--format", "openmetrics"];
    let mut command = udping_host();
    let outcome =
        run(command.arg("--targets").arg(targets).args(options).args(["--report-every", "100ms"]));
    let expositions = outcome.lines_with("# EOF").len();
    let length = outcome.stdout.len() / expositions.max(1);
    assert!(expositions >= 3 && length > 256 << 10, "{expositions} of {length} bytes");
}

/// Results of pings to a server with these options, in a file.
fn results(name: &str, interval: &str, server: &[&str]) -> PathBuf {
    let outcome = pinged(Runtime::UdpingHost, interval, server, &["--format", "json"]);
    own_file(name, outcome.stdout.as_bytes())
}

#[test]
fn results_of_two_runs_are_merged_and_compared() {
    let one = results("one.json", "1ms", &[]);
    let other = results("other.json", "1ms", &["--drop-rate", "80", "--seed", "1"]);
    let merged = run(udping_host().arg("merge").args([&one, &other]));
    assert_eq!(merged.code(), 0, "{merged:?}");
    let document = udping_schema::results(&merged.stdout);
    let of = |path: &Path| udping_schema::results(&fs::read_to_string(path).unwrap());
    let (first, second) = (of(&one), of(&other));
    for key in ["sent", "received", "lost", "sent_bytes"] {
        let count = |results: &Value| results["total"][key].as_u64().unwrap();
        assert_eq!(count(&document), count(&first) + count(&second), "{key}");
    }
    // Their servers had other ports: they are different targets.
    let absent = "udping-host: not in merged results: jitter_ns\n";
    assert_eq!(merged.stderr, absent);

    let same = run(udping_host().arg("diff").args([&one, &one]).args(["--threshold", "0%"]));
    assert_eq!((same.code(), same.stderr.as_str()), (0, ""), "{same:?}");
    let diff =
        |threshold: &[&str]| run(udping_host().arg("diff").args([&one, &other]).args(threshold));
    let worse = diff(&["--threshold", "5%"]);
    assert_eq!(worse.code(), 7, "{worse:?}");
    assert!(
        worse.lines_with("loss").iter().any(|line| line.ends_with("<0.0001  worse")),
        "{worse:?}"
    );
    assert_eq!(diff(&[]).code(), 0);
}

#[test]
fn what_is_no_results_is_refused_with_its_name() {
    let empty = own_file("empty.json", b"{}");
    let good = results("good.json", "1ms", &[]);
    for command in ["merge", "diff"] {
        let outcome = run(udping_host().arg(command).args([&good, &empty]));
        assert_eq!(outcome.code(), 2);
        let error = outcome.only_error();
        assert!(error.contains("empty.json: no results: `format` is missing"), "{error}");
    }
    let slower = results("slower.json", "2ms", &[]);
    let outcome = run(udping_host().arg("merge").args([&good, &slower]));
    let error = outcome.only_error();
    assert!(
        error.contains("`interval_ns` is 1000000 in the first and 2000000 in another"),
        "{error}"
    );
}
