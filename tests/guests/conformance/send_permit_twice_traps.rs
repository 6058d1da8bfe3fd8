//! A permit is for one send: a second one traps.

use udping_test_guests::{IpAddressFamily, address, bound, datagram};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (_incoming, outgoing) = socket.stream(None).unwrap();
    let list = [datagram(b"x", Some(address(&socket)))];
    assert!(outgoing.check_send().unwrap() > 0);
    assert_eq!(outgoing.send(&list).unwrap(), 1);
    let _ = outgoing.send(&list);
    unreachable!("it must have trapped");
}

udping_test_guests::guest!(main);
