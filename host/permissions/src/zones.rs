//! Zones of IPv6 addresses (RFC 4007, section 11) by interface name, which components cannot
//! resolve.

use udping_cli::address::{Address, Zone};
use udping_cli::contract::{self, UDPING_ZONES};

/// The index of the network interface `name`, as by `if_nametoindex(3)`.
#[cfg(unix)]
pub fn index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// Without if_nametoindex(3), interfaces have only indexes.
#[cfg(not(unix))]
pub fn index(_: &str) -> Option<u32> {
    None
}

/// The environment variable that tells a component the indexes of the interfaces in its arguments,
/// and no others; `None` if there are none.
pub fn variable(arguments: &[String]) -> Option<(String, String)> {
    let zones: Vec<_> = arguments
        .iter()
        .filter_map(|argument| Some((zone(argument)?, index(&zone(argument)?)?)))
        .collect();
    let value = contract::zones(zones.iter().map(|(name, index)| (name.as_str(), *index)));
    (!zones.is_empty()).then(|| (UDPING_ZONES.to_owned(), value))
}

/// The interface in an argument of the form `ADDR%NAME`, `[ADDR%NAME]:PORT`, or one of these after
/// `=`.
fn zone(argument: &str) -> Option<String> {
    let value = argument
        .split_once('=')
        .filter(|_| argument.starts_with('-'))
        .map_or(argument, |(_, value)| value);
    let host = value.split_once(']').map_or(value, |(host, _)| host);
    match host.trim_start_matches('[').parse() {
        Ok(Address { zone: Some(Zone::Name(name)), .. }) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_names_an_interface_only_as_zone_of_an_address() {
        for argument in [
            "fe80::1%lo",
            "[fe80::1%lo]",
            "[fe80::1%lo]:7",
            "--bind=fe80::1%lo",
            "--target=[fe80::1%lo]:7",
        ] {
            assert_eq!(zone(argument).as_deref(), Some("lo"), "{argument}");
        }
        for argument in ["lo", "fe80::1%1", "fe80::1", "a%lo", "a=fe80::1%lo", "--x", ""] {
            assert_eq!(zone(argument), None, "{argument}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn component_is_told_only_interfaces_named_in_its_arguments() {
        let arguments = ["fe80::1%lo", "7", "fe80::1%none"].map(str::to_owned);
        let lo = index("lo").unwrap();
        assert_eq!(variable(&arguments), Some((UDPING_ZONES.to_owned(), format!("lo={lo}"))));
        assert_eq!(variable(&arguments[1..]), None);
    }
}
