//! A wait ends in time although datagrams arrive without end.

use udping_test_guests_p3::monotonic_clock::now;
use udping_test_guests_p3::{FAMILIES, address, bound, receive, send, within};

async fn main() {
    for family in FAMILIES {
        let socket = bound(family);
        let to = Some(address(&socket));
        let start = now();
        // Each is answered by another to itself.
        let flood = async {
            loop {
                send(&socket, b"0", to).await.unwrap();
                receive(&socket).await.unwrap();
            }
        };
        let ended = within::<()>(50_000_000, flood).await;
        assert!(ended.is_none());
        let took = now() - start;
        assert!((50_000_000..1_000_000_000).contains(&took), "{took}");
    }
}

udping_test_guests_p3::guest!(main);
