//! Faults of processes and their outputs: processes are stopped or killed, a disk is full, a reader
//! goes away.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use udping_tests::{
    CLIENT_P3, Outcome, Process, Runtime, Server, file, host_program, ping, run, udping_host, until,
};

fn server(options: &[&str]) -> Server {
    Server::start(Runtime::UdpingHost, "127.0.0.1", options)
}

fn client(server: &Server, options: &[&str]) -> Command {
    let mut command = udping_host();
    command.arg("client").args(server.host_and_port()).args(options);
    command
}

/// The RTTs of the lines that contain `text`, in milliseconds.
fn rtts(outcome: &Outcome, text: &str) -> Vec<f64> {
    let rtt = |line: &&str| line.split("rtt=").nth(1)?.split(' ').next()?.parse().ok();
    outcome.lines_with(text).iter().filter_map(rtt).collect()
}

/// The summary's count of `what`; 0 if it has none.
fn counted(outcome: &Outcome, what: &str) -> usize {
    let summary = outcome.lines_with(" sent, ").concat();
    let count = summary
        .split(", ")
        .find_map(|part| part.split_once(' ').filter(|(_, is)| is.starts_with(what)));
    count.map_or(0, |(count, _)| count.parse().unwrap())
}

#[test]
fn resumed_server_answers_its_backlog_in_time_or_late() {
    for path in [&[][..], &["--no-offload"], &["--batch", "1"]] {
        let server = Server::listening(udping_host().args(path).args([
            "server",
            "0",
            "--bind",
            "127.0.0.1",
        ]));
        let mut client =
            Process::start(&mut client(&server, &["-c", "40", "-i", "100ms", "-W", "1s"]));
        while !client.line().contains("seq=3 rtt=") {}
        server.process.signal(Signal::STOP);
        thread::sleep(Duration::from_secs(2));
        server.process.signal(Signal::CONT);
        let outcome = client.wait();
        assert_eq!(outcome.code(), 0, "{path:?}: {outcome:?}");
        let (late, lost) = (rtts(&outcome, "(late)"), outcome.seqs("lost: "));
        // The pings of the first of the two seconds.
        assert!(late.len() >= 5 && late.len() == lost.len(), "{path:?}: {outcome:?}");
        assert!(late.iter().all(|rtt| (1_000.0..3_000.0).contains(rtt)), "{path:?}: {late:?}");
        let all = rtts(&outcome, "rtt=");
        assert_eq!(
            all.iter().filter(|rtt| **rtt > 1_000.0).count(),
            late.len(),
            "{path:?}: {outcome:?}"
        );
        let counts = ["sent", "received", "late", "lost"].map(|what| counted(&outcome, what));
        assert_eq!(
            counts,
            [counts[0], counts[0] - late.len(), late.len(), 0],
            "{path:?}: {outcome:?}"
        );
        assert!(
            server
                .stop()
                .stdout
                .ends_with(&format!("{0} received, {0} answered, 0 dropped\n", counts[0]))
        );
    }
}

#[test]
fn stopped_client_counts_missed_slots_and_late_replies() {
    let outcome = stopped_for_two_seconds(&["--no-kernel-time"]);
    let late = rtts(&outcome, "(late)");
    assert!(late.len() >= 2 && late.iter().all(|rtt| *rtt > 1_900.0), "{outcome:?}");
    assert_eq!(
        rtts(&outcome, "rtt=").iter().filter(|rtt| **rtt > 500.0).count(),
        late.len(),
        "{outcome:?}"
    );
    let counts = ["sent", "received", "late", "lost"].map(|what| counted(&outcome, what));
    assert_eq!(counts, [20, 20 - late.len(), late.len(), 0], "{outcome:?}");
}

#[test]
fn client_stopped_while_replies_arrive_measures_the_network() {
    let outcome = stopped_for_two_seconds(&[]);
    let counts = ["sent", "received", "late", "lost"].map(|what| counted(&outcome, what));
    assert_eq!(counts, [20, 20, 0, 0], "{outcome:?}");
    // The server was stopped for 200 ms, too.
    let rtts = rtts(&outcome, "rtt=");
    assert!(rtts.iter().all(|rtt| *rtt < 400.0), "{outcome:?}");
    assert!(rtts.iter().filter(|rtt| **rtt > 40.0).count() >= 2, "{outcome:?}");
}

/// The outcome of 20 pings, every 50 ms, of a client that is stopped while replies are on their way.
fn stopped_for_two_seconds(flags: &[&str]) -> Outcome {
    let server = server(&[]);
    let mut command = udping_host();
    command.args(flags).arg("client").args(server.host_and_port());
    let mut process = Process::start(command.args(["-c", "20", "-i", "50ms", "-W", "500ms"]));
    while !process.line().contains("seq=3 rtt=") {}
    // So that replies arrive while the client is stopped.
    server.process.signal(Signal::STOP);
    thread::sleep(Duration::from_millis(200));
    process.signal(Signal::STOP);
    server.process.signal(Signal::CONT);
    thread::sleep(Duration::from_secs(2));
    process.signal(Signal::CONT);
    let outcome = process.wait();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert!((30..=41).contains(&counted(&outcome, "slots missed")), "{outcome:?}");
    outcome
}

/// Floods `server` until the returned value is dropped.
fn flood(server: SocketAddr) -> Arc<()> {
    let kept = Arc::new(());
    let still_kept = Arc::downgrade(&kept);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    thread::spawn(move || {
        for number in 0_u64.. {
            let _ = socket.send_to(&number.to_be_bytes(), server);
            if number % 64 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            if still_kept.strong_count() == 0 {
                return;
            }
        }
    });
    kept
}

#[test]
fn client_survives_server_kill_and_restart_during_a_flood() {
    let first = server(&[]);
    let address = first.addresses[0];
    let port = address.port().to_string();
    let _flood = flood(address);
    let mut process =
        Process::start(&mut client(&first, &["-c", "40", "-i", "50ms", "-W", "300ms"]));
    while !process.line().contains("seq=5 rtt=") {}
    first.process.signal(Signal::KILL);
    assert!(!first.process.wait().status.success());
    while !process.line().contains(" lost: ") {}
    let second = Server::listening(udping_host().args(["server", &port, "--bind", "127.0.0.1"]));
    let outcome = process.wait();
    assert_eq!((second.addresses[0], outcome.code()), (address, 0), "{outcome:?}");
    let (answered, lost) = (counted(&outcome, "received"), counted(&outcome, "lost"));
    assert_eq!((answered + lost, counted(&outcome, "sent")), (40, 40), "{outcome:?}");
    assert!((1..30).contains(&lost), "{outcome:?}");
    assert!(outcome.seqs("rtt=").contains(&40), "{outcome:?}");
}

/// The message of `who` on a full disk.
fn no_space(who: &str) -> String {
    format!("{who}: No space left on device (os error 28)\n")
}

/// Returns `udping-host` with redirected standard output, as by a shell.
fn with_stdout(redirection: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("exec \"$@\" {redirection}"), "bash"])
        .arg(host_program())
        .args(arguments);
    command
}

#[test]
fn on_a_full_disk_a_program_fails_and_does_not_panic() {
    let server = server(&[]);
    let [_, port] = server.host_and_port();
    for (arguments, code, who) in [
        (
            &["client", "127.0.0.1", &port, "-c", "3", "-i", "50ms"][..],
            2,
            "client: standard output: cannot write",
        ),
        (&["server", "0", "--bind", "127.0.0.1"], 2, "server: standard output: cannot write"),
        (&["grants", "server", "12000"], 2, "udping-host"),
        (&["inspect", "server"], 2, "udping-host"),
        (&["emit", "client"], 2, "udping-host"),
        (&["man"], 2, "udping-host"),
    ] {
        let outcome = run(&mut with_stdout(">/dev/full", arguments));
        assert_eq!(
            (outcome.code(), outcome.stderr.as_str()),
            (code, no_space(who).as_str()),
            "{arguments:?}: {outcome:?}"
        );
    }
}

/// WASI 0.3 has an error code for it, and nothing else says anything.
#[test]
fn on_a_full_disk_a_component_of_wasi_0_3_says_so_on_one_line() {
    let server = server(&[]);
    let [_, port] = server.host_and_port();
    let client = file("client.wasm", CLIENT_P3.bytes);
    let arguments = [client.to_str().unwrap(), "127.0.0.1", &port, "-c", "3", "-i", "50ms"];
    let outcome = run(&mut with_stdout(">/dev/full", &arguments));
    let said = "client.wasm: standard output: cannot write: input/output error\n";
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (2, said), "{outcome:?}");
}

#[test]
fn a_disk_that_fills_up_costs_the_servers_log_and_no_answer() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    // It is unmounted with the namespace, thus with the server.
    let disk = "mount -t tmpfs -o size=8k none /mnt && exec \"$@\" >/mnt/log";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", disk, "sh"]).arg(host_program()).args([
        "server",
        &port,
        "--bind",
        "127.0.0.1",
        "-v",
    ]);
    let process = Process::start(&mut command);
    let pings = |count| {
        let options = ["-c", count, "-i", "5ms", "-W", "1s"];
        run(udping_host().args(["client", "127.0.0.1", &port]).args(options))
    };
    // The address it listens on is in a file on that disk.
    while pings("1").code() != 0 {}
    // Each is logged in two lines.
    let outcome = pings("300");
    assert_eq!(counted(&outcome, "received"), 300, "{outcome:?}");
    process.signal(Signal::TERM);
    let outcome = process.wait();
    assert_eq!(
        (outcome.code(), outcome.stderr.as_str()),
        (2, no_space("server: standard output: cannot write").as_str()),
        "its last line is missing"
    );
}

#[test]
fn without_standard_output_a_program_works_and_is_quiet() {
    let server = server(&[]);
    let [_, port] = server.host_and_port();
    let outcome =
        run(&mut with_stdout(">&-", &["client", "127.0.0.1", &port, "-c", "3", "-i", "20ms"]));
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    assert!(server.stop().stdout.ends_with("3 received, 3 answered, 0 dropped\n"));
}

#[test]
fn closed_output_ends_a_client_quietly_and_not_a_server() {
    let arguments = ["server", "0", "--bind", "127.0.0.1", "-v"];
    let server = Server::listening(&mut with_stdout("> >(head -n 1)", &arguments));
    let outcome = ping(Runtime::UdpingHost, &server, &["-c", "10", "-i", "20ms"]);
    assert_eq!(counted(&outcome, "received"), 10, "{outcome:?}");

    let [host, port] = server.host_and_port();
    let arguments = ["client", &host, &port, "-c", "1000", "-i", "20ms"];
    let outcome = run(&mut with_stdout("> >(head -n 3)", &arguments));
    assert_eq!(
        (outcome.code(), outcome.stderr.as_str()),
        (0, ""),
        "its reader has what it wants: {outcome:?}"
    );
    assert_eq!(outcome.seqs("rtt="), [1, 2], "{outcome:?}");

    let outcome = server.stop();
    assert_eq!(
        (outcome.code(), outcome.stderr.as_str()),
        (0, ""),
        "its last line was not read: {outcome:?}"
    );
}

/// Rows and lines are written as soon as the outcome of a ping is known: an endless monitor may be
/// killed, and a machine lose power.
#[test]
fn a_killed_client_has_written_all_but_what_was_in_flight() {
    for format in ["csv", "jsonl"] {
        let server = server(&["--drop-rate", "30", "--seed", "7"]);
        let options = ["-c", "0", "-i", "5ms", "-W", "50ms", "--format", format];
        let mut process = Process::start(&mut client(&server, &options));
        loop {
            let line = process.line();
            let is_result = [",received,", ",lost,", "\"reply\"", "\"lost\""]
                .iter()
                .any(|word| line.contains(word));
            let seq: Option<u32> = match format {
                "csv" => line.split(',').nth(3).and_then(|seq| seq.parse().ok()),
                _ => line
                    .split("\"seq\":")
                    .nth(1)
                    .and_then(|rest| rest.split([',', '}']).next()?.parse().ok()),
            };
            if seq.is_some_and(|seq| is_result && seq >= 100) {
                break;
            }
        }
        process.signal(Signal::KILL);
        assert!(process.wait().status.code().is_none(), "it ran until it was killed");
    }
}

/// An echo server that counts its answers.
fn counting() -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, count) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = count.clone();
    thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            counter.fetch_add(1, Ordering::Relaxed);
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    (address, count)
}

const STALLED: usize = 12_000;

/// Runs a client whose output is not read before its last ping was answered.
fn stalled(format: &str, more: &[&str]) -> Outcome {
    let (server, answered) = counting();
    let port = server.port().to_string();
    let count = STALLED.to_string();
    let options =
        ["client", "127.0.0.1", &port, "-c", &count, "-i", "200us", "-W", "1s", "--format", format];
    let process = Process::start(udping_host().args(options).args(more));
    until(|| (answered.load(Ordering::Relaxed) >= STALLED).then_some(()));
    process.wait()
}

#[test]
fn stalled_reader_stops_no_ping_and_dropped_lines_are_counted() {
    let outcome = stalled("jsonl", &[]);
    let lines = udping_schema::events(&outcome.stdout);
    let is = |event: &'static str| lines.iter().filter(move |line| line["event"] == event);
    let dropped: u64 = is("dropped").map(|line| line["lines"].as_u64().unwrap()).sum();
    let summary = lines.last().unwrap();
    let total = |name: &str| summary["total"][name].as_u64().unwrap();
    assert_eq!((outcome.code(), total("sent")), (0, STALLED as u64));
    assert!(dropped > 0 && is("start").count() == 1, "{dropped} of {}", lines.len());
    let written = lines.len() as u64 - 2 - is("dropped").count() as u64;
    let happened = total("sent")
        + total("received")
        + total("lost")
        + total("late") * 2
        + total("duplicates")
        + total("foreign");
    assert_eq!(written + dropped, happened);

    let outcome = stalled("csv", &[]);
    let said = outcome.stderr.lines().last().unwrap();
    let dropped: usize = said
        .strip_suffix(" rows were not written: the reader of the output was too slow")
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        outcome.stderr.contains(&format!("\n{STALLED} sent, ")),
        "the summary: {}",
        outcome.stderr
    );
    assert!(outcome.stdout.lines().count() + dropped > STALLED, "{dropped}");

    let outcome = stalled("text", &[]);
    assert!(
        outcome.lines_with(" lines were not written: the reader of the output was too slow").len()
            == 1
    );
    assert_eq!(outcome.lines_with(&format!("{STALLED} sent, ")).len(), 1);
}

/// It takes two seconds and a half, and its lines fill what may wait in a fraction of one.
#[test]
fn reports_that_a_stalled_reader_cannot_take_are_dropped() {
    let outcome = stalled("jsonl", &["--report-every", "100ms"]);
    let lines = udping_schema::events(&outcome.stdout);
    let reports = lines.iter().filter(|line| line["event"] == "interim").count();
    assert!(outcome.code() == 0 && (1..=12).contains(&reports), "{reports}");
}

#[test]
fn of_a_document_nothing_is_left_out_however_slow_its_reader_is() {
    let (server, answered) = counting();
    let (port, count) = (server.port().to_string(), STALLED.to_string());
    let options = [
        "client",
        "127.0.0.1",
        &port,
        "-c",
        &count,
        "-i",
        "200us",
        "-W",
        "1s",
        "--format",
        "json",
        "--records",
    ];
    let process = Process::start(udping_host().args(options));
    until(|| (answered.load(Ordering::Relaxed) >= STALLED).then_some(()));
    let document = udping_schema::results(&process.wait().stdout);
    assert_eq!(document["records"].as_array().unwrap().len(), STALLED);
}
