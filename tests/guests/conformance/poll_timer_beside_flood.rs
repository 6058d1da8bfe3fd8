//! A timer that has expired is told of by `poll`, although a socket always has something.

use udping_test_guests::{IpAddressFamily, address, bound, send};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::{now, subscribe_instant};
use udping_wasi::poll::poll;

/// Nanoseconds.
const WAIT: u64 = 20_000_000;

/// How much later it may be told of, in nanoseconds: a machine may be busy.
const LATE: u64 = 1_000_000_000;

/// Datagrams that wait at the beginning.
const AHEAD: usize = 8;

fn main() {
    let (here, there) = (bound(IpAddressFamily::Ipv4), bound(IpAddressFamily::Ipv4));
    let (_in, outgoing) = here.stream(None).unwrap();
    let (incoming, _out) = there.stream(None).unwrap();
    let (readable, flooded) = (incoming.subscribe(), Some(address(&there)));
    for _ in 0..AHEAD {
        send(&outgoing, b"flood", flooded).unwrap();
    }
    for (socket, time) in [(0, 1), (1, 0), (0, 1)] {
        let at = now() + WAIT;
        let timer = subscribe_instant(at);
        let mut polls = 0_u64;
        loop {
            send(&outgoing, b"flood", flooded).unwrap();
            let before = now();
            let ready =
                if socket == 0 { poll(&[&readable, &timer]) } else { poll(&[&timer, &readable]) };
            polls += 1;
            if ready.contains(&time) {
                assert!(now() >= at);
                assert!(timer.ready());
                break;
            }
            assert!(before < at + LATE, "poll {polls} told of {ready:?} alone");
            assert_eq!(ready, [socket]);
            incoming.receive(1).unwrap();
        }
    }
}

udping_test_guests::guest!(main);
