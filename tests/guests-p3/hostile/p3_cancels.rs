//! Receives nothing, and gives up at once, again and again.

use std::pin::pin;
use std::task::{Context, Waker};

use udping_test_guests_p3::{IpAddressFamily, bound};

async fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    loop {
        let mut call = Box::pin(socket.receive());
        let _ = pin!(&mut call).poll(&mut Context::from_waker(Waker::noop()));
    }
}

udping_test_guests_p3::guest!(main);
