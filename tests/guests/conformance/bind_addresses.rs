//! Only a free address of the machine, of the socket's family, can be bound.

use udping_test_guests::{ErrorCode, IpAddressFamily, address, bind, bound, socket};

fn main() {
    use IpAddressFamily::{Ipv4, Ipv6};
    for (family, local, error) in [
        (Ipv4, "[::1]:0", ErrorCode::InvalidArgument),
        (Ipv6, "127.0.0.1:0", ErrorCode::InvalidArgument),
        (Ipv6, "[::ffff:127.0.0.1]:0", ErrorCode::InvalidArgument),
        (Ipv6, "[::127.0.0.1]:0", ErrorCode::InvalidArgument),
        (Ipv4, "192.0.2.1:0", ErrorCode::AddressNotBindable),
        (Ipv6, "[2001:db8::1]:0", ErrorCode::AddressNotBindable),
    ] {
        assert_eq!(bind(&socket(family), local.parse().unwrap()).unwrap_err(), error, "{local}");
    }
    for family in [Ipv4, Ipv6] {
        let taken = bound(family);
        let second = socket(family);
        assert_eq!(bind(&second, address(&taken)).unwrap_err(), ErrorCode::AddressInUse);
        // A failure leaves the socket unbound.
        drop(taken);
        bind(&second, udping_test_guests::loopback(family, 0)).unwrap();
    }
}

udping_test_guests::guest!(main);
