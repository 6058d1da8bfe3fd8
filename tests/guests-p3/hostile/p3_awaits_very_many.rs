//! Starts to receive, again and again, and waits for none of it.

use std::pin::pin;
use std::task::{Context, Waker};

use udping_test_guests_p3::{IpAddressFamily, bound};

async fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let mut held = Vec::new();
    loop {
        let mut call = Box::pin(socket.receive());
        let _ = pin!(&mut call).poll(&mut Context::from_waker(Waker::noop()));
        held.push(call);
    }
}

udping_test_guests_p3::guest!(main);
