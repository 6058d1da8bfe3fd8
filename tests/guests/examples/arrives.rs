//! Prints how long ago, in microseconds, the clocks say that datagrams arrived which waited for 50
//! ms, or left which were sent before some work, in several orders of calls.

use std::hint::black_box;

use udping_test_guests::{A_WHILE, IpAddressFamily, address, bound, pause, send};
use udping_wasi::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use udping_wasi::console::Console;

fn wall() -> u64 {
    let wall_clock::Datetime { seconds, nanoseconds } = wall_clock::now();
    seconds * 1_000_000_000 + u64::from(nanoseconds)
}

/// The difference between two consecutive readings.
fn ago(clock: fn() -> u64) -> u64 {
    let first = clock();
    (clock() - first) / 1_000
}

/// Takes some fifty milliseconds, and calls nothing of the host.
fn works() {
    for number in 0..50_000_000_u32 {
        black_box(number);
    }
}

fn main() {
    let (here, there) = (bound(IpAddressFamily::Ipv4), bound(IpAddressFamily::Ipv4));
    let (_in, outgoing) = here.stream(None).unwrap();
    let (incoming, answers) = there.stream(None).unwrap();
    let readable = incoming.subscribe();
    let out = Console::stdout();
    let say = |what: &str, micros: u64| out.line(format_args!("{what} {micros}")).unwrap();
    let arrives = || {
        send(&outgoing, b"x", Some(address(&there))).unwrap();
        pause(A_WHILE);
    };
    let receives = || incoming.receive(16).unwrap().len() as u64;
    let now = monotonic_clock::now;

    arrives();
    readable.block();
    receives();
    say("monotonic", ago(now));
    say("monotonic-again", ago(now));
    say("wall", ago(wall));
    say("wall-again", ago(wall));

    arrives();
    receives();
    say("not-polled", ago(now));

    arrives();
    readable.block();
    receives();
    send(&answers, b"x", Some(address(&here))).unwrap();
    say("after-send", ago(now));

    arrives();
    readable.block();
    receives();
    pause(0);
    say("after-poll", ago(now));

    arrives();
    assert!(readable.ready());
    receives();
    receives();
    say("after-receive", ago(now));

    // It has read clocks after a receive: two arrivals are told one by one.
    arrives();
    readable.block();
    receives();
    say("third", ago(now));
    arrives();
    arrives();
    readable.block();
    let (first_count, first) = (receives(), now());
    let (second_count, second, at) = (receives(), now(), now());
    say("first-count", first_count);
    say("first", (at - first) / 1_000);
    say("second-count", second_count);
    say("second", (at - second) / 1_000);

    let sends = || send(&outgoing, b"x", Some(address(&there))).unwrap();
    sends();
    works();
    say("left", ago(now));
    say("left-again", ago(now));
    sends();
    works();
    say("left-wall", ago(wall));
    sends();
    works();
    pause(0);
    say("left-before-poll", ago(now));

    let (mut last, mut back) = (now(), 0);
    for _ in 0..20 {
        send(&outgoing, b"x", Some(address(&there))).unwrap();
        last = last.max(now());
        readable.block();
        receives();
        for _ in 0..1_000 {
            let next = now();
            back += u64::from(next < last);
            last = next;
        }
    }
    say("back", back);
}

udping_test_guests::guest!(main);
