//! A peer that does not listen causes a transient error of receive or send, and never breaks the
//! socket.

use udping_test_guests::{
    A_WHILE, ErrorCode, FAMILIES, address, bind, bound, deserted, pause, receive, send, socket,
};

fn main() {
    for family in FAMILIES {
        let here = bound(family);
        let peer = deserted(family);
        let (incoming, outgoing) = here.stream(Some(peer.into())).unwrap();
        for _ in 0..2 {
            // The error of an earlier datagram may come back from the send of a later one.
            let sent = send(&outgoing, b"to nobody", None);
            assert!(matches!(sent, Ok(()) | Err(ErrorCode::ConnectionRefused)), "{sent:?}");
            pause(A_WHILE);
            let received = incoming.receive(1);
            assert!(
                matches!(&received, Err(ErrorCode::ConnectionRefused))
                    || received.is_ok_and(|list| list.is_empty())
            );
        }
        let there = socket(family);
        bind(&there, peer).unwrap();
        let (there_in, there_out) = there.stream(None).unwrap();
        send(&outgoing, b"to somebody", None)
            .or_else(|_| send(&outgoing, b"to somebody", None))
            .unwrap();
        assert_eq!(receive(&there_in).unwrap().data, b"to somebody");
        send(&there_out, b"back", Some(address(&here))).unwrap();
        assert_eq!(receive(&incoming).unwrap().data, b"back");
    }
}

udping_test_guests::guest!(main);
