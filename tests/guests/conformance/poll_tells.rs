//! Pollables are ready when there is something to receive, or space to send, and not before.

use udping_test_guests::{FAMILIES, address, bound, send};
use udping_wasi::poll::poll;

fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let (_in, outgoing) = here.stream(None).unwrap();
        let (incoming, _out) = there.stream(None).unwrap();
        let (readable, writable) = (incoming.subscribe(), outgoing.subscribe());
        assert!(!readable.ready());
        assert!(writable.ready());
        assert!(here.subscribe().ready());
        assert_eq!(poll(&[&readable, &writable]), [1]);
        for round in 0..3 {
            send(&outgoing, &[round], Some(address(&there))).unwrap();
            readable.block();
            assert_eq!(poll(&[&readable]), [0]);
            let mut ready = poll(&[&readable, &writable, &readable]);
            ready.sort_unstable();
            assert_eq!(ready, [0, 1, 2]);
            assert_eq!(incoming.receive(9).unwrap()[0].data, [round]);
            assert!(!readable.ready());
        }
    }
}

udping_test_guests::guest!(main);
