//! Listens, as granted, and sends to addresses that were not.

use udping_test_guests::{ErrorCode, IpAddressFamily, bound, send};
use udping_wasi::bindings::wasi::cli::exit::exit;

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, outgoing) = socket.stream(None).unwrap();
    for stranger in [
        ([127, 0, 0, 1], 9),
        ([192, 0, 2, 7], 53),
        ([224, 0, 0, 251], 5353),
        ([255, 255, 255, 255], 9),
    ] {
        assert_eq!(send(&outgoing, b"x", Some(stranger.into())), Err(ErrorCode::AccessDenied));
    }
    drop((incoming, outgoing));
    let connected = socket.stream(Some(std::net::SocketAddr::from(([192, 0, 2, 7], 53)).into()));
    assert_eq!(connected.err(), Some(ErrorCode::AccessDenied));
    exit(Err(()));
}

udping_test_guests::guest!(main);
