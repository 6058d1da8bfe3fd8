//! Answers a datagram only after a second.

use udping_test_guests::{ErrorCode, IpAddressFamily, address, bound, pause, receive, send};
use udping_wasi::bindings::wasi::cli::exit::exit;
use udping_wasi::console::Console;

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, outgoing) = socket.stream(None).unwrap();
    Console::stdout().line(format_args!("listening on {}", address(&socket))).unwrap();
    let datagram = receive(&incoming).unwrap();
    pause(1_000_000_000);
    let answered = send(&outgoing, &datagram.data, Some(datagram.remote_address.into()));
    assert_eq!(answered, Err(ErrorCode::AccessDenied));
    exit(Err(()));
}

udping_test_guests::guest!(main);
