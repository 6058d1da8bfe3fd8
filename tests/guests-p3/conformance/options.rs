//! Options can be set and read, before and after binding, and zero is an invalid argument.

use udping_test_guests_p3::{ErrorCode, FAMILIES, bound, socket};

async fn main() {
    for family in FAMILIES {
        for socket in [socket(family), bound(family)] {
            assert!(socket.get_unicast_hop_limit().unwrap() > 0);
            socket.set_unicast_hop_limit(7).unwrap();
            assert_eq!(socket.get_unicast_hop_limit().unwrap(), 7);
            assert!(socket.get_receive_buffer_size().unwrap() > 0);
            assert!(socket.get_send_buffer_size().unwrap() > 0);
            socket.set_receive_buffer_size(1 << 16).unwrap();
            assert!(socket.get_receive_buffer_size().unwrap() >= 1 << 15);
            socket.set_send_buffer_size(1 << 16).unwrap();
            assert!(socket.get_send_buffer_size().unwrap() >= 1 << 15);
            for result in [
                socket.set_unicast_hop_limit(0),
                socket.set_receive_buffer_size(0),
                socket.set_send_buffer_size(0),
            ] {
                assert!(matches!(result, Err(ErrorCode::InvalidArgument)), "{result:?}");
            }
            // Accepted, and cut.
            socket.set_receive_buffer_size(u64::MAX).unwrap();
            socket.set_send_buffer_size(u64::MAX).unwrap();
        }
    }
}

udping_test_guests_p3::guest!(main);
