//! `poll` returns the index of each ready pollable, however many there are, exactly once, and no
//! other.

use udping_test_guests::{A_WHILE, FAMILIES, address, bound, send};
use udping_wasi::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use udping_wasi::poll::poll;

const AN_HOUR: u64 = 3_600_000_000_000;

fn main() {
    for family in FAMILIES {
        let sockets = [(); 4].map(|()| bound(family));
        let streams = sockets.each_ref().map(|socket| socket.stream(None).unwrap());
        let readable = streams.each_ref().map(|(incoming, _)| incoming.subscribe());
        let writable = streams.each_ref().map(|(_, outgoing)| outgoing.subscribe());
        let (over, late) = (subscribe_duration(0), subscribe_duration(AN_HOUR));
        over.block();
        // Index 0 to 3, 4 to 7, 8, 9; and duplicates at 10 to 12.
        let mut all: Vec<_> = readable.iter().chain(&writable).chain([&over, &late]).collect();
        all.extend([&over, &late, &readable[2]]);
        let ready = |expected: &[u32]| {
            let mut ready = poll(&all);
            ready.sort_unstable();
            assert_eq!(ready, expected);
        };
        let always = [4, 5, 6, 7, 8, 10];
        ready(&always);
        for index in [2, 0] {
            send(&streams[3].1, b"x", Some(address(&sockets[index]))).unwrap();
            readable[index].block();
        }
        ready(&[0, 2, 4, 5, 6, 7, 8, 10, 12]);
        assert_eq!(streams[2].0.receive(9).unwrap().len(), 1);
        ready(&[0, 4, 5, 6, 7, 8, 10]);
        assert_eq!(streams[0].0.receive(9).unwrap().len(), 1);
        ready(&always);
        // If none is ready, the first that becomes ready ends the wait, and is the only one
        // returned.
        let soon = subscribe_duration(A_WHILE);
        assert_eq!(poll(&[&late, &readable[0], &soon, &readable[1]]), [2]);
        send(&streams[3].1, b"x", Some(address(&sockets[1]))).unwrap();
        assert_eq!(poll(&[&late, &readable[0], &readable[1]]), [2]);
    }
}

udping_test_guests::guest!(main);
