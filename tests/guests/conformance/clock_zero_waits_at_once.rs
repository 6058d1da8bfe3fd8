//! A wait for no time, or until a time that has passed, is ready before anything waits for it.

use udping_test_guests::{IpAddressFamily, address, bound, send};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::{
    now, subscribe_duration, subscribe_instant,
};
use udping_wasi::poll::poll;

fn main() {
    let start = now();
    for timer in [
        subscribe_duration(0),
        subscribe_instant(0),
        subscribe_instant(start),
        subscribe_instant(now()),
    ] {
        assert!(timer.ready());
    }
    let (here, there) = (bound(IpAddressFamily::Ipv4), bound(IpAddressFamily::Ipv4));
    let ((_in, outgoing), (incoming, _out)) =
        (here.stream(None).unwrap(), there.stream(None).unwrap());
    send(&outgoing, b"x", Some(address(&there))).unwrap();
    let readable = incoming.subscribe();
    readable.block();
    assert_eq!(poll(&[&readable, &subscribe_duration(0)]), [0, 1]);
    assert_eq!(poll(&[&subscribe_instant(start), &readable]), [0, 1]);
}

udping_test_guests::guest!(main);
