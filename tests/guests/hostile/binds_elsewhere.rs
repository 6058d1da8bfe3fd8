//! Binds to addresses that were not granted: other ports, a port of the system's choice, other
//! addresses.

use udping_test_guests::{ErrorCode, FAMILIES, bind, loopback, socket};
use udping_wasi::bindings::wasi::cli::exit::exit;

fn main() {
    for family in FAMILIES {
        for port in [0, 1, 53, 11_999, 12_001, 65_535] {
            assert_eq!(bind(&socket(family), loopback(family, port)), Err(ErrorCode::AccessDenied));
        }
    }
    exit(Err(()));
}

udping_test_guests::guest!(main);
