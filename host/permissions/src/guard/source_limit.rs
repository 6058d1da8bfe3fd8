//! `--limit-source`: the maximum rate of one source.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::table::Table;
use crate::rate::{Bucket, Rate};

/// The prefix lengths by which addresses are grouped into sources. The default is a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourcePrefix {
    v4: u8,
    v6: u8,
}

impl Default for SourcePrefix {
    fn default() -> Self {
        Self { v4: 32, v6: 128 }
    }
}

impl SourcePrefix {
    /// The prefix lengths in a sentence.
    pub fn in_words(self) -> String {
        format!("an IPv4 /{} or an IPv6 /{}", self.v4, self.v6)
    }

    /// The source of `address`: without its port, and what else a sender can choose.
    fn source_of(self, address: SocketAddr) -> Source {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.v4)).unwrap_or(0);
                Source { ip: Ipv4Addr::from_bits(ip.to_bits() & mask).into(), zone: 0 }
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.v6)).unwrap_or(0);
                let zone = if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
                Source { ip: Ipv6Addr::from_bits(ip.to_bits() & mask).into(), zone }
            }
        }
    }
}

/// Formats the lengths as `--limit-source-prefix` takes them.
impl fmt::Display for SourcePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.v4, self.v6)
    }
}

impl FromStr for SourcePrefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let length = |text: &str, most| text.parse().ok().filter(|length: &u8| *length <= most);
        let lengths =
            text.split_once(',').and_then(|(v4, v6)| Some((length(v4, 32)?, length(v6, 128)?)));
        lengths
            .map(|(v4, v6)| Self { v4, v6 })
            .ok_or("write the prefix lengths for IPv4 and IPv6, at most 32 and 128: 32,64")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source {
    ip: IpAddr,
    zone: u32,
}

/// A rate for each source, shared by all instances that receive.
///
/// If there are more sources than the table holds, the one that was silent longest starts again
/// with a full burst: a source that sends more than its share of the table is never that one.
#[derive(Debug)]
pub(super) struct SourceLimit {
    rate: Rate,
    prefix: SourcePrefix,
    buckets: Mutex<Table<Source, Bucket>>,
}

impl SourceLimit {
    /// Creates a limit with an empty table.
    pub(super) fn new(rate: Rate, prefix: SourcePrefix) -> Self {
        Self { rate, prefix, buckets: Mutex::new(Table::new()) }
    }

    /// Counts a datagram from `from`: the error is the rate that its source exceeds.
    pub(super) fn take(&self, from: SocketAddr, now: Instant) -> Result<(), Rate> {
        // No panic while the lock is held leaves the table inconsistent.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket =
            buckets.get_or_insert(self.prefix.source_of(from), || Bucket::new(self.rate, now));
        bucket.take(1, now).map_err(|_| self.rate)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::Duration;

    use super::*;
    use crate::guard::table::MOST;

    fn limit(prefix: &str) -> (SourceLimit, Instant) {
        (
            SourceLimit::new(Rate(NonZeroU64::new(10).unwrap()), prefix.parse().unwrap()),
            Instant::now(),
        )
    }

    fn passed(limit: &SourceLimit, from: &str, now: Instant) -> usize {
        (0..100).filter(|_| limit.take(from.parse().unwrap(), now).is_ok()).count()
    }

    #[test]
    fn all_ports_of_an_address_are_one_source() {
        let (limit, now) = limit("32,128");
        let from_each_port = (1..=60_000)
            .filter(|port| limit.take(([192, 0, 2, 7], *port).into(), now).is_ok())
            .count();
        assert_eq!(from_each_port, 10);
        assert_eq!(passed(&limit, "[::ffff:192.0.2.7]:9", now), 0, "it is the same host");
        assert_eq!(passed(&limit, "192.0.2.8:1", now), 10);
        assert_eq!(passed(&limit, "192.0.2.7:1", now + Duration::from_millis(200)), 2);
    }

    #[test]
    fn networks_are_sources_where_prefixes_are_shorter() {
        let (limit, now) = limit("24,64");
        assert_eq!(
            (passed(&limit, "192.0.2.7:1", now), passed(&limit, "192.0.2.8:1", now)),
            (10, 0)
        );
        assert_eq!(passed(&limit, "192.0.3.8:1", now), 10);
        assert_eq!(
            (passed(&limit, "[2001:db8::1]:1", now), passed(&limit, "[2001:db8::ff:2]:1", now)),
            (10, 0)
        );
        assert_eq!(passed(&limit, "[2001:db8:0:1::1]:1", now), 10);
        // Equal addresses on different links are different sources.
        assert_eq!(
            (passed(&limit, "[fe80::1%2]:1", now), passed(&limit, "[fe80::1%3]:1", now)),
            (10, 10)
        );
    }

    #[test]
    fn a_prefix_of_zero_makes_one_source_of_all() {
        let (limit, now) = limit("0,0");
        assert_eq!(
            (passed(&limit, "192.0.2.7:1", now), passed(&limit, "198.51.100.1:1", now)),
            (10, 0)
        );
        assert_eq!(
            (passed(&limit, "[2001:db8::1]:1", now), passed(&limit, "[fd00::1]:1", now)),
            (10, 0)
        );
    }

    #[test]
    fn heavy_source_stays_limited_among_many_other_sources() {
        let (limit, now) = limit("32,128");
        assert_eq!(passed(&limit, "192.0.2.7:1", now), 10);
        for other in 0..2 * MOST.get() as u32 {
            assert!(limit.take((Ipv4Addr::from_bits(0x0a00_0000 + other), 1).into(), now).is_ok());
            if other % 1_000 == 0 {
                assert_eq!(passed(&limit, "192.0.2.7:1", now), 0, "after {other}");
            }
        }
        assert_eq!(limit.buckets.lock().unwrap().len(), MOST.get());
    }

    #[test]
    fn prefixes_are_read_as_they_are_shown() {
        for text in ["32,128", "24,56", "0,0"] {
            assert_eq!(text.parse::<SourcePrefix>().unwrap().to_string(), text);
        }
        for text in ["", "32", "33,64", "32,129", "32,64,1", "-1,64", " 32,64", "a,b"] {
            assert!(text.parse::<SourcePrefix>().is_err(), "{text:?}");
        }
    }
}
