//! Several instances of a server on one port, and other tuning options.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use udping_tests::{Server, file, guests, run, udping_host};

/// A port that was free just now: workers do not accept 0.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn echoes(to: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(b"hello", to).unwrap();
    let mut reply = [0; 16];
    let (length, from) = socket.recv_from(&mut reply).unwrap();
    assert_eq!((&reply[..length], from), (&b"hello"[..], to));
}

#[test]
fn flows_are_split_among_workers_and_none_is_lost() {
    let port = free_port().to_string();
    let arguments = ["--workers", "2", "server", &port, "--bind", "127.0.0.1"];
    let mut server = Server::listening(udping_host().args(arguments));
    // The line of the second worker.
    assert!(server.process.line().starts_with("listening on"));
    for _ in 0..64 {
        echoes(server.addresses[0]);
    }
    let outcome = server.stop();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let counts =
        outcome.stdout.lines().map(|line| line.split(' ').next().unwrap().parse::<u32>().unwrap());
    let counts: Vec<_> = counts.collect();
    // The probability that one worker gets all of 64 flows is 2^-63.
    assert_eq!((counts.len(), counts.iter().sum::<u32>()), (2, 64), "{outcome:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn a_rate_is_the_runs_however_many_workers_there_are() {
    let port = free_port().to_string();
    let flags = ["--workers", "4", "--limit-receive", "50"];
    let mut server =
        Server::listening(udping_host().args(flags).args(["server", &port, "--bind", "127.0.0.1"]));
    (1..4).for_each(|_| drop(server.process.line()));
    let start = Instant::now();
    for number in 0_u32..400 {
        // A new socket for each datagram, so that every worker gets some.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&number.to_be_bytes(), server.addresses[0]).unwrap();
    }
    std::thread::sleep(Duration::from_millis(200));
    let outcome = server.stop();
    let counts =
        outcome.stdout.lines().map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap());
    let (received, most) =
        (counts.sum::<u64>(), 50 + 50 * (start.elapsed().as_millis() as u64 + 20) / 1_000);
    assert!((50..=most).contains(&received), "{received} of at most {most}: {outcome:?}");
}

/// Workers and restarted instances share one budget.
#[test]
fn total_output_limit_is_shared_by_restarts_and_workers() {
    let guest = file("writes.wasm", guests::WRITES);
    let line = format!("out:{}", "61".repeat(900));
    for (flags, then) in [(&["--restart", "on-trap"], "trap"), (&["--workers", "4"], "waits")] {
        let mut command = udping_host();
        command.args(["--limit-output-total", "3000B", "--limit-time", "30s"]).args(flags);
        let outcome = run(command.arg(&guest).args([&line, then]));
        assert_eq!(outcome.code(), 6, "{flags:?}: {outcome:?}");
        let said = "stopped: writes.wasm wrote more than 2.9 KiB in total (--limit-output-total)";
        assert!(outcome.stderr.contains(said), "{flags:?}: {outcome:?}");
        assert!(outcome.stdout.len() <= 3_000, "{}", outcome.stdout.len());
    }
}

#[test]
fn workers_refuse_a_port_that_is_not_theirs() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let outcome =
        run(udping_host().args(["--workers", "2", "server", &port, "--bind", "127.0.0.1"]));
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.stderr.contains("another program uses that address and port"), "{outcome:?}");
}

#[test]
fn without_workers_a_port_is_not_shared() {
    let port = free_port().to_string();
    let arguments = ["server", port.as_str(), "--bind", "127.0.0.1"];
    let _first = Server::listening(udping_host().args(arguments));
    for options in [&[][..], &["--workers", "2"]] {
        let second = run(udping_host().args(options).args(arguments));
        assert_eq!(second.code(), 2, "{second:?}");
    }
}

#[test]
fn what_does_not_fit_is_said_at_once() {
    for (arguments, said) in [
        (&["--workers", "2", "server", "0"][..], "several workers share one port"),
        (&["--workers", "0", "server", "9"], "not auto, and not a number from 1 to 1024"),
        (&["--workers", "many", "server", "9"], "not auto, and not a number from 1 to 1024"),
        (&["--batch", "0", "server", "9"], "not a number from 1 to 1024"),
        (&["--batch", "1025", "server", "9"], "not a number from 1 to 1024"),
        (&["--busy-poll", "soon", "server", "9"], "expected number"),
        (&["--workers", "2", "inspect", "server"], "this command runs none"),
    ] {
        let outcome = run(udping_host().args(arguments));
        assert_eq!(outcome.code(), 2, "{arguments:?}: {outcome:?}");
        assert!(outcome.only_error().contains(said), "{arguments:?}: {outcome:?}");
    }
}

#[test]
fn a_run_can_be_tuned_before_and_after_the_word_run() {
    for arguments in [
        &["--busy-poll", "100us", "run", "server"][..],
        &["run", "--batch", "1", "server"],
        &["--batch", "1024", "run", "--no-offload", "--workers", "1", "server"],
    ] {
        let server =
            Server::listening(udping_host().args(arguments).args(["0", "--bind", "127.0.0.1"]));
        (0..10).for_each(|_| echoes(server.addresses[0]));
        let outcome = server.stop();
        assert!(outcome.stdout.starts_with("10 received, 10 answered"), "{outcome:?}");
    }
}
