//! A socket has the peer of its latest streams, and stays bound.

use udping_test_guests::{ErrorCode, FAMILIES, address, bind, bound, loopback, socket};

fn main() {
    for family in FAMILIES {
        // An explicit port: the stock backend loses a port that Linux chose when the socket is
        // disconnected.
        let local = address(&bound(family));
        let socket = socket(family);
        bind(&socket, local).unwrap();
        assert_eq!(socket.remote_address().unwrap_err(), ErrorCode::InvalidState);
        for port in [9, 10] {
            let peer = loopback(family, port);
            drop(socket.stream(Some(peer.into())).unwrap());
            assert_eq!(std::net::SocketAddr::from(socket.remote_address().unwrap()), peer);
            assert_eq!(address(&socket), local);
        }
        drop(socket.stream(None).unwrap());
        assert_eq!(socket.remote_address().unwrap_err(), ErrorCode::InvalidState);
        assert_eq!(address(&socket), local);
        assert_eq!(socket.address_family(), family);
    }
}

udping_test_guests::guest!(main);
