//! The contract between udping-host and the components that it runs. WASI 0.2 has no signals, and
//! no way to notify a component of a change: this contract provides both, with WASI's own
//! interfaces only.
//!
//! # Every component
//!
//! - The variable [`UDPING_HOST`] is set to the host's version. The host itself reports on standard
//!   error what it refuses.
//! - Standard input is empty, as with `</dev/null`. With `--stdin` it is the host's own.
//! - The first SIGINT, SIGTERM or SIGHUP ends it at once. Its output so far is flushed, and the
//!   exit code is 128 plus the number of the signal.
//! - Failure is exit code 1, whether `wasi:cli/run` returns an error or `wasi:cli/exit` is called
//!   with one.
//!
//! # A component that declares it
//!
//! A component declares that it keeps to this contract by an export: the interface [`EXPORT`],
//! which is in `wit/world.wit`. The host reads it from the component's type, so a component from a
//! file declares it as a built-in one does, compiled or not, in any language. The host does not
//! call it. Other runtimes ignore it.
//!
//! - The variable [`UDPING_NOTICES`] is set to [`NOTICES_ON_STDIN`]: standard input carries
//!   notices, one per line: [`ENVIRONMENT`], [`REPORT`] and [`COUNTS`]. A component ignores unknown
//!   lines.
//! - The end of standard input is the notice to stop: after a signal, the component has
//!   `--stop-grace` to end gracefully by itself, with its own exit code. One that has not requested
//!   standard input by then is ended at once, as any other.
//! - With `--stdin` there are no notices, and [`UDPING_NOTICES`] is not set.
//! - `wasi:cli/environment.get-environment` returns the current values. Values that change without
//!   a notice are state of the host, to be read when needed: [`UDPING_COLUMNS`],
//!   [`UDPING_DROPPED`], [`UDPING_DENIED`], [`UDPING_RECEIVE_TIMES`]. [`UDPING_ERRORS`] is announced with the notice
//!   [`ENVIRONMENT`] when it has errors that were not read yet.
//! - A component that could not start its work, or not continue, calls `wasi:cli/exit` with an
//!   error: exit code 2. One that ran without success returns an error from `wasi:cli/run`: exit
//!   code 1; or 7, if it exports the interface [`THRESHOLDS`], whose `exceeded` then returns true.

use std::ops::RangeInclusive;

/// The variable that udping-host sets to its version for every component.
pub const UDPING_HOST: &str = "UDPING_HOST";

/// The variable that names the channel of notices.
pub const UDPING_NOTICES: &str = "UDPING_NOTICES";

/// The value of [`UDPING_NOTICES`].
pub const NOTICES_ON_STDIN: &str = "stdin";

/// The variable with the current number of columns of the terminal on standard output; not set if
/// that is not a terminal.
pub const UDPING_COLUMNS: &str = "UDPING_COLUMNS";

/// The variable with the number of datagrams that the system dropped because a receive buffer of
/// the component was full; not set if the system does not count them.
pub const UDPING_DROPPED: &str = "UDPING_DROPPED";

/// The variable that says where the times come from that clocks return after a `receive` or `send`
/// of `wasi:sockets/udp`: [`KERNEL`] if the first reading of each clock returns when the datagrams
/// arrived, as recorded by the kernel, or were passed to it; else not set.
pub const UDPING_RECEIVE_TIMES: &str = "UDPING_RECEIVE_TIMES";

/// The value of [`UDPING_RECEIVE_TIMES`].
pub const KERNEL: &str = "kernel";

/// The variable with the last errors that were returned for sent datagrams (ICMP), oldest first,
/// separated by commas, each as `NUMBER PORT PEER PROBLEM`: its number, starting at 1, the local
/// port, the datagram's destination, and a word. Empty if there were none.
pub const UDPING_ERRORS: &str = "UDPING_ERRORS";

/// The variable with the reason for which the system refused the last refused operation; not set if
/// this host refused it, or if there was none.
pub const UDPING_DENIED: &str = "UDPING_DENIED";

/// The notice that a variable has changed.
pub const ENVIRONMENT: &str = "environment";

/// The notice that a report of the run so far is requested (SIGQUIT, Ctrl-\ on a terminal).
pub const REPORT: &str = "report";

/// The notice that the component's own counts are requested (`--metrics`). It writes them to standard
/// error as one line, in one write: this word, and for each number of datagrams
/// `OUTCOME[/REASON]=COUNT`, where both names are of `a` to `z` and `_`. The host takes that line out
/// of standard error. A component without counts writes the word alone, or ignores the notice.
pub const COUNTS: &str = "counts";

/// The interface that declares the contract, without its patch version.
pub const EXPORT: &str = "udping:guest/notices@0.1.";

/// The name of the interface by which a component says that a threshold was exceeded, up to its patch
/// version.
pub const THRESHOLDS: &str = "udping:guest/thresholds@0.1.";

/// The function of [`THRESHOLDS`] that says so.
pub const EXCEEDED: &str = "exceeded";

/// The variable that holds the key, or two separated by a comma, in hexadecimal digits. A key is
/// not an argument, since all users of the machine can read those.
pub const UDPING_KEY: &str = "UDPING_KEY";

/// The permitted number of hexadecimal digits of a key: two for each byte.
pub const KEY_DIGITS: RangeInclusive<usize> =
    2 * *udping_core::wire::LENGTHS.start()..=2 * *udping_core::wire::LENGTHS.end();

/// The variable that holds the indexes of the network interfaces that are zones in a component's
/// arguments (RFC 4007, section 11), as `eth0=2,eth1=3`: components have no other way to convert a
/// name to an index.
pub const UDPING_ZONES: &str = "UDPING_ZONES";

/// The default port of client and server with `--protocol stamp` (RFC 8762, section 4.1).
pub const STAMP_PORT: u16 = udping_core::wire::stamp::PORT;

/// Formats the value of [`UDPING_ZONES`].
pub fn zones<'a>(zones: impl IntoIterator<Item = (&'a str, u32)>) -> String {
    zones.into_iter().map(|(name, index)| format!("{name}={index}")).collect::<Vec<_>>().join(",")
}

/// Returns the index of the interface `name` in the value of [`UDPING_ZONES`].
pub fn zone(value: &str, name: &str) -> Option<u32> {
    value
        .split(',')
        .find_map(|zone| zone.rsplit_once('=').filter(|(other, _)| *other == name)?.1.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_as_they_were_written() {
        let value = zones([("eth0", 2), ("a=b", 3), ("lo", 1)]);
        for (name, index) in
            [("eth0", Some(2)), ("a=b", Some(3)), ("lo", Some(1)), ("eth", None), ("", None)]
        {
            assert_eq!(zone(&value, name), index, "{name}");
        }
        assert_eq!(zone("", "lo"), None);
    }
}
