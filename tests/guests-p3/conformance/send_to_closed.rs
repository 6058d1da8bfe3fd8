//! The error of a datagram that nobody has received is returned by a later call, or not at all, and
//! leaves the socket usable.

use udping_test_guests_p3::{
    A_WHILE, ErrorCode, FAMILIES, address, bound, deserted, number, send, wait_for, within,
};

async fn main() {
    for family in FAMILIES {
        let (socket, server) = (bound(family), bound(family));
        let closed = deserted(family);
        for connected in [true, false] {
            if connected {
                socket.connect(closed.into()).unwrap();
            }
            for _ in 0..3 {
                let sent = send(&socket, b"0", Some(closed)).await;
                assert!(matches!(sent, Ok(()) | Err(ErrorCode::ConnectionRefused)), "{sent:?}");
                wait_for(A_WHILE / 10).await;
                let received = within(A_WHILE / 10, socket.receive()).await;
                let refused = matches!(received, None | Some(Err(ErrorCode::ConnectionRefused)));
                assert!(refused, "{received:?}");
            }
            if connected {
                socket.disconnect().unwrap();
            }
        }
        // An error may be left.
        while send(&socket, b"1", Some(address(&server))).await.is_err() {}
        assert_eq!(number(&server).await, b'1');
    }
}

udping_test_guests_p3::guest!(main);
