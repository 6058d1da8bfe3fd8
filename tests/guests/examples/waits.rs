//! Waits three seconds for datagrams that it is granted, wakes ten times per second, and prints how
//! many it received.

use udping_test_guests::{IpAddressFamily, address, bound};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use udping_wasi::console::Console;
use udping_wasi::poll::poll;

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, _outgoing) = socket.stream(None).unwrap();
    Console::stdout().line(format_args!("listening on {}", address(&socket))).unwrap();
    let readable = incoming.subscribe();
    let mut received = 0;
    for _ in 0..30 {
        let over = subscribe_duration(100_000_000);
        while !poll(&[&readable, &over]).contains(&1) {
            received += incoming.receive(64).unwrap().len();
        }
    }
    Console::stdout().line(format_args!("received {received}")).unwrap();
}

udping_test_guests::guest!(main);
