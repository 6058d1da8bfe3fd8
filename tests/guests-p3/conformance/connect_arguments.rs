//! A peer without an address or port, or of another family, is an invalid argument.

use udping_test_guests_p3::{ErrorCode, FAMILIES, bound, loopback};

async fn main() {
    let [v4, v6] = FAMILIES;
    for (family, other) in [(v4, v6), (v6, v4)] {
        let socket = bound(family);
        let mut unspecified = loopback(family, 9);
        unspecified.set_ip(if family == v4 { [0, 0, 0, 0].into() } else { [0_u16; 8].into() });
        for peer in [loopback(other, 9), loopback(family, 0), unspecified] {
            let result = socket.connect(peer.into());
            assert!(matches!(result, Err(ErrorCode::InvalidArgument)), "{peer}: {result:?}");
            let result = socket.send(vec![0], Some(peer.into())).await;
            assert!(matches!(result, Err(ErrorCode::InvalidArgument)), "{peer}: {result:?}");
        }
        assert!(matches!(socket.get_remote_address(), Err(ErrorCode::InvalidState)));
    }
}

udping_test_guests_p3::guest!(main);
