//! An error that comes back for a datagram of an unconnected socket is not reported after the
//! socket is connected.

use udping_test_guests::{A_WHILE, FAMILIES, address, bound, deserted, pause, receive, send};

fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let (there_in, there_out) = there.stream(None).unwrap();
        let streams = here.stream(None).unwrap();
        send(&streams.1, b"to nobody", Some(deserted(family))).unwrap();
        pause(A_WHILE);
        drop(streams);
        let (incoming, outgoing) = here.stream(Some(address(&there).into())).unwrap();
        assert!(incoming.receive(1).unwrap().is_empty());
        send(&outgoing, b"to somebody", None).unwrap();
        assert_eq!(receive(&there_in).unwrap().data, b"to somebody");
        send(&there_out, b"back", Some(address(&here))).unwrap();
        assert_eq!(receive(&incoming).unwrap().data, b"back");
    }
}

udping_test_guests::guest!(main);
