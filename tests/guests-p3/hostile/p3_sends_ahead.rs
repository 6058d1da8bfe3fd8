//! Sends more than it may, without waiting until it has left.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use udping_test_guests_p3::{IpAddressFamily, IpSocketAddress, bound};
use udping_wasi::console::Console;

async fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let to = IpSocketAddress::from("127.0.0.1:9".parse::<std::net::SocketAddr>().unwrap());
    let (mut held, mut failed) = (Vec::new(), 0);
    // 4 GB, of which nothing may leave for a long time.
    for _ in 0..65_536 {
        let mut call = Box::pin(socket.send(vec![0; 65_000], Some(to)));
        match pin!(&mut call).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => failed += 1,
            Poll::Pending => held.push(call),
        }
    }
    Console::stdout().line(format_args!("{} held, {failed} failed", held.len())).unwrap();
    std::process::abort();
}

udping_test_guests_p3::guest!(main);
