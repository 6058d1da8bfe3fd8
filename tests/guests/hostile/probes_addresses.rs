//! Is granted a destination, and probes by binding which addresses the machine has: 10.9.0.1 is its
//! own, the others are not.

use udping_test_guests::{ErrorCode, IpAddressFamily, bind, socket};
use udping_wasi::bindings::wasi::cli::exit::exit;

fn main() {
    use IpAddressFamily::{Ipv4, Ipv6};
    for (family, local) in [
        (Ipv4, "10.9.0.1:0"),
        (Ipv4, "10.9.0.2:0"),
        (Ipv4, "169.254.1.1:0"),
        (Ipv6, "[2001:db8::1]:0"),
        (Ipv6, "[fe80::1%2]:0"),
        (Ipv4, "10.9.0.1:12000"),
        (Ipv4, "0.0.0.0:12000"),
    ] {
        assert_eq!(
            bind(&socket(family), local.parse().unwrap()),
            Err(ErrorCode::AccessDenied),
            "{local}"
        );
    }
    for local in ["0.0.0.0:0", "127.0.0.1:0"] {
        assert_eq!(bind(&socket(Ipv4), local.parse().unwrap()), Ok(()), "{local}");
    }
    exit(Err(()));
}

udping_test_guests::guest!(main);
