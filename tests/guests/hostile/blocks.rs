//! Waits for a datagram that never arrives.

use udping_test_guests::{IpAddressFamily, bound};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, _outgoing) = socket.stream(None).unwrap();
    incoming.subscribe().block();
    unreachable!("nothing was sent");
}

udping_test_guests::guest!(main);
