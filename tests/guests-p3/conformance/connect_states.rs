//! A socket has the peer that it was last connected to, and stays bound.

use udping_test_guests_p3::{ErrorCode, FAMILIES, address, bound, loopback, socket};

async fn main() {
    for family in FAMILIES {
        // An explicit port: the stock backend loses a port that Linux chose when the socket is
        // disconnected.
        let local = address(&bound(family));
        let socket = socket(family);
        socket.bind(local.into()).unwrap();
        assert!(matches!(socket.get_remote_address(), Err(ErrorCode::InvalidState)));
        assert!(matches!(socket.disconnect(), Err(ErrorCode::InvalidState)));
        for port in [9, 10] {
            let peer = loopback(family, port);
            socket.connect(peer.into()).unwrap();
            assert_eq!(std::net::SocketAddr::from(socket.get_remote_address().unwrap()), peer);
            assert_eq!(address(&socket), local);
        }
        socket.disconnect().unwrap();
        assert!(matches!(socket.get_remote_address(), Err(ErrorCode::InvalidState)));
        assert!(matches!(socket.disconnect(), Err(ErrorCode::InvalidState)));
        assert_eq!(address(&socket), local);
    }
}

udping_test_guests_p3::guest!(main);
