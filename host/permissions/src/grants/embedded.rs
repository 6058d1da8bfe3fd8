//! IPv4 addresses embedded in IPv6 addresses: a datagram to such an address may reach the IPv4
//! address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The IPv4 addresses that a translator, a tunnel or a host may extract from `ip`:
///
/// - IPv4-compatible (RFC 4291, section 2.5.5.1) and IPv4-translated addresses (RFC 2765);
/// - NAT64's `64:ff9b::/96` (RFC 6052) and `64:ff9b:1::/48` (RFC 8215), the latter in every layout
///   that its networks may have, since an address does not tell which one its translator uses;
/// - 6to4 (RFC 3056), Teredo, of the server and of the client (RFC 4380), and ISATAP (RFC 5214).
///
/// An IPv4-mapped address is the IPv4 address itself, and embeds none. Prefixes that a network
/// chooses for its own translators (NAT64, 6rd) are not known here.
pub(super) fn carried(ip: IpAddr) -> impl Iterator<Item = Ipv4Addr> + Clone {
    let carried = match ip.to_canonical() {
        IpAddr::V6(v6) if may_carry(v6) => carried_by(v6),
        _ => [None; 5],
    };
    carried.into_iter().flatten()
}

/// Whether `ip` may embed an IPv4 address, by its prefix or form. Most do not, which this check
/// tells fast, since it is made for each datagram.
pub(super) fn may_carry(ip: Ipv6Addr) -> bool {
    let octets = ip.octets();
    let is_prefix = |prefix: [u8; 4]| octets[..4] == prefix;
    is_prefix([0; 4])
        || is_prefix([0, 0x64, 0xff, 0x9b])
        || is_prefix([0x20, 0x01, 0, 0])
        || octets[..2] == [0x20, 0x02]
        || octets[10..12] == [0x5e, 0xfe]
}

fn carried_by(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 5] {
    let octets = ip.octets();
    let at =
        |positions: [usize; 4]| Some(Ipv4Addr::from(positions.map(|position| octets[position])));
    let last = at([12, 13, 14, 15]);
    let by_prefix = match ip.segments() {
        // The unspecified and the loopback address.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None; 4],
        [0, 0, 0, 0, 0 | 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            [last, None, None, None]
        }
        // Prefixes of 48, 56, 64 and 96 bits; octet 8 is never part of the address.
        [0x64, 0xff9b, 1, ..] => [at([6, 7, 9, 10]), at([7, 9, 10, 11]), at([9, 10, 11, 12]), last],
        [0x2002, ..] => [at([2, 3, 4, 5]), None, None, None],
        // The client's address is stored inverted.
        [0x2001, 0, ..] => [
            at([4, 5, 6, 7]),
            last.map(|client| Ipv4Addr::from_bits(!client.to_bits())),
            None,
            None,
        ],
        _ => [None; 4],
    };
    // The universal and the group bit may be set or not.
    let is_isatap = matches!(ip.segments(), [.., high, 0x5efe, _, _] if high & 0xfcff == 0);
    let [a, b, c, d] = by_prefix;
    [a, b, c, d, last.filter(|_| is_isatap)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_carries(address: &str, expected: &[&str]) {
        let carried: Vec<_> = carried(address.parse().unwrap()).map(|ip| ip.to_string()).collect();
        assert_eq!(carried, expected, "{address}");
    }

    #[test]
    fn each_form_carries_the_address_that_its_document_says() {
        assert_carries("::192.0.2.33", &["192.0.2.33"]);
        assert_carries("::ffff:0:192.0.2.33", &["192.0.2.33"]);
        assert_carries("64:ff9b::192.0.2.33", &["192.0.2.33"]);
        assert_carries("2002:c000:221::7", &["192.0.2.33"]);
        // The example of RFC 4380: server 65.54.227.120, client 192.0.2.45.
        assert_carries("2001:0:4136:e378:8000:63bf:3fff:fdd2", &["65.54.227.120", "192.0.2.45"]);
        for interface in ["0:5efe", "200:5efe", "100:5efe", "300:5efe"] {
            assert_carries(&format!("2001:db8:1:2:{interface}:c000:221"), &["192.0.2.33"]);
        }
        assert_carries("fe80::5efe:192.0.2.33", &["192.0.2.33"]);
        assert_carries("2002:c000:221::5efe:198.51.100.1", &["192.0.2.33", "198.51.100.1"]);
    }

    /// The table of RFC 6052, section 2.4, under the local-use prefix.
    #[test]
    fn a_translator_of_ones_own_may_use_any_layout() {
        for address in [
            "64:ff9b:1:c000:2:2100::",
            "64:ff9b:1:aac0:0:221::",
            "64:ff9b:1:abcd:c0:2:2100::",
            "64:ff9b:1:abcd:9::192.0.2.33",
        ] {
            let mut carried = carried(address.parse().unwrap());
            assert!(carried.any(|ip| ip == Ipv4Addr::new(192, 0, 2, 33)), "{address}");
        }
    }

    #[test]
    fn others_carry_none() {
        for address in [
            "192.0.2.33",
            "::ffff:192.0.2.33",
            "::",
            "::1",
            "2001:db8::192.0.2.33",
            "64:ff9c::1",
            "2003::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert_carries(address, &[]);
        }
    }
}
