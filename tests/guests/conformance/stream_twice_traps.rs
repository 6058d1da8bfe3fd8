//! New streams while the old ones are there: a trap.

use udping_test_guests::{IpAddressFamily, bound};

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let _streams = socket.stream(None).unwrap();
    let _ = socket.stream(None);
    unreachable!("it must have trapped");
}

udping_test_guests::guest!(main);
