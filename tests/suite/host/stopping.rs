//! Ctrl-C and SIGTERM under udping-host, and that they have no effect elsewhere.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use udping_tests::{
    CLIENT, Outcome, Process, Runtime, Server, file, guests, host_program, ping, run, udping_host,
    until,
};

/// Under udping-host alone, which has notices, with the components for both versions of WASI.
macro_rules! for_both_versions {
    ($($case:ident),* $(,)?) => {
        mod wasi_0_2 {
            $(#[test] fn $case() { super::$case(super::Runtime::UdpingHost) })*
        }
        mod wasi_0_3 {
            $(#[test] fn $case() { super::$case(super::Runtime::UdpingHostP3) })*
        }
    };
}

for_both_versions![
    an_interrupted_client_prints_the_summary_of_what_ran,
    an_interrupted_client_says_what_it_still_awaited,
    a_terminated_server_prints_what_it_did,
];

fn an_interrupted_client_prints_the_summary_of_what_ran(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    let mut client = Process::start(&mut runtime.command(CLIENT, &[&host, &port, "-c", "1000000"]));
    assert!(client.line().starts_with("PING "));
    assert!(client.line().contains(": seq=1 "));
    client.signal(Signal::INT);
    let outcome = client.wait();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert_eq!(outcome.lines_with("0 lost (0.0 %), 0 duplicates, 0 late").len(), 1, "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

fn an_interrupted_client_says_what_it_still_awaited(runtime: Runtime) {
    let server = Server::start(runtime, "127.0.0.1", &["--drop-rate", "100"]);
    let [host, port] = server.host_and_port();
    let mut command = runtime.command(CLIENT, &[&host, &port, "-c", "2", "-i", "1m", "-W", "1m"]);
    let mut client = Process::start(&mut command);
    client.line();
    std::thread::sleep(Duration::from_millis(300));
    client.signal(Signal::TERM);
    let outcome = client.wait();
    assert_eq!(outcome.code(), 1, "{outcome:?}");
    let summary =
        "1 sent, 0 received, 0 lost (0.0 %), 0 duplicates, 0 late, 1 still awaited when stopped";
    assert_eq!(outcome.lines_with("sent,"), [summary]);
}

fn a_terminated_server_prints_what_it_did(runtime: Runtime) {
    for (options, counts) in [
        (&[][..], "3 received, 3 answered, 0 dropped"),
        (&["--drop-rate", "100"], "3 received, 0 answered, 3 dropped"),
    ] {
        let server = Server::start(runtime, "127.0.0.1", options);
        ping(runtime, &server, &["-c", "3", "-i", "20ms", "-W", "200ms"]);
        let outcome = server.stop();
        assert_eq!((outcome.code(), outcome.stdout.trim_end()), (0, counts), "{outcome:?}");
    }
}

/// Starts a component from a file that declares that it takes notices, in one of its modes.
fn heeds(flags: &[&str], mode: &str) -> Process {
    let mut process =
        Process::start(udping_host().args(flags).arg(file("heeds.wasm", guests::HEEDS)).arg(mode));
    assert_eq!(process.line(), "runs");
    process
}

#[track_caller]
fn assert_said(outcome: &Outcome, code: i32, said: &str) {
    assert_eq!(outcome.code(), code, "{outcome:?}");
    assert!(
        outcome.stderr.lines().any(|line| line == format!("udping-host: {said}")),
        "{outcome:?}"
    );
}

/// The signals that stop a run, their names, and the exit codes.
const SIGNALS: [(Signal, &str, i32); 3] =
    [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143), (Signal::HUP, "SIGHUP", 129)];

#[test]
fn a_component_that_declares_notices_ends_by_itself() {
    for (signal, ..) in SIGNALS {
        let process = heeds(&[], "says");
        process.signal(signal);
        let outcome = process.wait();
        assert_eq!(
            (outcome.code(), outcome.stdout.as_str(), outcome.stderr.as_str()),
            (0, "and stop\n", "")
        );
    }
}

#[test]
fn one_that_is_compiled_declares_them_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let compiled = folder.path().join("heeds.cwasm");
    let component = file("heeds.wasm", guests::HEEDS);
    assert_eq!(run(udping_host().arg("compile").arg(component).arg("-o").arg(&compiled)).code(), 0);
    let mut process = Process::start(udping_host().arg(compiled).arg("says"));
    assert_eq!(process.line(), "runs");
    process.signal(Signal::TERM);
    let outcome = process.wait();
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "and stop\n"), "{outcome:?}");
}

#[test]
fn component_ignoring_stop_ends_after_grace_and_keeps_output() {
    for (mode, (signal, name, code)) in ["ignores", "spins"].into_iter().zip(SIGNALS) {
        let process = heeds(&["--stop-grace", "500ms", "--limit-compute", "1h"], mode);
        process.signal(signal);
        let outcome = process.wait();
        assert_eq!(outcome.stdout, "and ", "{outcome:?}");
        let end =
            "heeds.wasm is ended: it still ran 500ms after it was told to stop (--stop-grace)";
        assert_said(&outcome, code, &format!("{name}: {end}"));
        let first = "heeds.wasm is told to stop, and is ended after 500ms (--stop-grace), or at once by a second signal";
        assert_said(&outcome, code, &format!("{name}: {first}"));
    }
}

#[test]
fn the_grace_period_is_two_seconds() {
    let (process, start) = (heeds(&[], "ignores"), Instant::now());
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), 143);
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn one_that_never_asks_for_standard_input_is_ended_at_once() {
    // A grace period that exceeds the test's time limit.
    let process = heeds(&["--stop-grace", "1h"], "looks away");
    process.signal(Signal::TERM);
    assert_said(
        &process.wait(),
        143,
        "SIGTERM: heeds.wasm is ended at once, since it takes no notices",
    );
}

#[test]
fn component_without_notices_ends_at_once_and_keeps_output() {
    for (signal, name, code) in SIGNALS {
        let guest = file("writes.wasm", guests::WRITES);
        let flags = ["--stop-grace", "1h"];
        let arguments = ["out:72756e730a", "out:616e6420", "waits"];
        let mut process = Process::start(udping_host().args(flags).arg(guest).args(arguments));
        assert_eq!(process.line(), "runs");
        process.signal(signal);
        let outcome = process.wait();
        assert_eq!(outcome.stdout, "and ", "{outcome:?}");
        assert_said(
            &outcome,
            code,
            &format!("{name}: writes.wasm is ended at once, since it takes no notices"),
        );
    }
}

#[test]
fn one_that_spins_is_ended_by_the_first_signal() {
    let spins = Process::start(
        udping_host().args(["--limit-compute", "1h"]).arg(file("spins.wasm", guests::SPINS)),
    );
    watches_for_signals(&spins);
    spins.signal(Signal::INT);
    assert_said(
        &spins.wait(),
        130,
        "SIGINT: spins.wasm is ended at once, since it takes no notices",
    );
}

/// Waits until the process has the thread that waits for signals: before that, a signal would kill
/// it.
fn watches_for_signals(process: &Process) {
    let tasks = format!("/proc/{}/task", process.pid().as_raw_nonzero());
    until(|| {
        let names = fs::read_dir(&tasks)
            .ok()?
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.into_iter().any(|name| name.trim_end() == "signals").then_some(())
    });
}

#[test]
fn a_second_signal_ends_one_that_is_given_time_to_end() {
    let process = heeds(&["--stop-grace", "1h"], "ignores");
    process.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), 143);
}

#[test]
fn a_component_whose_output_nobody_reads_is_ended_too() {
    for log in [&[][..], &["--log", "json"]] {
        let flags = ["--limit-compute", "1h", "--limit-output", "1GiB"];
        let guest = file("floods_stdout.wasm", guests::FLOODS_STDOUT);
        let blocked = Process::start(udping_host().args(flags).args(log).arg(guest));
        watches_for_signals(&blocked);
        blocked.signal(Signal::TERM);
        let outcome = blocked.wait_unread();
        assert_eq!(outcome.code(), 143, "{}", outcome.stderr);
        let last = outcome.stderr.lines().last().unwrap_or_default();
        assert_eq!(
            last.contains("\"event\":\"ended\"") && last.contains("\"code\":143"),
            !log.is_empty(),
            "{last}"
        );
    }
}

#[test]
fn sigquit_asks_for_a_report() {
    let mut process = heeds(&[], "says");
    process.signal(Signal::QUIT);
    assert_eq!(process.line(), "and Report");
    process.signal(Signal::QUIT);
    assert_eq!(process.line(), "Report");
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), 0);
}

#[test]
fn a_server_reports_at_sigquit_what_it_did_so_far() {
    let mut server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    ping(Runtime::UdpingHost, &server, &["-c", "3", "-i", "20ms"]);
    server.process.signal(Signal::QUIT);
    assert_eq!(server.process.line(), "3 received, 3 answered, 0 dropped");
    assert_eq!(server.stop().code(), 0);
}

#[test]
fn standard_input_is_empty_unless_the_flag_passes_it_on() {
    let writes = file("writes.wasm", guests::WRITES);
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo typed | \"$@\"", "sh"])
        .arg(host_program())
        .args(["--stdin"])
        .arg(&writes)
        .arg("stdin");
    let given = run(&mut command);
    assert_eq!((given.code(), given.stdout.as_str()), (0, "typed\n"), "{given:?}");
    let empty = run(udping_host().arg(&writes).arg("stdin-is-empty"));
    assert_eq!(empty.code(), 0, "{empty:?}");
    // A component that declares notices gets none with it.
    let told = run(udping_host()
        .args(["--stdin"])
        .arg(file("heeds.wasm", guests::HEEDS))
        .arg("no notices"));
    assert_eq!((told.code(), told.stdout.as_str()), (0, "runs\nand "), "{told:?}");
}

#[test]
fn failure_exit_code_depends_on_declaring_the_contract() {
    assert_eq!(run(udping_host().arg(file("heeds.wasm", guests::HEEDS)).arg("gives up")).code(), 2);
    assert_eq!(
        run(udping_host().arg(file("writes.wasm", guests::WRITES)).arg("gives-up")).code(),
        1
    );
}

/// GNU `timeout` signals the client, and then its process group, which the client belongs to,
/// microseconds later.
#[test]
fn simultaneous_signals_count_as_one_and_summary_is_printed() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    let arguments = ["client", &host, &port, "-c", "0", "-i", "20ms"];
    for _ in 0..20 {
        let mut client = Process::start(udping_host().args(arguments));
        while !client.line().contains(" seq=1 ") {}
        client.signal(Signal::TERM);
        std::thread::sleep(Duration::from_micros(100));
        client.signal(Signal::TERM);
        let outcome = client.wait();
        assert_eq!(
            (outcome.code(), outcome.lines_with(" received, ").len()),
            (0, 1),
            "{outcome:?}"
        );
    }
    let outcome = run(Command::new("timeout").arg("1").arg(host_program()).args(arguments));
    assert_eq!(outcome.code(), 124, "timeout says that it was one: {outcome:?}");
    assert_eq!(outcome.lines_with(" received, ").len(), 1, "{outcome:?}");
}

/// All processes of these suites have /dev/null as standard input: a client that took its end for
/// "stop" would send nothing.
#[test]
fn end_of_standard_input_is_ignored_under_the_wasmtime_cli() {
    if !Runtime::Wasmtime.is_there() {
        return;
    }
    let server = Server::start(Runtime::Wasmtime, "127.0.0.1", &[]);
    let outcome = ping(Runtime::Wasmtime, &server, &["-c", "3", "-i", "20ms"]);
    assert_eq!(outcome.lines_with("3 sent, 3 received").len(), 1, "{outcome:?}");
}

/// As with ping: one line on standard error, and the run continues.
#[test]
fn at_sigquit_a_client_says_what_it_has_so_far() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let [host, port] = server.host_and_port();
    for format in ["text", "jsonl"] {
        let mut command = udping_host();
        command.args(["client", &host, &port, "-c", "0", "-i", "20ms", "--format", format]);
        let mut client = Process::start(&mut command);
        let wait_for = |client: &mut Process, mut replies: usize| {
            while replies > 0 {
                let line = client.line();
                replies -= usize::from(line.contains(" rtt=") || line.contains("\"reply\""));
            }
        };
        wait_for(&mut client, 3);
        client.signal(Signal::QUIT);
        wait_for(&mut client, 5);
        client.signal(Signal::INT);
        let outcome = client.wait();
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let said = outcome.only_error();
        let sent: usize = said.split(" sent, ").next().unwrap().parse().unwrap();
        assert!(
            sent >= 3 && said.contains(" 0 lost (0.0 %), 0 duplicates, 0 late, rtt min/avg/max = "),
            "{said}"
        );
    }
}

#[test]
fn a_client_waits_for_a_server_that_comes_up() {
    let free =
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut command = udping_host();
    command.args(["client", "127.0.0.1", &free, "--until-reply", "-i", "20ms", "-W", "200ms"]);
    let mut client = Process::start(&mut command);
    while !client.line().contains("seq=15 lost") {}
    let _server = Server::listening(udping_host().args(["server", &free, "--bind", "127.0.0.1"]));
    let outcome = client.wait();
    assert_eq!((outcome.code(), outcome.seqs(" rtt=").len()), (0, 1), "{outcome:?}");
    let options =
        ["client", "127.0.0.1", "9", "--until-reply", "-w", "200ms", "-i", "20ms", "-W", "100ms"];
    assert_eq!(run(udping_host().args(options)).code(), 1, "its deadline comes first");
}
