//! Answers one datagram by more, and by larger ones.

use udping_net::bindings::wasi::cli::exit::exit;
use udping_net::console::Console;
use udping_test_guests::{ErrorCode, IpAddressFamily, address, bound, receive, send};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, outgoing) = socket.stream(None).unwrap();
    Console::stdout().line(format_args!("listening on {}", address(&socket))).unwrap();
    let datagram = receive(&incoming).unwrap();
    let peer = Some(datagram.remote_address.into());
    let larger = [&datagram.data[..], b"!"].concat();
    assert_eq!(send(&outgoing, &larger, peer), Err(ErrorCode::AccessDenied));
    assert_eq!(send(&outgoing, &datagram.data, peer), Ok(()));
    for _ in 0..1_000 {
        assert_eq!(send(&outgoing, b"", peer), Err(ErrorCode::AccessDenied));
    }
    exit(Err(()));
}

udping_test_guests::guest!(main);
