//! Echoes on all IPv4 addresses, one datagram at a time, as wasi-libc's `recvfrom` and `sendto` do.

use std::net::Ipv4Addr;

use udping_test_guests::{IpAddressFamily, OutgoingDatagram, address, bind, socket};
use udping_wasi::console::Console;
use udping_wasi::poll::poll;

fn main() {
    let socket = socket(IpAddressFamily::Ipv4);
    bind(&socket, (Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
    let (incoming, outgoing) = socket.stream(None).unwrap();
    Console::stdout().line(format_args!("listening on {}", address(&socket))).unwrap();
    let readable = incoming.subscribe();
    loop {
        poll(&[&readable]);
        for datagram in incoming.receive(1).unwrap() {
            while outgoing.check_send().unwrap() == 0 {
                outgoing.subscribe().block();
            }
            let answer = OutgoingDatagram {
                data: datagram.data,
                remote_address: Some(datagram.remote_address),
            };
            outgoing.send(&[answer]).unwrap();
        }
    }
}

udping_test_guests::guest!(main);
