//! A socket is bound once, and has an address from then on.

use udping_test_guests_p3::{ErrorCode, FAMILIES, address, loopback, socket};

async fn main() {
    for family in FAMILIES {
        let socket = socket(family);
        assert!(matches!(socket.get_local_address(), Err(ErrorCode::InvalidState)));
        assert!(matches!(socket.receive().await, Err(ErrorCode::InvalidState)));
        socket.bind(loopback(family, 0).into()).unwrap();
        let local = address(&socket);
        assert_eq!(local.ip(), loopback(family, 0).ip());
        assert_ne!(local.port(), 0);
        assert!(matches!(socket.bind(loopback(family, 0).into()), Err(ErrorCode::InvalidState)));
        assert_eq!(address(&socket), local);
        assert_eq!(socket.get_address_family(), family);
    }
}

udping_test_guests_p3::guest!(main);
