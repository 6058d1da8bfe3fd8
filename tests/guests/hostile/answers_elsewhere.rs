//! Receives on one socket, and answers from another, and from one that it opens after closing the
//! first.

use udping_test_guests::{ErrorCode, IpAddressFamily, address, bound, receive, send};
use udping_wasi::bindings::wasi::cli::exit::exit;
use udping_wasi::console::Console;

fn main() {
    let [one, other] = [(); 2].map(|()| bound(IpAddressFamily::Ipv4));
    let (incoming, outgoing) = one.stream(None).unwrap();
    Console::stdout().line(format_args!("listening on {}", address(&one))).unwrap();
    let datagram = receive(&incoming).unwrap();
    let peer = datagram.remote_address;
    let (_, elsewhere) = other.stream(None).unwrap();
    assert_eq!(send(&elsewhere, &datagram.data, Some(peer.into())), Err(ErrorCode::AccessDenied));
    assert_eq!(
        send(&outgoing, &datagram.data, Some(peer.into())),
        Ok(()),
        "there is more that is owed"
    );
    drop((incoming, outgoing, one));
    let later = bound(IpAddressFamily::Ipv4);
    assert_eq!(later.stream(Some(peer)).err(), Some(ErrorCode::AccessDenied));
    let (_, outgoing) = later.stream(None).unwrap();
    assert_eq!(send(&outgoing, &datagram.data, Some(peer.into())), Err(ErrorCode::AccessDenied));
    exit(Err(()));
}

udping_test_guests::guest!(main);
