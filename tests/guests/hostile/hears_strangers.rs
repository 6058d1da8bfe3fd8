//! Spins, and checks in between for datagrams from sources that were not granted.

use udping_test_guests::{IpAddressFamily, address, bound};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::now;
use udping_wasi::console::Console;

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, _outgoing) = socket.stream(None).unwrap();
    Console::stdout().line(format_args!("listening on {}", address(&socket))).unwrap();
    let readable = incoming.subscribe();
    loop {
        let start = now();
        while now() - start < 1_000_000 {}
        assert!(!readable.ready());
        assert!(incoming.receive(64).unwrap().is_empty());
    }
}

udping_test_guests::guest!(main);
