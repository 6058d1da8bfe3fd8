//! A connected stream sends to its peer only.

use udping_test_guests::{ErrorCode, FAMILIES, address, bound, loopback, receive, send};

fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let to = address(&there);
        let (_, outgoing) = here.stream(Some(to.into())).unwrap();
        let (incoming, _out) = there.stream(None).unwrap();
        send(&outgoing, b"unsaid", None).unwrap();
        send(&outgoing, b"said", Some(to)).unwrap();
        assert_eq!(
            send(&outgoing, b"other", Some(loopback(family, 9))).unwrap_err(),
            ErrorCode::InvalidArgument
        );
        assert_eq!(receive(&incoming).unwrap().data, b"unsaid");
        assert_eq!(receive(&incoming).unwrap().data, b"said");
    }
}

udping_test_guests::guest!(main);
