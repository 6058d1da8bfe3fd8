//! Components that attempt what they may not: each is refused or stopped, with a message that names why and an exit code of
//! its own. Each guest in `guests/hostile/` has its case here, or this does not compile.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use udping_tests::{Outcome, Process, Server, file, run, udping_host, wat};

/// How soon a component is stopped at a limit: it takes less than a second, and a machine that tests run on is busy.
const SOON: Duration = Duration::from_secs(3);

macro_rules! tests {
    ($($name:ident = $component:expr;)*) => {
        $(#[test] fn $name() { cases::$name(file(concat!(stringify!($name), ".wasm"), $component).to_str().unwrap()) })*
    };
}

include!(concat!(env!("OUT_DIR"), "/hostile.rs"));
for_each_guest!(tests);

/// Runs a component that a limit is to stop, and that has no business going on for longer.
#[track_caller]
fn assert_stopped(flags: &[&str], component: &str, limit: &str) -> Outcome {
    let start = Instant::now();
    let outcome = run(udping_host().args(flags).arg(component));
    assert!(start.elapsed() < SOON, "it ran for {:?}: {outcome:?}", start.elapsed());
    assert_eq!(outcome.code(), 6, "{outcome:?}");
    let name = component.rsplit('/').next().unwrap();
    let line = format!("udping-host: stopped: {name} {limit}");
    assert_eq!(outcome.stderr.lines().last().unwrap(), line);
    outcome
}

/// Runs a component to which something is to be refused.
#[track_caller]
fn assert_refused(outcome: &Outcome, refusal: &str) {
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
    let line = format!("udping-host: refused: {refusal}");
    assert!(outcome.stderr.lines().any(|said| said.starts_with(&line)), "no {line:?} in {outcome:?}");
}

/// A component that listens, and a datagram for it.
fn with_a_datagram(flags: &[&str], component: &str) -> (Outcome, Vec<Vec<u8>>) {
    let server = Server::listening(udping_host().args(["--allow-listen", "127.0.0.1:0"]).args(flags).arg(component));
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

/// The host, in a network namespace of its own, where `setup` was run.
fn in_namespace(setup: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("{setup} && exec \"$0\" \"$@\"");
    command.args(["--net", "sh", "-c", &script]).arg(udping_tests::host_program());
    command
}

mod cases {
    use super::*;

    const NETWORK: &[&str] = &["-S", "inherit-network"];

    pub fn spins(guest: &str) {
        let limit = "computed for 500ms without using the network (--limit-compute)";
        assert_stopped(&[], guest, limit);
    }

    pub fn asks_the_time(guest: &str) {
        let limit = "computed for 100ms without using the network (--limit-compute)";
        assert_stopped(&["--limit-compute", "100ms"], guest, limit);
    }

    pub fn blocks(guest: &str) {
        assert_stopped(&["--limit-time", "300ms", "-S", "inherit-network"], guest, "ran for 300ms (--limit-time)");
    }

    pub fn grows(guest: &str) {
        assert_stopped(&[], guest, "asked for more than 64.0 MiB of memory (--limit-memory)");
        let limit = "asked for more than 5.0 MiB of memory (--limit-memory)";
        assert_stopped(&["--limit-memory", "5MiB"], guest, limit);
    }

    pub fn floods_stdout(guest: &str) {
        let flags = ["-S", "inherit-network", "--limit-output", "1MiB"];
        let outcome = assert_stopped(&flags, guest, "wrote more than 1.0 MiB in a second (--limit-output)");
        // What comes back in the time that it writes is little beside it.
        assert!((1_000_000..2 << 20).contains(&outcome.stdout.len()), "{}", outcome.stdout.len());
    }

    pub fn floods_stderr(guest: &str) {
        let flags = ["-S", "inherit-network", "--limit-output", "1MiB"];
        assert_stopped(&flags, guest, "wrote more than 1.0 MiB in a second (--limit-output)");
    }

    pub fn opens_sockets(guest: &str) {
        assert_stopped(&[], guest, "opened more than 256 sockets (--limit-sockets)");
        assert_stopped(&["--limit-sockets", "3"], guest, "opened more than 3 sockets (--limit-sockets)");
    }

    pub fn holds_handles(guest: &str) {
        assert_stopped(NETWORK, guest, "held more than 16384 handles (--limit-handles)");
    }

    pub fn passes_much(guest: &str) {
        assert_stopped(NETWORK, guest, "passed more than 16.0 MiB to the host at once (--limit-call)");
    }

    pub fn looks_up_again(guest: &str) {
        // The system's hosts file, where only this process sees it.
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
        // Under a wildcard, it is asked when the component asks.
        let mut wild = Process::start(&mut with_hosts(&["--allow-resolve", "*.example"]));
        assert_eq!(wild.line(), "127.0.0.1");
        fs::write(&hosts, "127.0.0.2 service.example\n").unwrap();
        assert_eq!(wild.line(), "127.0.0.1", "once, and no more");
        let outcome = run(&mut with_hosts(&["--allow-resolve", "*.service.example"]));
        assert!(outcome.stderr.contains("asked to resolve service.example; granted: "), "{outcome:?}");
    }

    pub fn looks_up_names(guest: &str) {
        let outcome = assert_stopped(&[], guest, "looked up more than 64 names (--limit-lookups)");
        let refusal = "udping-host: refused: looks_up_names.wasm asked to resolve secret-0.example.invalid";
        assert!(outcome.stderr.starts_with(refusal), "{outcome:?}");
        assert!(!outcome.stderr.contains("secret-1.example"), "{outcome:?}");
    }

    pub fn sends_to_strangers(guest: &str) {
        let outcome = run(udping_host().args(["--allow-listen", "127.0.0.1:0"]).arg(guest));
        assert_refused(&outcome, "sends_to_strangers.wasm asked to send to 127.0.0.1:9; granted: listen on 127.0.0.1:0; ");
        assert_refused(&outcome, "sends_to_strangers.wasm asked to connect to 192.0.2.7:53; granted: listen on");
    }

    pub fn amplifies(guest: &str) {
        let (outcome, answers) = with_a_datagram(&[], guest);
        assert_refused(&outcome, "amplifies.wasm asked to send to 127.0.0.1:");
        assert!(outcome.stderr.contains(", where as much went as came from there (--amplification 1)"), "{outcome:?}");
        assert_eq!(answers, [[7; 100]]);
        // Were it let, it would: else this guest would show nothing.
        let (let_do, _) = with_a_datagram(&["--amplification", "1.5"], guest);
        assert!(let_do.stderr.contains("panicked"), "{let_do:?}");
    }

    pub fn answers_late(guest: &str) {
        let (outcome, answers) = with_a_datagram(&["--answer-window", "500ms"], guest);
        assert_refused(&outcome, "answers_late.wasm asked to send to 127.0.0.1:");
        assert!(outcome.stderr.contains(", which it has not heard from for 500ms (--answer-window)"), "{outcome:?}");
        assert!(answers.is_empty(), "{answers:?}");
        let (in_time, _) = with_a_datagram(&["--answer-window", "10s"], guest);
        assert!(in_time.stderr.contains("panicked"), "{in_time:?}");
    }

    pub fn saves_answers(guest: &str) {
        let flags = ["--allow-listen", "127.0.0.1:0", "--answer-window", "500ms"];
        let server = Server::listening(udping_host().args(flags).arg(guest));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..150 {
            socket.send_to(b"later", server.addresses[0]).unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        socket.send_to(b"now", server.addresses[0]).unwrap();
        let outcome = server.process.wait();
        assert_refused(&outcome, "saves_answers.wasm asked to send to 127.0.0.1:");
        assert!(outcome.stdout.contains("151 heard, "), "{outcome:?}");
        let rule = ", where as much went as came from there (--amplification 1) within 500ms (--answer-window)";
        assert!(outcome.stderr.contains(rule), "{outcome:?}");
    }

    pub fn answers_elsewhere(guest: &str) {
        let (outcome, answers) = with_a_datagram(&["--amplification", "3"], guest);
        assert_refused(&outcome, "answers_elsewhere.wasm asked to send to 127.0.0.1:");
        assert_refused(&outcome, "answers_elsewhere.wasm asked to connect to 127.0.0.1:");
        assert_eq!(answers, [[7; 100]]);
    }

    pub fn probes_addresses(guest: &str) {
        let setup = "ip link set lo up && ip addr add 10.9.0.1/24 dev lo";
        let outcome = run(in_namespace(setup).args(["--allow-to", "127.0.0.1:9"]).arg(guest));
        let flags = "to allow it: --allow-to 127.0.0.1:9 --allow-listen 10.9.0.1:0";
        let refusal = format!("probes_addresses.wasm asked to listen on 10.9.0.1:0; granted: send to 127.0.0.1:9; {flags}");
        assert_refused(&outcome, &refusal);
        // Who may listen there may know.
        let listens =
            run(in_namespace(setup).args(["--allow-to", "127.0.0.1:9", "--allow-listen", "10.9.0.1:0"]).arg(guest));
        assert!(listens.stderr.contains("panicked"), "{listens:?}");
    }

    pub fn leaves_the_zone_out(guest: &str) {
        let setup = "ip link add wire index 77 type veth peer name other && ip link set wire up && ip link set other up && \
                     ip addr add fe80::a/64 dev wire nodad";
        let flags = ["--allow-listen", "[fe80::a]:0", "--allow-to", "[fe80::]/64:9"];
        let outcome = run(in_namespace(setup).args(flags).args(["--deny-to", "[fe80::b%77]"]).arg(guest));
        assert_refused(&outcome, "leaves_the_zone_out.wasm asked to send to [fe80::b%77]:9, which --deny-to forbids");
        let elsewhere = run(in_namespace(setup).args(flags).args(["--deny-to", "[fe80::b%78]"]).arg(guest));
        assert!(elsewhere.stderr.contains("panicked"), "{elsewhere:?}");
    }

    pub fn asks_for_sockets(guest: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]).arg(udping_tests::host_program()).arg(guest);
        let outcome = run(&mut command);
        assert_eq!((outcome.code(), &*outcome.stdout), (0, "as many as there were\n"), "{outcome:?}");
    }

    pub fn binds_elsewhere(guest: &str) {
        let outcome = run(udping_host().args(["--allow-listen", "12000"]).arg(guest));
        assert_refused(&outcome, "binds_elsewhere.wasm asked to listen on 127.0.0.1:0; granted: listen on 12000; ");
    }

    pub fn sends_fast(guest: &str) {
        let sent = |flags: &[&str]| -> u64 {
            let outcome = run(udping_host().args(["--allow-to", "127.0.0.1:9"]).args(flags).arg(guest));
            assert_eq!(outcome.code(), 0, "{outcome:?}");
            assert_eq!(
                outcome.stderr.contains("held back: a datagram of sends_fast.wasm"),
                !flags.is_empty(),
                "{outcome:?}"
            );
            outcome.stdout.trim().strip_prefix("sent ").unwrap().parse().unwrap()
        };
        // The first second's worth may go at once.
        let limited = sent(&["--limit-send", "1000"]);
        assert!((2_000..=3_000).contains(&limited), "{limited}");
        let limited = sent(&["--limit-send-bytes", "100kB"]);
        assert!((2_000..=3_000).contains(&limited), "{limited}");
        assert!(sent(&[]) > 10_000);
    }

    pub fn traps_in_batch(guest: &str) {
        let flags = ["--allow-listen", "127.0.0.1:0"];
        let server = Server::listening(udping_host().args(flags).arg(guest));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in [&b"one"[..], b"trap", b"two"] {
            socket.send_to(datagram, server.addresses[0]).unwrap();
        }
        let outcome = server.process.wait();
        assert_eq!(outcome.code(), 4, "{outcome:?}");
        assert!(outcome.stderr.ends_with("trapped: wasm trap: wasm `unreachable` instruction executed\n"), "{outcome:?}");
    }

    pub fn uses_tcp(guest: &str) {
        // Hardening alone would keep it from TCP, too.
        for hardened in [&[][..], &["--no-harden"]] {
            let outcome = run(udping_host().args(["-S", "inherit-network"]).args(hardened).arg(guest));
            assert_eq!(outcome.code(), 2, "it ended as it does where it was denied: {outcome:?}");
        }
        let inspected = run(udping_host().args(["inspect", guest]));
        assert!(inspected.stdout.contains("nothing helps: TCP is never granted"), "{inspected:?}");
    }

    pub fn looks_around(guest: &str) {
        let outcome = run(udping_host().arg(guest));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
    }
}

/// Handles of a resource that is the component's own: the host never sees them, and has to keep them.
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

/// What a component asks for before it runs counts, too.
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
