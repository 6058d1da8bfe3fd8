//! Hop limit and buffer sizes are as set, apart from the system's rounding; zero is refused.

use udping_test_guests::{ErrorCode, FAMILIES, socket};

fn main() {
    for family in FAMILIES {
        let socket = socket(family);
        assert!(socket.unicast_hop_limit().unwrap() > 0);
        assert_eq!(socket.set_unicast_hop_limit(0).unwrap_err(), ErrorCode::InvalidArgument);
        for hops in [1, 42, 255] {
            socket.set_unicast_hop_limit(hops).unwrap();
            assert_eq!(socket.unicast_hop_limit().unwrap(), hops);
        }
        assert_eq!(socket.set_receive_buffer_size(0).unwrap_err(), ErrorCode::InvalidArgument);
        assert_eq!(socket.set_send_buffer_size(0).unwrap_err(), ErrorCode::InvalidArgument);
        for bytes in [1, 100_000, u64::MAX] {
            socket.set_receive_buffer_size(bytes).unwrap();
            socket.set_send_buffer_size(bytes).unwrap();
            assert!(
                socket.receive_buffer_size().unwrap() > 0 && socket.send_buffer_size().unwrap() > 0
            );
        }
        socket.set_receive_buffer_size(100_000).unwrap();
        socket.set_send_buffer_size(100_000).unwrap();
        assert_eq!(socket.receive_buffer_size().unwrap(), 100_000);
        assert_eq!(socket.send_buffer_size().unwrap(), 100_000);
    }
}

udping_test_guests::guest!(main);
