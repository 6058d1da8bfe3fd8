//! Facts of this host that a component reads by `wasi:cli/environment`'s `get-environment`,
//! computed at each call: those of `udping_cli::contract`.

#[cfg(unix)]
use std::io;

use udping_cli::contract;

use udping_permissions::guard::Guard;
use wasi_datagram::SocketContext;

/// Returns the current facts for an instance with that guard and those sockets.
pub fn variables(sockets: &SocketContext, guard: &Guard) -> Vec<(String, String)> {
    let facts = [
        (contract::UDPING_COLUMNS, columns().map(|columns| columns.to_string())),
        (
            contract::UDPING_DROPPED,
            sockets.world.reports().dropped().map(|count| count.to_string()),
        ),
        (
            contract::UDPING_RECEIVE_TIMES,
            sockets.world.records_arrivals().then(|| contract::KERNEL.to_owned()),
        ),
        (contract::UDPING_ERRORS, Some(sockets.world.reports().errors())),
        (contract::UDPING_DENIED, guard.refused_by_system()),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The width of the terminal on standard output, in columns.
#[cfg(unix)]
fn columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    // A serial line reports a width of 0.
    (size.ws_col > 0).then_some(size.ws_col)
}

#[cfg(not(unix))]
fn columns() -> Option<u16> {
    None
}
