//! An error that came back for a datagram makes the stream ready, and the next `receive` returns
//! it.

use udping_test_guests::{ErrorCode, FAMILIES, bound, deserted, send};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use udping_wasi::poll::poll;

fn main() {
    for family in FAMILIES {
        let here = bound(family);
        let peer = deserted(family);
        let (incoming, outgoing) = here.stream(Some(peer.into())).unwrap();
        let readable = incoming.subscribe();
        for _ in 0..3 {
            send(&outgoing, b"to nobody", None).unwrap();
            let late = subscribe_duration(5_000_000_000);
            assert_eq!(poll(&[&readable, &late]), [0]);
            assert_eq!(incoming.receive(1).unwrap_err(), ErrorCode::ConnectionRefused);
            assert!(!readable.ready());
        }
    }
}

udping_test_guests::guest!(main);
