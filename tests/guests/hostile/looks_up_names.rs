//! Resolves 100 names: the names could carry what it knows to the server that answers. Prints the
//! outcome, and traps if its argument says so.

use udping_test_guests::ErrorCode;
use udping_wasi::bindings::wasi::cli::environment::get_arguments;
use udping_wasi::bindings::wasi::clocks::monotonic_clock::now;
use udping_wasi::bindings::wasi::sockets::instance_network::instance_network;
use udping_wasi::bindings::wasi::sockets::ip_name_lookup::resolve_addresses;
use udping_wasi::console::Console;

fn main() {
    let (mut asked, mut denied, mut later, run) = (0, 0, 0, now());
    for number in 0..100 {
        // No instance resolves the names of another one.
        match resolve_addresses(
            &instance_network(),
            &format!("secret-{run}-{number}.example.invalid"),
        ) {
            Ok(_) => asked += 1,
            Err(ErrorCode::AccessDenied) => denied += 1,
            Err(ErrorCode::TemporaryResolverFailure) => later += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    Console::stdout().line(format_args!("asked {asked}, denied {denied}, later {later}")).unwrap();
    assert!(!get_arguments().contains(&"trap".to_owned()), "it says so");
}

udping_test_guests::guest!(main);
