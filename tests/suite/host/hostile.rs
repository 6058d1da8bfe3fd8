//! Components that attempt what is not permitted: each is refused or stopped, with a message that
//! names the reason and a specific exit code. Each guest in `guests/hostile/` must have a case
//! here, or this does not compile.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use udping_tests::{Outcome, PATIENCE, Process, Server, file, guests, run, udping_host, wat};

/// The maximum time until a component is stopped at a limit: it takes less than a second, but
/// machines that run tests are busy.
const SOON: Duration = Duration::from_secs(3);

macro_rules! tests {
    ($($name:ident = $component:expr;)*) => {
        $(#[test] fn $name() { cases::$name(file(concat!(stringify!($name), ".wasm"), $component).to_str().unwrap()) })*
    };
}

include!(concat!(env!("OUT_DIR"), "/hostile.rs"));
for_each_guest!(tests);
include!(concat!(env!("OUT_DIR"), "/hostile_p3.rs"));
for_each_guest_p3!(tests);

/// Runs a component that must be stopped at a limit soon.
#[track_caller]
fn assert_stopped(flags: &[&str], component: &str, limit: &str) -> Outcome {
    assert_stopped_with(flags, component, &[], limit)
}

#[track_caller]
fn assert_stopped_with(
    flags: &[&str],
    component: &str,
    arguments: &[&str],
    limit: &str,
) -> Outcome {
    let start = Instant::now();
    let outcome = run(udping_host().args(flags).arg(component).args(arguments));
    assert!(start.elapsed() < SOON, "it ran for {:?}: {outcome:?}", start.elapsed());
    assert_eq!(outcome.code(), 6, "{outcome:?}");
    let name = component.rsplit('/').next().unwrap();
    let line = format!("udping-host: stopped: {name} {limit}");
    assert_eq!(outcome.stderr.lines().last().unwrap(), line);
    outcome
}

/// Checks that a component was refused something.
#[track_caller]
fn assert_refused(outcome: &Outcome, refusal: &str) {
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
    let line = format!("udping-host: refused: {refusal}");
    assert!(
        outcome.stderr.lines().any(|said| said.starts_with(&line)),
        "no {line:?} in {outcome:?}"
    );
}

/// Runs a component that listens, and sends it a datagram.
fn with_a_datagram(flags: &[&str], component: &str) -> (Outcome, Vec<Vec<u8>>) {
    let server = Server::listening(
        udping_host().args(["--allow-listen", "127.0.0.1:0"]).args(flags).arg(component),
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&[7; 100], server.addresses[0]).unwrap();
    let outcome = server.process.wait();
    socket.set_nonblocking(true).unwrap();
    let answers = std::iter::from_fn(|| {
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    });
    (outcome, answers.collect())
}

/// Returns the host in a network namespace where `setup` was run.
fn in_namespace(setup: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("{setup} && exec \"$0\" \"$@\"");
    command.args(["--net", "sh", "-c", &script]).arg(udping_tests::host_program());
    command
}

mod cases {
    use super::*;

    const NETWORK: &[&str] = &["-S", "inherit-network"];

    pub(super) fn spins(guest: &str) {
        let limit = "computed for 500ms without a datagram sent or received (--limit-compute)";
        assert_stopped(&[], guest, limit);
    }

    pub(super) fn asks_the_time(guest: &str) {
        let limit = "computed for 100ms without a datagram sent or received (--limit-compute)";
        assert_stopped(&["--limit-compute", "100ms"], guest, limit);
    }

    pub(super) fn keeps_busy(guest: &str) {
        let limit = "computed for 100ms without a datagram sent or received (--limit-compute)";
        let flags = ["--limit-compute", "100ms", "--allow-to", "192.0.2.7:9"];
        for mode in [
            "family",
            "literal",
            "poll",
            "long poll",
            "block",
            "ready",
            "subscribe",
            "receive",
            "check",
            "refused",
            "too large",
            "bind",
            "buffer",
            "random",
            "time",
            "output",
        ] {
            assert_stopped_with(&flags, guest, &[mode], limit);
        }
    }

    pub(super) fn sleeps_briefly(guest: &str) {
        let flags = ["--limit-compute", "300ms", "--allow-to", "192.0.2.7:9"];
        let limit = "computed for 300ms without a datagram sent or received (--limit-compute)";
        assert_stopped_with(&flags, guest, &["299000", "1", "100"], limit);
        assert_stopped_with(&flags, guest, &["500", "1", "100000"], limit);
        // Sleep is credited: this computes for longer in total.
        let outcome = run(udping_host().args(flags).arg(guest).args(["50000", "100000", "12"]));
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "done\n"), "{outcome:?}");
    }

    pub(super) fn hears_strangers(guest: &str) {
        let flags = ["--limit-compute", "300ms", "--allow-to", "192.0.2.7:9"];
        let server = Server::listening(udping_host().args(flags).arg(guest));
        let (address, over, start) = (server.addresses[0], AtomicBool::new(false), Instant::now());
        thread::scope(|scope| {
            let strangers = scope.spawn(|| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                while !over.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
                    let _ = socket.send_to(b"hello", address);
                    thread::sleep(Duration::from_micros(200));
                }
            });
            let outcome = server.process.wait();
            over.store(true, Ordering::Relaxed);
            strangers.join().unwrap();
            assert!(start.elapsed() < SOON, "it ran for {:?}: {outcome:?}", start.elapsed());
            assert_eq!(outcome.code(), 6, "{outcome:?}");
            assert!(
                outcome.stderr.contains("computed for 300ms without a datagram"),
                "{outcome:?}"
            );
        });
    }

    pub(super) fn hoards_buffers(guest: &str) {
        let flags = ["-S", "inherit-network", "--limit-memory", "4MiB"];
        for (limit, most) in [("128MiB", 128 << 20), ("16MiB", 16 << 20)] {
            let mut process = Process::start(
                udping_host().args(flags).args(["--limit-buffers", limit]).arg(guest),
            );
            let reserved: u64 = process.line().strip_prefix("reserved ").unwrap().parse().unwrap();
            // Linux reserves twice the requested size, and at least a minimum for each socket.
            assert!(reserved * 2 <= most + 250 * 8192, "{limit}: {reserved}");
            // Each socket may hold one message in any case.
            let resident = process.resident().unwrap();
            assert!(resident < most + (100 << 20), "{limit}: {resident}");
        }
    }

    pub(super) fn blocks(guest: &str) {
        assert_stopped(
            &["--limit-time", "300ms", "-S", "inherit-network"],
            guest,
            "ran for 300ms (--limit-time)",
        );
    }

    pub(super) fn grows(guest: &str) {
        assert_stopped(&[], guest, "asked for more than 64.0 MiB of memory (--limit-memory)");
        let limit = "asked for more than 5.0 MiB of memory (--limit-memory)";
        assert_stopped(&["--limit-memory", "5MiB"], guest, limit);
    }

    pub(super) fn floods_stdout(guest: &str) {
        let flags = ["-S", "inherit-network", "--limit-output", "1MiB"];
        let outcome =
            assert_stopped(&flags, guest, "wrote more than 1.0 MiB in a second (--limit-output)");
        // The output during the delay until it is stopped is small in comparison.
        assert!((1_000_000..2 << 20).contains(&outcome.stdout.len()), "{}", outcome.stdout.len());
        let flags = ["--limit-output-total", "1MiB"];
        let outcome = assert_stopped(
            &flags,
            guest,
            "wrote more than 1.0 MiB in total (--limit-output-total)",
        );
        assert!((1_000_000..=1 << 20).contains(&outcome.stdout.len()), "{}", outcome.stdout.len());
        let default = run(udping_host().args(["grants", guest]));
        assert_eq!(default.lines_with("1.0 GiB of output in total").len(), 1, "{default:?}");
        let built_in = run(udping_host().args(["grants", "client", "127.0.0.1", "9"]));
        assert!(built_in.lines_with("in total").is_empty(), "{built_in:?}");
    }

    pub(super) fn floods_stderr(guest: &str) {
        let flags = ["-S", "inherit-network", "--limit-output", "1MiB"];
        assert_stopped(&flags, guest, "wrote more than 1.0 MiB in a second (--limit-output)");
    }

    pub(super) fn opens_sockets(guest: &str) {
        assert_stopped(&[], guest, "opened more than 256 sockets (--limit-sockets)");
        assert_stopped(
            &["--limit-sockets", "3"],
            guest,
            "opened more than 3 sockets (--limit-sockets)",
        );
    }

    pub(super) fn holds_handles(guest: &str) {
        assert_stopped(NETWORK, guest, "held more than 16384 handles (--limit-handles)");
    }

    pub(super) fn p3_awaits_very_many(guest: &str) {
        assert_stopped(NETWORK, guest, "held more than 16384 handles (--limit-handles)");
    }

    pub(super) fn p3_sends_ahead(guest: &str) {
        let flags = ["-S", "inherit-network", "--limit-send", "1"];
        let mut host = Process::start(udping_host().args(flags).arg(guest));
        let held = host.line();
        // As much as fits the buffers that waiting datagrams share, and no more of 65,536.
        let count: usize = held.split(' ').next().and_then(|count| count.parse().ok()).unwrap();
        assert!((100..4_000).contains(&count), "{held}");
    }

    pub(super) fn p3_cancels(guest: &str) {
        let limit = "computed for 100ms without a datagram sent or received (--limit-compute)";
        assert_stopped(&["-S", "inherit-network", "--limit-compute", "100ms"], guest, limit);
    }

    pub(super) fn p3_spins(guest: &str) {
        let limit = "computed for 100ms without a datagram sent or received (--limit-compute)";
        for mode in ["compute", "yield", "wait", "wait a little"] {
            assert_stopped_with(&["--limit-compute", "100ms"], guest, &[mode], limit);
        }
    }

    pub(super) fn p3_floods_stdout(guest: &str) {
        for stream in ["stdout", "stderr"] {
            let flags = ["--limit-output", "1MiB"];
            let limit = "wrote more than 1.0 MiB in a second (--limit-output)";
            assert_stopped_with(&flags, guest, &[stream], limit);
            let flags = ["--limit-output-total", "1MiB"];
            let limit = "wrote more than 1.0 MiB in total (--limit-output-total)";
            assert_stopped_with(&flags, guest, &[stream], limit);
        }
    }

    pub(super) fn p3_holds_streams(guest: &str) {
        let limit = "held more than 16384 handles (--limit-handles)";
        for streams in ["in", "out"] {
            assert_stopped_with(&[], guest, &[streams], limit);
        }
    }

    pub(super) fn p3_opens_sockets(guest: &str) {
        assert_stopped(&[], guest, "opened more than 256 sockets (--limit-sockets)");
    }

    pub(super) fn p3_leaves_its_grants(guest: &str) {
        let outcome = run(udping_host().args(["--allow-to", "192.0.2.7:9"]).arg(guest));
        for refusal in [
            "p3_leaves_its_grants.wasm asked to send to 127.0.0.1:9; granted:",
            "p3_leaves_its_grants.wasm asked to connect to 127.0.0.1:9; granted:",
            "p3_leaves_its_grants.wasm asked to listen on 127.0.0.1:12345; granted:",
            "p3_leaves_its_grants.wasm asked to resolve example.org; granted:",
            "p3_leaves_its_grants.wasm asked for a TCP socket: TCP is never granted",
        ] {
            assert_refused(&outcome, refusal);
        }
    }

    pub(super) fn passes_much(guest: &str) {
        assert_stopped(
            NETWORK,
            guest,
            "passed more than 16.0 MiB to the host at once (--limit-call)",
        );
    }

    pub(super) fn looks_up_again(guest: &str) {
        // The system's hosts file, visible only to this process.
        let hosts = file("hosts", b"192.0.2.7 service.example other.service.example\n");
        let with_hosts = |flags: &[&str]| {
            let mut command = Command::new("unshare");
            let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
            command
                .args(["--mount", "sh", "-c", script])
                .arg(&hosts)
                .arg(udping_tests::host_program())
                .args(flags)
                .arg(guest);
            command
        };
        let mut bound = Process::start(&mut with_hosts(&["--allow-to", "service.example:9"]));
        assert_eq!(bound.line(), "192.0.2.7");
        fs::write(&hosts, "127.0.0.1 service.example\n").unwrap();
        assert_eq!(bound.line(), "192.0.2.7", "what was granted is what it stood for at the start");
        // Under a wildcard, the system is asked when the component resolves a name.
        let mut wild = Process::start(&mut with_hosts(&["--allow-resolve", "*.example"]));
        assert_eq!(wild.line(), "127.0.0.1");
        fs::write(&hosts, "127.0.0.2 service.example\n").unwrap();
        assert_eq!(wild.line(), "127.0.0.1", "once, and no more");
        let outcome = run(&mut with_hosts(&["--allow-resolve", "*.service.example"]));
        assert!(
            outcome.stderr.contains("asked to resolve service.example; granted: "),
            "{outcome:?}"
        );
    }

    pub(super) fn looks_up_names(guest: &str) {
        // Without a network, the system's resolver has no server to ask.
        let without_network = |flags: &[&str], arguments: &[&str]| {
            let mut command = Command::new("unshare");
            command
                .arg("--net")
                .arg(udping_tests::host_program())
                .args(flags)
                .arg(guest)
                .args(arguments);
            command
        };
        let denied = run(&mut without_network(&[], &[]));
        assert_eq!(
            (denied.code(), denied.stdout.as_str()),
            (0, "asked 0, denied 100, later 0\n"),
            "{denied:?}"
        );
        let refusal = "udping-host: refused: looks_up_names.wasm asked to resolve secret-";
        assert!(denied.only_error().starts_with(refusal), "{denied:?}");

        let any_name = ["-S", "allow-ip-name-lookup"];
        let limited = run(&mut without_network(&any_name, &[]));
        let counts = |line: &str| -> Vec<u64> {
            line.split(", ").map(|part| part.rsplit(' ').next().unwrap().parse().unwrap()).collect()
        };
        let [asked, 0, later] = counts(limited.stdout.trim())[..] else { panic!("{limited:?}") };
        assert!(
            (64..67).contains(&asked) && asked + later == 100 && limited.code() == 0,
            "{limited:?}"
        );
        assert!(limited.only_error().ends_with(
            "more than 64 names at once, and one per second after that (--limit-lookups)"
        ));
        let none =
            run(&mut without_network(&[&any_name[..], &["--limit-lookups", "0"]].concat(), &[]));
        assert_eq!(none.stdout, "asked 0, denied 0, later 100\n", "{none:?}");

        // A restarted instance gets the rest of the budget.
        let start = Instant::now();
        let flags = [&any_name[..], &["--restart", "on-trap"]].concat();
        let mut restarted = Process::start(&mut without_network(&flags, &["trap"]));
        let asked = (0..5).map(|_| counts(&restarted.line())[0]).sum::<u64>();
        assert!(asked <= 64 + 1 + start.elapsed().as_secs(), "{asked} in {:?}", start.elapsed());
    }

    pub(super) fn sends_to_strangers(guest: &str) {
        let outcome = run(udping_host().args(["--allow-listen", "127.0.0.1:0"]).arg(guest));
        assert_refused(
            &outcome,
            "sends_to_strangers.wasm asked to send to 127.0.0.1:9; granted: listen on 127.0.0.1:0; ",
        );
        assert_refused(
            &outcome,
            "sends_to_strangers.wasm asked to connect to 192.0.2.7:53; granted: listen on",
        );
    }

    pub(super) fn amplifies(guest: &str) {
        let (outcome, answers) = with_a_datagram(&[], guest);
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let said = outcome.only_error();
        assert!(
            said.starts_with("udping-host: dropped: an answer of amplifies.wasm to 127.0.0.1:"),
            "{said}"
        );
        let rule = ", 101 bytes: more than came from there within 30s, times 1 (--amplification); ";
        assert!(
            said.ends_with(&format!("{rule}to allow it: --amplification 2 (reported once)")),
            "{said}"
        );
        assert_eq!(answers, [[7; 100]]);
        // With the grant, it succeeds: otherwise this guest would show nothing.
        let (let_do, answers) = with_a_datagram(&["--amplification", "2000"], guest);
        assert_eq!((let_do.stderr.as_str(), answers.len()), ("", 104), "{let_do:?}");
    }

    pub(super) fn answers_late(guest: &str) {
        let (outcome, answers) = with_a_datagram(&["--answer-window", "500ms"], guest);
        assert_refused(&outcome, "answers_late.wasm asked to send to 127.0.0.1:");
        assert!(
            outcome.stderr.contains(", which it has not heard from for 500ms (--answer-window)"),
            "{outcome:?}"
        );
        assert!(answers.is_empty(), "{answers:?}");
        let (in_time, _) = with_a_datagram(&["--answer-window", "10s"], guest);
        assert!(in_time.stderr.contains("panicked"), "{in_time:?}");
    }

    pub(super) fn saves_answers(guest: &str) {
        let flags = ["--allow-listen", "127.0.0.1:0", "--answer-window", "500ms"];
        let server = Server::listening(udping_host().args(flags).arg(guest));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..150 {
            socket.send_to(b"later", server.addresses[0]).unwrap();
            thread::sleep(Duration::from_millis(10));
        }
        socket.send_to(b"now", server.addresses[0]).unwrap();
        let outcome = server.process.wait();
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let counts: Vec<usize> =
            outcome.stdout.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [151, owed] = counts[..] else { panic!("{outcome:?}") };
        socket.set_nonblocking(true).unwrap();
        let answered = std::iter::from_fn(|| socket.recv(&mut [0]).ok()).count();
        assert!(answered <= owed && answered > 0, "it answered {answered} of {owed}");
        assert!(
            outcome
                .only_error()
                .contains("more than came from there within 500ms, times 1 (--amplification)")
        );
    }

    pub(super) fn answers_elsewhere(guest: &str) {
        let (outcome, answers) = with_a_datagram(&["--amplification", "3"], guest);
        assert_refused(&outcome, "answers_elsewhere.wasm asked to send to 127.0.0.1:");
        assert_refused(&outcome, "answers_elsewhere.wasm asked to connect to 127.0.0.1:");
        assert_eq!(answers, [[7; 100]]);
    }

    pub(super) fn probes_addresses(guest: &str) {
        let setup = "ip link set lo up && ip addr add 10.9.0.1/24 dev lo";
        let outcome = run(in_namespace(setup).args(["--allow-to", "127.0.0.1:9"]).arg(guest));
        let flags = "to allow it: --allow-to 127.0.0.1:9 --allow-listen 10.9.0.1:0";
        let asked = "probes_addresses.wasm asked to open a socket to send from, at 10.9.0.1";
        let refusal = format!("{asked}; granted: send to 127.0.0.1:9; {flags}");
        assert_refused(&outcome, &refusal);
        // A component that may listen there may know the address.
        let listens = run(in_namespace(setup)
            .args(["--allow-to", "127.0.0.1:9", "--allow-listen", "10.9.0.1:0"])
            .arg(guest));
        assert!(listens.stderr.contains("panicked"), "{listens:?}");
    }

    pub(super) fn leaves_the_zone_out(guest: &str) {
        let setup = "ip link add wire index 77 type veth peer name other && ip link set wire up && ip link set other up && \
                     ip addr add fe80::a/64 dev wire nodad";
        let flags = ["--allow-listen", "[fe80::a]:0", "--allow-to", "[fe80::]/64:9"];
        let outcome =
            run(in_namespace(setup).args(flags).args(["--deny-to", "[fe80::b%77]"]).arg(guest));
        assert_refused(
            &outcome,
            "leaves_the_zone_out.wasm asked to send to [fe80::b%77]:9, which --deny-to forbids",
        );
        let elsewhere =
            run(in_namespace(setup).args(flags).args(["--deny-to", "[fe80::b%78]"]).arg(guest));
        assert!(elsewhere.stderr.contains("panicked"), "{elsewhere:?}");
    }

    pub(super) fn asks_for_sockets(guest: &str) {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
            .arg(udping_tests::host_program())
            .arg(guest);
        let outcome = run(&mut command);
        assert_eq!(
            (outcome.code(), &*outcome.stdout),
            (0, "as many as there were\n"),
            "{outcome:?}"
        );
    }

    pub(super) fn binds_elsewhere(guest: &str) {
        let outcome = run(udping_host().args(["--allow-listen", "12000"]).arg(guest));
        assert_refused(
            &outcome,
            "binds_elsewhere.wasm asked to open a socket to send from, at 127.0.0.1; granted: listen on 12000; ",
        );
    }

    pub(super) fn sends_fast(guest: &str) {
        let sent = |flags: &[&str]| -> u64 {
            let outcome =
                run(udping_host().args(["--allow-to", "127.0.0.1:9"]).args(flags).arg(guest));
            assert_eq!(outcome.code(), 0, "{outcome:?}");
            assert_eq!(
                outcome.stderr.contains("held back: a datagram of sends_fast.wasm"),
                !flags.is_empty(),
                "{outcome:?}"
            );
            outcome.stdout.trim().strip_prefix("sent ").unwrap().parse().unwrap()
        };
        // The budget of the first second may be spent at once.
        let limited = sent(&["--limit-send", "1000"]);
        assert!((2_000..=3_000).contains(&limited), "{limited}");
        let limited = sent(&["--limit-send-bytes", "100kB"]);
        assert!((2_000..=3_000).contains(&limited), "{limited}");
        assert!(sent(&[]) > 10_000);
    }

    pub(super) fn traps_in_batch(guest: &str) {
        let flags = ["--allow-listen", "127.0.0.1:0"];
        let server = Server::listening(udping_host().args(flags).arg(guest));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in [&b"one"[..], b"trap", b"two"] {
            socket.send_to(datagram, server.addresses[0]).unwrap();
        }
        let outcome = server.process.wait();
        assert_eq!(outcome.code(), 4, "{outcome:?}");
        assert!(
            outcome.stderr.contains("trapped: wasm trap: wasm `unreachable` instruction executed"),
            "{outcome:?}"
        );
    }

    pub(super) fn uses_tcp(guest: &str) {
        // Hardening alone would prevent TCP, too.
        for hardened in [&[][..], &["--no-harden"]] {
            let outcome =
                run(udping_host().args(["-S", "inherit-network"]).args(hardened).arg(guest));
            assert_refused(&outcome, "uses_tcp.wasm asked for a TCP socket: TCP is never granted");
        }
        let inspected = run(udping_host().args(["inspect", guest]));
        let line = "  TCP (wasi:sockets/tcp): a program that uses it is refused; one whose libc merely imports it runs\n";
        assert!(
            inspected.stdout.contains(&format!("imported, and never granted:\n{line}")),
            "{inspected:?}"
        );
    }

    pub(super) fn looks_around(guest: &str) {
        let outcome = run(udping_host().arg(guest));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
    }
}

/// Handles of a resource of the component's own: the host never sees them, but has to store them.
#[test]
fn handles_of_its_own() {
    let path = wat(
        "own_handles.wasm",
        r#"(component
            (type $thing (resource (rep i32)))
            (core func $new (canon resource.new $thing))
            (core module $m
                (import "" "new" (func $new (param i32) (result i32)))
                (func (export "run") (result i32) (local $left i32)
                    (local.set $left (i32.const 100000))
                    (loop $again
                        (drop (call $new (i32.const 0)))
                        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                        (br_if $again (local.get $left)))
                    (i32.const 0)))
            (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $command (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $command)))"#,
    );
    assert_stopped(&[], path.to_str().unwrap(), "held more than 16384 handles (--limit-handles)");
}

/// A component that succeeds (0) or fails (1), and exports whether at a threshold: a function with
/// that result and code.
fn with_threshold(name: &str, run: u8, result: &str, code: &str) -> PathBuf {
    let text = format!(
        r#"(component
            (core module $m
                (func (export "run") (result i32) (i32.const {run}))
                (func (export "exceeded") (result i32) {code}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (func $exceeded (result {result}) (canon lift (core func $i "exceeded")))
            (instance $command (export "run" (func $run)))
            (instance $thresholds (export "exceeded" (func $exceeded)))
            (export "wasi:cli/run@0.2.0" (instance $command))
            (export "udping:guest/thresholds@0.1.0" (instance $thresholds)))"#
    );
    wat(name, &text)
}

/// What it says after a run is asked for within the limits of the run.
#[test]
fn thresholds_that_are_not_told_as_they_should_be() {
    let exit = |component: PathBuf| run(udping_host().arg(component)).code();
    assert_eq!(exit(with_threshold("exceeded.wasm", 1, "bool", "(i32.const 1)")), 7);
    assert_eq!(exit(with_threshold("kept.wasm", 1, "bool", "(i32.const 0)")), 1);
    // It means nothing.
    assert_eq!(exit(with_threshold("number.wasm", 1, "u32", "(i32.const 1)")), 1);
    assert_eq!(exit(with_threshold("traps.wasm", 1, "bool", "unreachable")), 4);
    // After success, nothing is asked.
    assert_eq!(exit(with_threshold("succeeds.wasm", 0, "bool", "unreachable")), 0);
    let endless = with_threshold("endless.wasm", 1, "bool", "(loop $l (br $l)) (i32.const 1)");
    let limit = "computed for 100ms without a datagram sent or received (--limit-compute)";
    assert_stopped(&["--limit-compute", "100ms"], endless.to_str().unwrap(), limit);
}

/// A component's initial memory counts, too.
#[test]
fn a_memory_that_is_too_large_from_the_start() {
    assert_too_large("large_memory.wasm", "(memory 2000)");
}

#[test]
fn a_table_that_is_too_large() {
    assert_too_large("large_table.wasm", "(table 5000000 funcref)");
}

#[track_caller]
fn assert_too_large(name: &str, definition: &str) {
    let text = format!(
        r#"(component
            (core module $m {definition} (func (export "run") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $command (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $command)))"#
    );
    let limit = "asked for more than 64.0 MiB of memory (--limit-memory)";
    assert_stopped(&[], wat(name, &text).to_str().unwrap(), limit);
}

/// A limit holds even while the component's thread is blocked: here in a write that nobody reads.
#[test]
fn a_limit_of_time_while_nobody_reads_what_is_written() {
    for (name, component, said) in [
        ("floods_stdout.wasm", guests::FLOODS_STDOUT, true),
        // Then the reason cannot be reported anywhere.
        ("floods_stderr.wasm", guests::FLOODS_STDERR, false),
    ] {
        let start = Instant::now();
        let mut command = udping_host();
        command.args(["--limit-time", "500ms", "--limit-compute", "1h"]).arg(file(name, component));
        let outcome = Process::start(&mut command).wait_unread();
        assert!(start.elapsed() < SOON, "{name} ran for {:?}", start.elapsed());
        assert_eq!(outcome.code(), 6, "{name}");
        let line = format!("udping-host: stopped: {name} ran for 500ms (--limit-time)");
        assert_eq!(
            outcome.stderr.lines().last() == Some(line.as_str()),
            said,
            "{name}: {}",
            outcome.stderr.len()
        );
    }
}

/// A sender of denied datagrams must not get a component ended by the cost of dropping them.
#[test]
fn flood_by_strangers_is_not_charged_to_a_waiting_component() {
    let flags = ["--log", "json", "--limit-compute", "100ms", "--allow-to", "192.0.2.7:9"];
    let server =
        Server::listening(udping_host().args(flags).arg(file("waits.wasm", guests::WAITS)));
    let (address, over, start) = (server.addresses[0], AtomicBool::new(false), Instant::now());
    let (outcome, sent) = thread::scope(|scope| {
        let strangers = scope.spawn(|| {
            let (socket, mut sent) = (UdpSocket::bind("127.0.0.1:0").unwrap(), 0_u64);
            while !over.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
                sent += u64::from(socket.send_to(b"hello", address).is_ok());
            }
            sent
        });
        let outcome = server.process.wait();
        over.store(true, Ordering::Relaxed);
        (outcome, strangers.join().unwrap())
    });
    assert_eq!(
        (outcome.code(), outcome.stdout.as_str()),
        (0, "received 0\n"),
        "{sent} sent: {outcome:?}"
    );
    let ended: serde_json::Value =
        serde_json::from_str(outcome.stderr.lines().last().unwrap()).unwrap();
    let spent = Duration::from_micros(ended["dropping_us"].as_u64().unwrap());
    assert!(
        spent > Duration::ZERO && spent < start.elapsed() * 6 / 10,
        "{spent:?} of {:?}: {ended}",
        start.elapsed()
    );
}
