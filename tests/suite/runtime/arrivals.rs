//! What the clocks return after a `receive` or `send`: when the datagrams arrived, as the kernel
//! recorded it, or left.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use udping_tests::{PATHS, file, guests, run, udping_host, wasmtime};

/// How long each datagram waits and the guest works, at least, and what counts as no time, in
/// microseconds.
const WAITED: RangeInclusive<u64> = 49_000..=99_000;
const TWICE: RangeInclusive<u64> = 99_000..=1_000_000;
const WORKED: RangeInclusive<u64> = 25_000..=2_000_000;
const NOW: RangeInclusive<u64> = 0..=20_000;

fn told(command: &mut Command) -> HashMap<String, u64> {
    let component = file("arrives.wasm", guests::ARRIVES);
    let outcome = run(command.args(["-S", "inherit-network"]).arg(component));
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    let line = |line: &str| {
        let (what, micros) = line.split_once(' ').unwrap();
        (what.to_owned(), micros.parse().unwrap())
    };
    outcome.stdout.lines().map(line).collect()
}

#[track_caller]
fn check(command: &mut Command, expected: &[(&str, RangeInclusive<u64>)]) {
    let told = told(command);
    let wrong: Vec<_> =
        expected.iter().filter(|(what, range)| !range.contains(&told[*what])).collect();
    assert!(wrong.is_empty(), "{wrong:?} of {told:?}");
    assert_eq!(told.len(), expected.len());
}

#[test]
fn clocks_return_once_when_datagrams_arrived_or_left() {
    // The kernel records arrivals as long as any socket asks for them, from shortly after the first
    // one does.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
    thread::sleep(Duration::from_millis(500));
    for path in PATHS {
        check(
            udping_host().args(path),
            &[
                ("monotonic", WAITED),
                ("monotonic-again", NOW),
                ("wall", WAITED),
                ("wall-again", NOW),
                ("not-polled", NOW),
                ("after-send", NOW),
                ("after-poll", NOW),
                ("after-receive", NOW),
                ("third", WAITED),
                ("first-count", 1..=1),
                ("first", TWICE),
                ("second-count", 1..=1),
                ("second", WAITED),
                ("left", WORKED),
                ("left-again", NOW),
                ("left-wall", WORKED),
                ("left-before-poll", NOW),
                ("back", 0..=0),
            ],
        );
    }
}

#[test]
fn without_kernel_time_clocks_return_the_current_time() {
    let all = |first, second| {
        [
            ("monotonic", NOW),
            ("monotonic-again", NOW),
            ("wall", NOW),
            ("wall-again", NOW),
            ("not-polled", NOW),
            ("after-send", NOW),
            ("after-poll", NOW),
            ("after-receive", NOW),
            ("third", NOW),
            ("first-count", first),
            ("first", NOW),
            ("second-count", second),
            ("second", NOW),
            ("left", NOW),
            ("left-again", NOW),
            ("left-wall", NOW),
            ("left-before-poll", NOW),
            ("back", 0..=0),
        ]
    };
    check(udping_host().arg("--no-kernel-time"), &all(2..=2, 0..=0));
    if let Some(mut stock) = wasmtime() {
        // It may receive one by one.
        check(&mut stock, &all(1..=2, 0..=1));
    }
}
