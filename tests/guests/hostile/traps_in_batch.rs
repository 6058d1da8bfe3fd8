//! Echoes, and traps when a datagram says so, while it holds the others of the batch.

use udping_test_guests::{IpAddressFamily, OutgoingDatagram, address, bound};
use udping_wasi::console::Console;
use udping_wasi::poll::poll;

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, outgoing) = socket.stream(None).unwrap();
    Console::stdout().line(format_args!("listening on {}", address(&socket))).unwrap();
    let readable = incoming.subscribe();
    loop {
        poll(&[&readable]);
        let batch = incoming.receive(64).unwrap();
        assert!(batch.iter().all(|datagram| datagram.data != b"trap"), "it says so");
        for datagram in batch {
            while outgoing.check_send().unwrap() == 0 {
                outgoing.subscribe().block();
            }
            let answer = OutgoingDatagram {
                data: datagram.data,
                remote_address: Some(datagram.remote_address),
            };
            let _ = outgoing.send(&[answer]);
        }
    }
}

udping_test_guests::guest!(main);
