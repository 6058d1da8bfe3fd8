//! The contract between udping-host and the components that it runs. WASI 0.2 has no signals, and
//! no way to tell a component that something changed: this is how it is done here, with nothing but
//! WASI's own interfaces.
//!
//! # Every component
//!
//! - The variable [`UDPING_HOST`] is set, to the host's version. The host itself says on standard
//!   error what it refuses.
//! - Standard input is empty and ended, as with `</dev/null`. With `--stdin` it is the host's own.
//! - The first SIGINT, SIGTERM or SIGHUP ends it at once. What it has written is written out, and
//!   the exit code is 128 and the number of the signal.
//! - Failure is exit code 1, whether `wasi:cli/run` returns an error or `wasi:cli/exit` is called
//!   with one.
//!
//! # A component that declares it
//!
//! A component declares that it keeps to this contract by an export: the interface [`EXPORT`],
//! which is in `wit/world.wit`. It is read from the component's type, so a component from a file
//! declares it as a built-in one does, compiled or not, in any language. The host does not call it.
//! Other runtimes ignore it.
//!
//! - The variable [`UDPING_NOTICES`] is set, to [`NOTICES_ON_STDIN`]: standard input carries
//!   notices, each a line: [`ENVIRONMENT`] and [`REPORT`]. A component ignores lines that it does
//!   not know.
//! - The end of standard input is the notice to stop: by a signal, the component is given
//!   `--stop-grace` to end by itself, in good order, and its exit code is its own. One that has not
//!   asked for standard input by then is ended at once, as any other.
//! - With `--stdin` there are no notices, and [`UDPING_NOTICES`] is not set.
//! - `wasi:cli/environment.get-environment` answers with the values of the moment. What changes
//!   without a notice is a fact of the host, to be asked for when it is needed: [`UDPING_COLUMNS`],
//!   [`UDPING_DROPPED`], [`UDPING_DENIED`]. [`UDPING_ERRORS`] comes with the notice [`ENVIRONMENT`]
//!   when there are some that were not asked for.
//! - A component that could not start its work, or not go on, calls `wasi:cli/exit` with an error:
//!   exit code 2. One that ran, and did not get what it ran for, returns an error from
//!   `wasi:cli/run`: exit code 1.

use std::ops::RangeInclusive;

/// The variable that udping-host sets, to its version, for every component.
pub const UDPING_HOST: &str = "UDPING_HOST";

/// The variable that says where notices come.
pub const UDPING_NOTICES: &str = "UDPING_NOTICES";

/// The value of [`UDPING_NOTICES`].
pub const NOTICES_ON_STDIN: &str = "stdin";

/// The variable with the columns of the terminal that standard output is, as they are now; not set
/// where it is no terminal.
pub const UDPING_COLUMNS: &str = "UDPING_COLUMNS";

/// The variable with the number of datagrams that the system has dropped because a socket of the
/// component's had no room for them; not set where the system does not count them.
pub const UDPING_DROPPED: &str = "UDPING_DROPPED";

/// The variable with the last errors that came back for datagrams that were sent (ICMP), the oldest
/// first, separated by commas, each as `NUMBER PORT PEER PROBLEM`: its number from 1, the local
/// port, whom the datagram was for, and a word. Empty where there were none.
pub const UDPING_ERRORS: &str = "UDPING_ERRORS";

/// The variable with the reason why the system refused what was last refused; not set where this
/// host did, or nothing was.
pub const UDPING_DENIED: &str = "UDPING_DENIED";

/// The notice that a variable has another value than before.
pub const ENVIRONMENT: &str = "environment";

/// The notice that somebody asks what there is to report so far (SIGQUIT, Ctrl-\ on a terminal).
pub const REPORT: &str = "report";

/// The interface that declares the contract, without its patch version.
pub const EXPORT: &str = "udping:guest/notices@0.1.";

/// The variable that holds the key, or two with a comma between them, as hexadecimal digits. A key
/// is no argument: those are for every user of the machine to read.
pub const UDPING_KEY: &str = "UDPING_KEY";

/// How many hexadecimal digits a key has: two for each byte.
pub const KEY_DIGITS: RangeInclusive<usize> =
    2 * *udping_core::wire::LENGTHS.start()..=2 * *udping_core::wire::LENGTHS.end();

/// The variable that holds the indexes of the network interfaces that a component's arguments name
/// as the zone of an address (RFC 4007, section 11), as `eth0=2,eth1=3`: components have no other
/// way from a name to an index.
pub const UDPING_ZONES: &str = "UDPING_ZONES";

/// The port that client and server take with `--protocol stamp` where none is given (RFC 8762,
/// section 4.1).
pub const STAMP_PORT: u16 = udping_core::wire::stamp::PORT;

/// Writes the value of [`UDPING_ZONES`].
pub fn zones<'a>(zones: impl IntoIterator<Item = (&'a str, u32)>) -> String {
    zones.into_iter().map(|(name, index)| format!("{name}={index}")).collect::<Vec<_>>().join(",")
}

/// The index of the interface `name` in the value of [`UDPING_ZONES`].
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
