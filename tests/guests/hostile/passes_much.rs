//! Passes a list to the host that is larger than any datagrams need.

use udping_test_guests::{IpAddressFamily, bound, datagram};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (_incoming, outgoing) = socket.stream(None).unwrap();
    outgoing.check_send().unwrap();
    let _ = outgoing.send(&[datagram(&vec![1; 17 << 20], None)]);
    unreachable!("it must have trapped");
}

udping_test_guests::guest!(main);
