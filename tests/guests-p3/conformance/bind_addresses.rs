//! An address of another family, one in use, and one of another machine are errors of their own.

use udping_test_guests_p3::{ErrorCode, FAMILIES, address, bound, loopback, socket};

async fn main() {
    let [v4, v6] = FAMILIES;
    for (family, other) in [(v4, v6), (v6, v4)] {
        let used = bound(family);
        let unbound = socket(family);
        let result = unbound.bind(loopback(other, 0).into());
        assert!(matches!(result, Err(ErrorCode::InvalidArgument)), "{result:?}");
        let result = unbound.bind(address(&used).into());
        assert!(matches!(result, Err(ErrorCode::AddressInUse)), "{result:?}");
        let elsewhere: std::net::SocketAddr =
            if family == v4 { "192.0.2.1:0" } else { "[2001:db8::1]:0" }.parse().unwrap();
        let result = unbound.bind(elsewhere.into());
        assert!(matches!(result, Err(ErrorCode::AddressNotBindable)), "{result:?}");
        // None of that has bound it.
        unbound.bind(loopback(family, 0).into()).unwrap();
    }
}

udping_test_guests_p3::guest!(main);
