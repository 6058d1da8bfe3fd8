//! What the peer has sent before the socket was connected to it is received, and nothing that
//! another has sent: at once, and after it was disconnected.

use udping_test_guests_p3::{A_WHILE, FAMILIES, address, bound, number, send, wait_for, within};

async fn main() {
    for family in FAMILIES {
        let (server, peer, other) = (bound(family), bound(family), bound(family));
        let here = Some(address(&server));
        for (sender, data) in [(&peer, b"1"), (&other, b"2"), (&peer, b"3"), (&other, b"4")] {
            send(sender, data, here).await.unwrap();
        }
        wait_for(A_WHILE).await;
        assert_eq!(number(&server).await, b'1');
        server.connect(address(&peer).into()).unwrap();
        assert_eq!(number(&server).await, b'3');
        send(&other, b"5", here).await.unwrap();
        assert!(within(A_WHILE, server.receive()).await.is_none());
        send(&peer, b"6", here).await.unwrap();
        assert_eq!(number(&server).await, b'6');
        server.disconnect().unwrap();
        send(&other, b"7", here).await.unwrap();
        assert_eq!(number(&server).await, b'7');
    }
}

udping_test_guests_p3::guest!(main);
