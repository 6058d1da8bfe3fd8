//! Connected streams receive from the peer only, also among datagrams that arrived before.

use udping_test_guests::{A_WHILE, FAMILIES, address, bound, pause, receive, send};

fn main() {
    for family in FAMILIES {
        let (here, peer, stranger) = (bound(family), bound(family), bound(family));
        let (_p, from_peer) = peer.stream(None).unwrap();
        let (_s, from_stranger) = stranger.stream(None).unwrap();
        send(&from_stranger, b"early", Some(address(&here))).unwrap();
        pause(A_WHILE);
        let (incoming, _out) = here.stream(Some(address(&peer).into())).unwrap();
        send(&from_stranger, b"late", Some(address(&here))).unwrap();
        send(&from_peer, b"heard", Some(address(&here))).unwrap();
        let heard = receive(&incoming).unwrap();
        assert_eq!(
            (heard.data.as_slice(), heard.remote_address.into()),
            (&b"heard"[..], address(&peer))
        );
        pause(A_WHILE);
        assert!(incoming.receive(10).unwrap().is_empty());
    }
}

udping_test_guests::guest!(main);
