//! A `receive` that waits while the socket is connected receives from the peer.

use udping_test_guests_p3::futures_util::future::join;
use udping_test_guests_p3::{A_WHILE, FAMILIES, address, bound, number, send, wait_for};

async fn main() {
    for family in FAMILIES {
        let (server, peer, other) = (bound(family), bound(family), bound(family));
        let connects = async {
            wait_for(A_WHILE).await;
            server.connect(address(&peer).into()).unwrap();
            send(&other, b"2", Some(address(&server))).await.unwrap();
            send(&peer, b"1", Some(address(&server))).await.unwrap();
        };
        assert_eq!(join(number(&server), connects).await.0, b'1');
    }
}

udping_test_guests_p3::guest!(main);
