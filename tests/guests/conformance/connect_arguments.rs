//! Streams need a bound socket, and a valid peer.

use udping_test_guests::{ErrorCode, FAMILIES, IpAddressFamily, bound, socket};

fn main() {
    for family in FAMILIES {
        assert_eq!(socket(family).stream(None).unwrap_err(), ErrorCode::InvalidState);
        let (unspecified, without_port, other_family) = match family {
            IpAddressFamily::Ipv4 => ("0.0.0.0:9", "127.0.0.1:0", "[::1]:9"),
            IpAddressFamily::Ipv6 => ("[::]:9", "[::1]:0", "127.0.0.1:9"),
        };
        for peer in [unspecified, without_port, other_family, "[::ffff:127.0.0.1]:9"] {
            let peer: std::net::SocketAddr = peer.parse().unwrap();
            assert_eq!(
                bound(family).stream(Some(peer.into())).unwrap_err(),
                ErrorCode::InvalidArgument,
                "{peer}"
            );
        }
    }
}

udping_test_guests::guest!(main);
