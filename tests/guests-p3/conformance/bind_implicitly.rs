//! `send` and `connect` bind a socket that is not bound.

use udping_test_guests_p3::{FAMILIES, address, bound, number, send, socket};

async fn main() {
    for family in FAMILIES {
        let server = bound(family);
        let (sender, connected) = (socket(family), socket(family));
        send(&sender, b"1", Some(address(&server))).await.unwrap();
        connected.connect(address(&server).into()).unwrap();
        assert_ne!(address(&sender).port(), 0);
        assert_ne!(address(&connected).port(), 0);
        send(&connected, b"2", None).await.unwrap();
        assert_eq!((number(&server).await, number(&server).await), (b'1', b'2'));
    }
}

udping_test_guests_p3::guest!(main);
