//! A key that client and server share: clients without it get no answer.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use udping_components::Component;
use udping_core::Seq;
use udping_core::UnixTime;
use udping_core::wire::Ping;
use udping_core::wire::stamp::{AUTHENTICATED, ErrorEstimate, Request, Timestamp};
use udping_core::wire::{Direction, Key};
use udping_tests::{CLIENT, Outcome, PATIENCE, Runtime, SERVER, Server, ping, run};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// Returns `component` under the stock CLI, with `key` in its environment.
fn with_key(key: &str, component: Component, arguments: &[&str]) -> Command {
    Runtime::Wasmtime.command_with_key(Some(key), component, arguments)
}

fn keyed_server(options: &[&str]) -> Server {
    Server::listening(&mut with_key(
        KEY,
        SERVER,
        &[&["0", "--bind", "127.0.0.1", "-v"], options].concat(),
    ))
}

/// Runs three pings of a client that has `key`.
fn keyed_ping(key: &str, server: &Server, options: &[&str]) -> Outcome {
    let [host, port] = server.host_and_port();
    let target = [host.as_str(), port.as_str(), "-c", "3", "-i", "20ms", "-W", "500ms"];
    run(&mut with_key(key, CLIENT, &[&target, options].concat()))
}

/// The line that `server` logs about the next datagram after receiving it.
#[track_caller]
fn next_fate(server: &mut Server) -> String {
    assert!(server.process.line().starts_with("received "));
    server.process.line()
}

#[test]
fn who_has_the_key_is_answered() {
    for options in [&[][..], &["--uppercase"]] {
        let mut server = keyed_server(options);
        let outcome = keyed_ping(KEY, &server, &["--size", "80"]);
        assert_eq!(
            (outcome.code(), outcome.lines_with("80 bytes from 127.0.0.1:").len()),
            (0, 3),
            "{outcome:?}"
        );
        assert_eq!(
            outcome.lines_with("3 sent, 3 received, 0 lost (0.0 %), 0 duplicates, 0 late").len(),
            1,
            "{outcome:?}"
        );
        let sent = next_fate(&mut server);
        assert!(sent.starts_with("sent 80 bytes to ") && sent.ends_with(": seq=1"), "{sent}");
    }
}

#[test]
fn the_size_that_is_said_is_that_of_the_whole_datagram() {
    let server = keyed_server(&[]);
    for (size, length) in [("0", "59"), ("59", "59"), ("60", "60"), ("65507", "65507")] {
        let outcome = keyed_ping(KEY, &server, &["--size", size]);
        let said = format!("/udp: {length}-byte datagrams");
        assert_eq!((outcome.code(), outcome.lines_with(&said).len()), (0, 1), "{outcome:?}");
        assert_eq!(
            outcome.lines_with(&format!("{length} bytes from 127.0.0.1:")).len(),
            3,
            "{outcome:?}"
        );
    }
}

#[test]
fn who_has_none_or_another_is_not() {
    let mut server = keyed_server(&[]);
    let none = ping(Runtime::Wasmtime, &server, &["-c", "3", "-i", "20ms", "-W", "500ms"]);
    let other = keyed_ping(OTHER, &server, &[]);
    for outcome in [none, other] {
        assert_eq!((outcome.code(), outcome.seqs("lost: ")), (1, vec![1, 2, 3]), "{outcome:?}");
    }
    for _ in 0..6 {
        let refused = next_fate(&mut server);
        assert!(
            refused.starts_with("refused ") && refused.ends_with(" (without a valid tag)"),
            "{refused}"
        );
    }
}

#[test]
fn keyed_client_treats_replies_of_unkeyed_server_as_foreign() {
    let server = Server::start(Runtime::Wasmtime, "127.0.0.1", &[]);
    let outcome = keyed_ping(KEY, &server, &[]);
    assert_eq!(
        (outcome.code(), outcome.lines_with("not a reply to any ping of this run").len()),
        (1, 3),
        "{outcome:?}"
    );
    assert_eq!(
        outcome
            .lines_with("3 sent, 0 received, 3 lost (100.0 %), 0 duplicates, 0 late, 3 foreign")
            .len(),
        1
    );
}

fn unix_time(ago: Duration) -> UnixTime {
    let time = (SystemTime::now() - ago).duration_since(UNIX_EPOCH).unwrap();
    UnixTime { seconds: time.as_secs(), nanoseconds: time.subsec_nanos() }
}

/// A ping as a client with the key sent it, `ago`.
fn recorded(seq: u32, ago: Duration) -> Vec<u8> {
    let sent_at = unix_time(ago);
    let mut datagram = Vec::new();
    Ping { seq: Seq(seq), sent_at }.encode(0, &mut datagram);
    let tag = Key::from_hex(KEY).unwrap().tag(Direction::Request, &datagram);
    datagram.extend(tag);
    datagram
}

#[test]
fn a_recorded_ping_is_worth_little_now_and_nothing_later() {
    for (options, old) in [(&[][..], 61), (&["--replay-window", "10m"], 601)] {
        let mut server = keyed_server(options);
        let send = |datagram: &[u8]| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(datagram, server.addresses[0]).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        let fresh = recorded(1, Duration::from_secs(old - 30));
        let sockets: Vec<_> = (0..6).map(|_| send(&fresh)).collect();
        for socket in &sockets[..5] {
            assert_eq!(socket.recv(&mut [0; 99]).unwrap(), fresh.len());
        }
        send(&recorded(2, Duration::from_secs(old)));
        send(&recorded(3, Duration::ZERO)).recv(&mut [0; 99]).unwrap();

        let log: Vec<_> = (0..16).map(|_| server.process.line()).collect();
        let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
        assert_eq!((count("sent"), count("seq=1 (repeated)")), (6, 1), "{log:?}");
        assert_eq!(count("seq=2 (outside the replay window)"), 1, "{log:?}");
    }
}

/// A STAMP request as a sender with the key has just sent it.
fn recorded_stamp(seq: u32) -> Vec<u8> {
    let (sent, error) = (Timestamp::ntp(unix_time(Duration::ZERO)), ErrorEstimate::of_clock(false));
    let mut datagram = Vec::new();
    Request { seq: Seq(seq), sent, error, ssid: 0 }.encode(
        0,
        Some(&Key::from_hex(KEY).unwrap()),
        &mut datagram,
    );
    datagram
}

#[test]
fn recorded_stamp_request_stays_a_repeat_with_appended_bytes() {
    let server = keyed_server(&["--protocol", "stamp"]);
    let (attacker, recorded) = (UdpSocket::bind("127.0.0.1:0").unwrap(), recorded_stamp(1));
    for number in 0..500_u32 {
        attacker
            .send_to(&[&recorded[..], &number.to_be_bytes()].concat(), server.addresses[0])
            .unwrap();
    }
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(&recorded_stamp(2), server.addresses[0]).unwrap();
    client.recv(&mut [0; 200]).unwrap();
    // Earlier datagrams have been handled before.
    attacker.set_nonblocking(true).unwrap();
    let mut reply = [0x55; 200];
    let replies: Vec<_> = std::iter::from_fn(|| {
        attacker.recv(&mut reply).ok().map(|length| reply[..length].to_vec())
    })
    .collect();
    assert_eq!(replies.len(), 5);
    assert!(replies.iter().all(|reply| reply[AUTHENTICATED..] == [0; 4]), "{replies:?}");
}

#[test]
fn what_pads_a_request_of_stamp_comes_back_as_zeros_and_as_many() {
    let server = keyed_server(&["--protocol", "stamp"]);
    let outcome = keyed_ping(KEY, &server, &["--protocol", "stamp", "--size", "1000"]);
    assert_eq!(
        (outcome.code(), outcome.lines_with("1000 bytes from 127.0.0.1:").len()),
        (0, 3),
        "{outcome:?}"
    );
}

#[test]
fn what_is_no_key_is_said_on_one_line_and_never_taken_for_none() {
    for (key, complaint) in [
        ("", "it has 0 bytes; a key has from 16 to 64"),
        ("0123456789abcdef", "it has 8 bytes; a key has from 16 to 64"),
        ("secret", "write its bytes as hexadecimal digits, two for each"),
    ] {
        for (component, arguments) in [(CLIENT, &["127.0.0.1", "9"][..]), (SERVER, &["0"])] {
            let outcome = run(&mut with_key(key, component, arguments));
            assert_eq!((outcome.code(), outcome.stdout.as_str()), (1, ""), "{outcome:?}");
            assert_eq!(
                outcome.only_error(),
                format!("{}.wasm: UDPING_KEY: not a key: {complaint}", component.name)
            );
        }
    }
}
