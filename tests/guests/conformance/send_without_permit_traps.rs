//! Sending without check-send traps.

use udping_test_guests::{IpAddressFamily, bound, datagram, loopback};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (_incoming, outgoing) = socket.stream(None).unwrap();
    let _ = outgoing.send(&[datagram(b"x", Some(loopback(IpAddressFamily::Ipv4, 9)))]);
    unreachable!("it must have trapped");
}

udping_test_guests::guest!(main);
