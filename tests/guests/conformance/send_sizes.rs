//! Every size that UDP allows is delivered, in order; the next one is too large.

use udping_test_guests::{ErrorCode, FAMILIES, IpAddressFamily, address, bound, receive, send};

fn main() {
    for family in FAMILIES {
        let (here, there) = (bound(family), bound(family));
        let (_, outgoing) = here.stream(None).unwrap();
        let (incoming, _out) = there.stream(None).unwrap();
        // RFC 768, 791 and 8200: 65,535 less the headers; the length of IPv6 excludes its header.
        let largest = match family {
            IpAddressFamily::Ipv4 => 65_507,
            IpAddressFamily::Ipv6 => 65_527,
        };
        for size in [0, 1, 2, 1472, 1473, 8192, 65_507, largest, 0, 1] {
            let data: Vec<u8> = (0..size).map(|i| (i * 31) as u8).collect();
            send(&outgoing, &data, Some(address(&there))).unwrap();
            assert!(receive(&incoming).unwrap().data == data, "{size} bytes");
        }
        let error = send(&outgoing, &vec![0; largest + 1], Some(address(&there))).unwrap_err();
        assert_eq!(error, ErrorCode::DatagramTooLarge);
        send(&outgoing, b"after", Some(address(&there))).unwrap();
        assert_eq!(receive(&incoming).unwrap().data, b"after");
    }
}

udping_test_guests::guest!(main);
