//! `receive` returns at most as many datagrams as requested, loses none, and returns none if none
//! arrived.

use udping_test_guests::{A_WHILE, FAMILIES, address, bound, pause, send};

fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let (_in, outgoing) = here.stream(None).unwrap();
        let (incoming, _out) = there.stream(None).unwrap();
        assert!(incoming.receive(10).unwrap().is_empty());
        for number in 0..50 {
            send(&outgoing, &[number; 5], Some(address(&there))).unwrap();
        }
        pause(A_WHILE);
        assert!(incoming.receive(0).unwrap().is_empty());
        let mut numbers = Vec::new();
        for most in [1, 2, 3, 7, u64::MAX].into_iter().cycle().take(50) {
            let list = incoming.receive(most).unwrap();
            assert!(list.len() as u64 <= most);
            numbers.extend(list.iter().map(|datagram| datagram.data[0]));
        }
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    }
}

udping_test_guests::guest!(main);
