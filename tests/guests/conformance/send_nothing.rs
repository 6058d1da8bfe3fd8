//! An empty list needs no permit.

use udping_test_guests::{IpAddressFamily, bound};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (_incoming, outgoing) = socket.stream(None).unwrap();
    assert_eq!(outgoing.send(&[]).unwrap(), 0);
    assert!(outgoing.check_send().unwrap() > 0);
    assert_eq!(outgoing.send(&[]).unwrap(), 0);
}

udping_test_guests::guest!(main);
