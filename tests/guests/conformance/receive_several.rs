//! All datagrams that have arrived are received together, also after waiting for the first of them.

use udping_test_guests::{A_WHILE, FAMILIES, address, bound, pause, send};

fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let (_in, outgoing) = here.stream(None).unwrap();
        let (incoming, _out) = there.stream(None).unwrap();
        for count in [2, 3, 16] {
            for number in 0..count {
                send(&outgoing, &[number], Some(address(&there))).unwrap();
            }
            pause(A_WHILE);
            incoming.subscribe().block();
            let numbers: Vec<_> =
                incoming.receive(16).unwrap().iter().map(|datagram| datagram.data[0]).collect();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        }
    }
}

udping_test_guests::guest!(main);
