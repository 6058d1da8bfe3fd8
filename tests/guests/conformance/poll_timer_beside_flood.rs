//! `poll` reports an expired timer although a socket is always ready.

use udping_test_guests::{IpAddressFamily, address, bound, send};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::{now, subscribe_instant};
use udping_wasi::poll::poll;

/// The timer's wait, in nanoseconds.
const WAIT: u64 = 20_000_000;

/// The tolerated delay, in nanoseconds: a machine may be busy.
const LATE: u64 = 1_000_000_000;

/// The number of datagrams queued at the beginning.
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
