//! A socket is bound once, in two steps, and has no address before that.

use udping_test_guests::{ErrorCode, FAMILIES, address, bind, loopback, socket};
use udping_wasi::bindings::wasi::sockets::instance_network::instance_network;

fn main() {
    for family in FAMILIES {
        let (socket, local) = (socket(family), loopback(family, 0));
        assert_eq!(socket.local_address().unwrap_err(), ErrorCode::InvalidState);
        assert_eq!(socket.finish_bind().unwrap_err(), ErrorCode::NotInProgress);
        socket.start_bind(&instance_network(), local.into()).unwrap();
        assert_eq!(
            socket.start_bind(&instance_network(), local.into()).unwrap_err(),
            ErrorCode::ConcurrencyConflict
        );
        socket.finish_bind().unwrap();
        assert_eq!(socket.finish_bind().unwrap_err(), ErrorCode::NotInProgress);
        assert_eq!(bind(&socket, local).unwrap_err(), ErrorCode::InvalidState);
        assert_ne!(address(&socket).port(), 0);
    }
}

udping_test_guests::guest!(main);
