//! A destination is needed where there is no peer, and where there is one, it is the peer.

use udping_test_guests_p3::{ErrorCode, FAMILIES, address, bound, number, send};

async fn main() {
    for family in FAMILIES {
        let (here, there, other) = (bound(family), bound(family), bound(family));
        let none = send(&here, b"0", None).await;
        assert!(matches!(none, Err(ErrorCode::InvalidArgument)), "{none:?}");
        here.connect(address(&there).into()).unwrap();
        send(&here, b"1", None).await.unwrap();
        send(&here, b"2", Some(address(&there))).await.unwrap();
        let elsewhere = send(&here, b"3", Some(address(&other))).await;
        assert!(matches!(elsewhere, Err(ErrorCode::InvalidArgument)), "{elsewhere:?}");
        here.disconnect().unwrap();
        send(&here, b"4", Some(address(&other))).await.unwrap();
        assert_eq!((number(&there).await, number(&there).await), (b'1', b'2'));
        assert_eq!(number(&other).await, b'4');
    }
}

udping_test_guests_p3::guest!(main);
