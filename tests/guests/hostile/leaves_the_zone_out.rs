//! Binds a socket to a link, and sends to a destination denied on it, without naming the link.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use udping_test_guests::{ErrorCode, IpAddressFamily, bind, send, socket};
use udping_wasi::bindings::wasi::cli::exit::exit;

/// The zone of the test's interface.
const ZONE: u32 = 77;

fn link_local(host: u16, port: u16, zone: u32) -> SocketAddr {
    SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host), port, 0, zone).into()
}

fn main() {
    let socket = socket(IpAddressFamily::Ipv6);
    bind(&socket, link_local(0xa, 0, ZONE)).unwrap();
    let (_incoming, outgoing) = socket.stream(None).unwrap();
    for zone in [ZONE, 0] {
        let denied = link_local(0xb, 9, zone);
        assert_eq!(send(&outgoing, b"x", Some(denied)), Err(ErrorCode::AccessDenied), "{denied}");
    }
    // A destination that is not denied is sent to, so the socket works.
    assert_eq!(send(&outgoing, b"x", Some(link_local(0xc, 9, 0))), Ok(()));
    exit(Err(()));
}

udping_test_guests::guest!(main);
