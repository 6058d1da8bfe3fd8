//! A program that never polls receives, too.

use udping_test_guests::{FAMILIES, address, bound, send};

fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let (_in, outgoing) = here.stream(None).unwrap();
        let (incoming, _out) = there.stream(None).unwrap();
        for number in 0..100 {
            send(&outgoing, &[number], Some(address(&there))).unwrap();
            let heard = (0..1_000_000).find_map(|_| incoming.receive(1).unwrap().pop());
            assert_eq!(heard.expect("it came").data, [number]);
        }
    }
}

udping_test_guests::guest!(main);
