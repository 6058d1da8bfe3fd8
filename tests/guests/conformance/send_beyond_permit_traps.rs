//! Sending more datagrams than check-send permitted traps.

use udping_test_guests::{IpAddressFamily, address, bound, datagram};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (_incoming, outgoing) = socket.stream(None).unwrap();
    let permitted = outgoing.check_send().unwrap() as usize;
    assert!((1..10_000).contains(&permitted), "{permitted}");
    let list: Vec<_> = (0..=permitted).map(|_| datagram(b"x", Some(address(&socket)))).collect();
    let _ = outgoing.send(&list);
    unreachable!("it must have trapped");
}

udping_test_guests::guest!(main);
