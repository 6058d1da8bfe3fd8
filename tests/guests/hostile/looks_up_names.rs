//! Looks names up without end: what it looks up could carry what it knows to whoever answers.

use udping_net::bindings::wasi::sockets::instance_network::instance_network;
use udping_net::bindings::wasi::sockets::ip_name_lookup::resolve_addresses;

fn main() {
    for number in 0.. {
        assert!(number < 10_000, "there is no limit");
        let _ = resolve_addresses(&instance_network(), &format!("secret-{number}.example.invalid"));
    }
}

udping_test_guests::guest!(main);
