//! Receives from one peer all the time, answers nothing, and then as much at once as it may.

use udping_test_guests::{IpAddressFamily, address, bound, receive, send};
use udping_wasi::clock;
use udping_wasi::console::Console;

/// The answer window of the test, in nanoseconds.
const WINDOW: u64 = 500_000_000;

fn main() {
    let socket = bound(IpAddressFamily::Ipv4);
    let (incoming, outgoing) = socket.stream(None).unwrap();
    let out = Console::stdout();
    out.line(format_args!("listening on {}", address(&socket))).unwrap();
    let mut heard = Vec::new();
    let peer = loop {
        let datagram = receive(&incoming).unwrap();
        heard.push(clock::now().as_nanos());
        if datagram.data == b"now" {
            break datagram.remote_address;
        }
    };
    let start = clock::now().as_nanos();
    for _ in 0..200 {
        send(&outgoing, b"", Some(peer.into())).unwrap();
    }
    // The host has received each before this guest did.
    let owed = heard.iter().filter(|at| start - **at <= WINDOW).count();
    out.line(format_args!("{} heard, {owed} of them within the window", heard.len())).unwrap();
    assert!(owed < heard.len(), "all came within the window, so this shows nothing");
}

udping_test_guests::guest!(main);
