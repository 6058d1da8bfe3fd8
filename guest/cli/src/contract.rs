//! What udping-host and the components agree on.

use std::ops::RangeInclusive;

/// The variable that udping-host sets, to its version, for every component: it says refusals itself, writes [`CHANGED`] to
/// standard input when a variable has another value than before, and closes standard input to say "stop".
pub const UDPING_HOST: &str = "UDPING_HOST";

/// The line on standard input that says that the environment is worth asking for again.
pub const CHANGED: &[u8] = b"environment\n";

/// The variable that holds the key, or two with a comma between them, as hexadecimal digits. A key is no argument: those are
/// for every user of the machine to read.
pub const UDPING_KEY: &str = "UDPING_KEY";

/// How many hexadecimal digits a key has: two for each byte.
pub const KEY_DIGITS: RangeInclusive<usize> =
    2 * *udping_core::auth::LENGTHS.start()..=2 * *udping_core::auth::LENGTHS.end();

/// The variable that holds the indexes of the network interfaces that a component's arguments name as the zone of an address
/// (RFC 4007, section 11), as `eth0=2,eth1=3`: components have no other way from a name to an index.
pub const UDPING_ZONES: &str = "UDPING_ZONES";

/// The port that client and server take with `--protocol stamp` where none is given (RFC 8762, section 4.1).
pub const STAMP_PORT: u16 = udping_core::stamp::PORT;

/// Writes the value of [`UDPING_ZONES`].
pub fn zones<'a>(zones: impl IntoIterator<Item = (&'a str, u32)>) -> String {
    zones.into_iter().map(|(name, index)| format!("{name}={index}")).collect::<Vec<_>>().join(",")
}

/// The index of the interface `name` in the value of [`UDPING_ZONES`].
pub fn zone(value: &str, name: &str) -> Option<u32> {
    value.split(',').find_map(|zone| zone.rsplit_once('=').filter(|(other, _)| *other == name)?.1.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_as_they_were_written() {
        let value = zones([("eth0", 2), ("a=b", 3), ("lo", 1)]);
        for (name, index) in [("eth0", Some(2)), ("a=b", Some(3)), ("lo", Some(1)), ("eth", None), ("", None)] {
            assert_eq!(zone(&value, name), index, "{name}");
        }
        assert_eq!(zone("", "lo"), None);
    }
}
