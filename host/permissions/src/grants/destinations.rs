//! A set of destinations with fast lookup of single endpoints.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use super::Destination;
use super::special::Special;

/// Destinations in the order of their grants. The number of destinations that are a single address
/// and port does not affect the time of a lookup.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    all: Vec<Destination>,
    /// The destinations of a single address, in every zone, and a single port.
    endpoints: HashSet<(IpAddr, u16)>,
    /// All other destinations.
    ranges: Vec<Destination>,
}

impl Destinations {
    /// Whether a grant for these destinations covers `address`. Special addresses are not covered
    /// by a network that merely contains them. `own` are the addresses of this machine.
    pub fn cover(&self, address: SocketAddr, own: &HashSet<IpAddr>) -> bool {
        if self.endpoints.contains(&(address.ip().to_canonical(), address.port())) {
            return true;
        }
        let mut networks = self.ranges_with(address).map(|range| range.network().net());
        // Most addresses are in no range, and need no further checks.
        let Some(first) = networks.next() else { return false };
        Special::of(address.ip(), own).is_none_or(|special| {
            special.is_meant_by(first) || networks.any(|net| special.is_meant_by(net))
        })
    }

    /// Whether `address` is in one of the destinations, covered or not.
    pub fn contain(&self, address: SocketAddr) -> bool {
        self.endpoints.contains(&(address.ip().to_canonical(), address.port()))
            || self.ranges_with(address).next().is_some()
    }

    /// Whether a destination has several addresses, which may include special ones.
    pub fn are_wide(&self) -> bool {
        self.ranges.iter().any(|range| range.network().address().is_none())
    }

    fn ranges_with(&self, address: SocketAddr) -> impl Iterator<Item = &Destination> {
        self.ranges.iter().filter(move |range| range.contains(address))
    }
}

impl FromIterator<Destination> for Destinations {
    fn from_iter<T: IntoIterator<Item = Destination>>(destinations: T) -> Self {
        let mut these = Self::default();
        for destination in destinations {
            match destination.endpoint() {
                Some(endpoint) => {
                    these.endpoints.insert(endpoint);
                }
                None => these.ranges.push(destination),
            }
            these.all.push(destination);
        }
        these
    }
}

impl From<Vec<Destination>> for Destinations {
    fn from(destinations: Vec<Destination>) -> Self {
        destinations.into_iter().collect()
    }
}

impl Deref for Destinations {
    type Target = [Destination];

    fn deref(&self) -> &[Destination] {
        &self.all
    }
}

/// Only the list is compared: the other fields are derived from it.
impl PartialEq for Destinations {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::GrantSpec;
    use crate::names::Names;

    fn of(written: &[&str]) -> Destinations {
        let to = written.iter().map(|text| text.parse().unwrap()).collect();
        GrantSpec { to, ..GrantSpec::default() }.with_addresses(&Names::default()).send
    }

    #[test]
    fn they_are_wide_where_one_is_of_several_addresses() {
        for (written, are_wide) in [
            (&[][..], false),
            (&["192.0.2.7:12000", "192.0.2.7:1-9", "[fe80::1%2]:7"], false),
            (&["192.0.2.7:12000", "192.0.2.0/31:7"], true),
            (&["[::]/0:7"], true),
        ] {
            assert_eq!(of(written).are_wide(), are_wide, "{written:?}");
        }
    }

    #[test]
    fn they_are_the_same_where_all_of_them_are_in_the_same_order() {
        let (one, other) = ("192.0.2.7:7", "192.0.2.0/24:1-9");
        assert_eq!(of(&[one, other]), of(&[one, other]));
        for others in [&[][..], &[one], &[other, one], &[one, "192.0.2.0/24:1-8"]] {
            assert_ne!(of(&[one, other]), of(others));
        }
    }

    /// The decision for all destinations is that of any one of them, whichever way it is found.
    #[test]
    fn what_is_found_at_once_is_what_is_found_one_by_one() {
        let written = [
            "192.0.2.7:12000",
            "192.0.2.0/24:1-9",
            "127.0.0.1:12000",
            "[::ffff:192.0.2.9]:7",
            "[fe80::1%2]:12000",
            "[2001:db8::7]:12000",
            "0.0.0.0/0:53",
        ];
        let all = of(&written);
        assert_eq!((all.endpoints.len(), all.ranges.len()), (4, 3));
        for address in [
            "192.0.2.7:12000",
            "192.0.2.7:12001",
            "[::ffff:192.0.2.7]:12000",
            "192.0.2.9:7",
            "192.0.2.8:9",
            "127.0.0.1:12000",
            "127.0.0.2:12000",
            "127.0.0.1:53",
            "198.51.100.1:53",
            "[fe80::1%2]:12000",
            "[fe80::1%3]:12000",
            "[2001:db8::7]:12000",
            "[2001:db8::8]:12000",
        ] {
            let (address, own): (SocketAddr, _) = (address.parse().unwrap(), HashSet::new());
            let alone = |one: &Destination| Destinations::from(vec![*one]).cover(address, &own);
            assert_eq!(all.cover(address, &own), all.iter().any(alone), "{address}");
        }
    }
}
