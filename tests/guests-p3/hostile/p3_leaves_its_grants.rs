//! Sends, connects and binds where it may not, resolves a name, and opens TCP sockets: each is denied.

use udping_test_guests_p3::{ErrorCode, IpAddressFamily, loopback, send, socket};
use udping_wasi::bindings::wasi::sockets::ip_name_lookup::{self, resolve_addresses};
use udping_wasi::bindings::wasi::sockets::types::TcpSocket;
use udping_wasi::cli::exit_unsuccessfully;

async fn main() {
    let family = IpAddressFamily::Ipv4;
    let stranger = loopback(family, 9);
    let open = socket(family);
    let sent = send(&open, b"0", Some(stranger)).await;
    assert!(matches!(sent, Err(ErrorCode::AccessDenied)), "{sent:?}");
    let connected = open.connect(stranger.into());
    assert!(matches!(connected, Err(ErrorCode::AccessDenied)), "{connected:?}");
    let bound = socket(family).bind(loopback(family, 12_345).into());
    assert!(matches!(bound, Err(ErrorCode::AccessDenied)), "{bound:?}");
    let resolved = resolve_addresses("example.org".to_owned()).await;
    assert!(matches!(resolved, Err(ip_name_lookup::ErrorCode::AccessDenied)), "{resolved:?}");
    assert!(matches!(TcpSocket::create(family), Err(ErrorCode::AccessDenied)));
    exit_unsuccessfully();
}

udping_test_guests_p3::guest!(main);
