//! Answers one datagram with more, and with larger ones. The excess is dropped, but `send` reports
//! it as sent.

use udping_test_guests::{IpAddressFamily, address, bound, datagram as datagram_to, receive, send};
use udping_wasi::console::Console;

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, outgoing) = socket.stream(None).unwrap();
    Console::stdout().line(format_args!("listening on {}", address(&socket))).unwrap();
    let datagram = receive(&incoming).unwrap();
    let peer = Some(datagram.remote_address.into());
    let larger = [&datagram.data[..], b"!"].concat();
    assert_eq!(send(&outgoing, &larger, peer), Ok(()));
    // Of three, the first exceeds the limit, and the second does not.
    assert!(outgoing.check_send().unwrap() >= 3);
    let batch = [&larger[..], &datagram.data, &larger].map(|data| datagram_to(data, peer));
    assert_eq!(outgoing.send(&batch), Ok(3));
    for _ in 0..100 {
        assert_eq!(send(&outgoing, b"", peer), Ok(()));
    }
}

udping_test_guests::guest!(main);
