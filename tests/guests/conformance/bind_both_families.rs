//! An IPv6 socket never takes the port of an IPv4 one: `IPV6_V6ONLY`.

use udping_test_guests::{IpAddressFamily, address, bind, receive, send, socket};

fn main() {
    let (v6, v4) = (socket(IpAddressFamily::Ipv6), socket(IpAddressFamily::Ipv4));
    bind(&v6, "[::]:0".parse().unwrap()).unwrap();
    let port = address(&v6).port();
    bind(&v4, ([0, 0, 0, 0], port).into()).unwrap();
    let (incoming, outgoing) = v4.stream(None).unwrap();
    send(&outgoing, b"to the IPv4 one", Some(([127, 0, 0, 1], port).into())).unwrap();
    assert_eq!(receive(&incoming).unwrap().data, b"to the IPv4 one");
}

udping_test_guests::guest!(main);
