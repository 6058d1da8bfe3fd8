//! Without a peer, each datagram names its destination; an error ends the list being sent.

use udping_test_guests::{
    ErrorCode, FAMILIES, IpAddressFamily, address, bound, datagram, receive, send,
};

fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let (_, outgoing) = here.stream(None).unwrap();
        let (incoming, _out) = there.stream(None).unwrap();
        let to = address(&there);
        let (unspecified, without_port, other_family) = match family {
            IpAddressFamily::Ipv4 => ("0.0.0.0:9", "127.0.0.1:0", "[::1]:9"),
            IpAddressFamily::Ipv6 => ("[::]:9", "[::1]:0", "127.0.0.1:9"),
        };
        assert_eq!(send(&outgoing, b"", None).unwrap_err(), ErrorCode::InvalidArgument);
        for wrong in [unspecified, without_port, other_family] {
            let wrong = Some(wrong.parse().unwrap());
            assert_eq!(
                send(&outgoing, b"", wrong).unwrap_err(),
                ErrorCode::InvalidArgument,
                "{wrong:?}"
            );
            assert!(outgoing.check_send().unwrap() >= 3);
            let list = [
                datagram(b"good", Some(to)),
                datagram(b"bad", wrong),
                datagram(b"not sent", Some(to)),
            ];
            assert_eq!(outgoing.send(&list).unwrap(), 1);
            assert_eq!(receive(&incoming).unwrap().data, b"good");
        }
        send(&outgoing, b"next", Some(to)).unwrap();
        let next = receive(&incoming).unwrap();
        assert_eq!(
            (next.data.as_slice(), next.remote_address.into()),
            (&b"next"[..], address(&here))
        );
    }
}

udping_test_guests::guest!(main);
