//! The ancillary data of a message as bytes: its source address and its control messages (cmsg(3)).
//!
//! For each datagram these are read from the bytes that the kernel wrote: nix's iterator of control
//! messages and its headers for `recvmmsg` took 1.3 us a call, a tenth of an RTT over loopback.

use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::world::Local;

/// The bytes of a control message's header, whose parts are aligned to a `size_t`.
const HEADER: usize = size_of::<libc::cmsghdr>().next_multiple_of(ALIGNMENT);

const ALIGNMENT: usize = size_of::<usize>();

/// The bytes of a control message with that many bytes of data.
const fn space(data: usize) -> usize {
    HEADER + data.next_multiple_of(ALIGNMENT)
}

/// The bytes for all control messages of one received message.
pub(super) const ROOM: usize = space(size_of::<i32>())
    + space(size_of::<libc::in6_pktinfo>())
    + space(size_of::<libc::timespec>());

/// What the control messages of one received message say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ancillary {
    /// The local address that it was sent to (`IP_PKTINFO`, `IPV6_PKTINFO`).
    pub(super) to: Option<Local>,
    /// The time of arrival by the wall clock (`SO_TIMESTAMPNS`).
    pub(super) stamp: Option<SystemTime>,
    /// The length of each coalesced datagram except the last, which may be shorter (`UDP_GRO`).
    pub(super) segment: Option<usize>,
}

impl Ancillary {
    /// Reads control messages, up to the first that is incomplete.
    pub(super) fn read(mut control: &[u8]) -> Self {
        let mut read = Self::default();
        while let Some((Control { level, kind, data }, rest)) = Control::first(control) {
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => read.stamp = stamp(data),
                (libc::SOL_UDP, libc::UDP_GRO) => read.segment = segment(data),
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => read.to = local_v4(data),
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => read.to = local_v6(data),
                _ => {}
            }
            control = rest;
        }
        read
    }
}

/// A received control message.
struct Control<'a> {
    level: i32,
    kind: i32,
    data: &'a [u8],
}

impl<'a> Control<'a> {
    /// Splits the first one off.
    fn first(control: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let word = |at: usize| Some(i32::from_ne_bytes(bytes(control, at)?));
        // A size_t, or an int with the padding of one (cmsg(3)), which the kernel writes as zeros.
        let length = usize::from_ne_bytes(bytes(control, 0)?);
        let level = word(offset_of!(libc::cmsghdr, cmsg_level))?;
        let kind = word(offset_of!(libc::cmsghdr, cmsg_type))?;
        let data = control.get(HEADER..length)?;
        let rest = control.get(length.checked_next_multiple_of(ALIGNMENT)?..).unwrap_or_default();
        Some((Self { level, kind, data }, rest))
    }
}

/// The `N` bytes at `at`, if there are as many.
fn bytes<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

/// A `timespec`: two integers of equal length.
fn stamp(data: &[u8]) -> Option<SystemTime> {
    let number = |half: &[u8]| match half.len() {
        8 => Some(i64::from_ne_bytes(bytes(half, 0)?)),
        4 => Some(i32::from_ne_bytes(bytes(half, 0)?).into()),
        _ => None,
    };
    let (seconds, nanoseconds) = data.split_at(data.len() / 2);
    let seconds = u64::try_from(number(seconds)?).ok()?;
    let nanoseconds = u64::try_from(number(nanoseconds)?).ok()?;
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))?
        .checked_add(Duration::from_nanos(nanoseconds))
}

fn segment(data: &[u8]) -> Option<usize> {
    let length = i32::from_ne_bytes(bytes(data, 0)?);
    usize::try_from(length).ok().filter(|length| *length > 0)
}

/// The address that a reply leaves from, which is not the destination of a multicast or broadcast
/// datagram. A datagram that arrived before the option was set has only the destination (ip(7)).
fn local_v4(data: &[u8]) -> Option<Local> {
    let address = |at| Some(Ipv4Addr::from_octets(bytes(data, at)?));
    let of_reply = address(offset_of!(libc::in_pktinfo, ipi_spec_dst))?;
    let destination = address(offset_of!(libc::in_pktinfo, ipi_addr))?;
    let ip = [of_reply, destination].into_iter().find(|ip| !ip.is_unspecified())?;
    // The interface is not pinned: the routing table determines which one leads to the peer.
    Some(Local { ip: ip.into(), interface: 0 })
}

/// `None` for the destination of a multicast datagram, which cannot be a source address.
fn local_v6(data: &[u8]) -> Option<Local> {
    let ip = Ipv6Addr::from_octets(bytes(data, offset_of!(libc::in6_pktinfo, ipi6_addr))?);
    let interface = u32::from_ne_bytes(bytes(data, offset_of!(libc::in6_pktinfo, ipi6_ifindex))?);
    // A link-local address is ambiguous without its interface (RFC 4007, section 5).
    let interface = if ip.is_unicast_link_local() { interface } else { 0 };
    (!ip.is_multicast()).then_some(Local { ip: ip.into(), interface })
}

/// A control message for one datagram of a batch.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Source([u8; space(size_of::<libc::in6_pktinfo>())]);

impl Source {
    /// Encodes the local address that a datagram leaves from, and returns the length, too.
    pub(super) fn of(from: Local) -> (Self, usize) {
        let mut source = Self([0; _]);
        let (level, kind, length) = match from.ip {
            IpAddr::V4(ip) => {
                source.put(HEADER + offset_of!(libc::in_pktinfo, ipi_spec_dst), &ip.octets());
                (libc::IPPROTO_IP, libc::IP_PKTINFO, size_of::<libc::in_pktinfo>())
            }
            IpAddr::V6(ip) => {
                source.put(HEADER + offset_of!(libc::in6_pktinfo, ipi6_addr), &ip.octets());
                let at = HEADER + offset_of!(libc::in6_pktinfo, ipi6_ifindex);
                source.put(at, &from.interface.to_ne_bytes());
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, size_of::<libc::in6_pktinfo>())
            }
        };
        source.put(0, &(HEADER + length).to_ne_bytes());
        source.put(offset_of!(libc::cmsghdr, cmsg_level), &level.to_ne_bytes());
        source.put(offset_of!(libc::cmsghdr, cmsg_type), &kind.to_ne_bytes());
        (source, space(length))
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..][..bytes.len()].copy_from_slice(bytes);
    }
}

/// The bytes of a `sockaddr_in6`, the longest address of a UDP socket.
pub(super) const NAME: usize = size_of::<libc::sockaddr_in6>();

/// Reads a `sockaddr_in` or `sockaddr_in6`.
pub(super) fn address(name: &[u8]) -> Option<SocketAddr> {
    let family = libc::sa_family_t::from_ne_bytes(bytes(name, 0)?);
    let port = u16::from_be_bytes(bytes(name, offset_of!(libc::sockaddr_in, sin_port))?);
    match family.into() {
        libc::AF_INET => {
            let ip = bytes::<4>(name, offset_of!(libc::sockaddr_in, sin_addr))?;
            Some(SocketAddr::from((ip, port)))
        }
        libc::AF_INET6 => {
            let ip = bytes::<16>(name, offset_of!(libc::sockaddr_in6, sin6_addr))?;
            let scope = bytes(name, offset_of!(libc::sockaddr_in6, sin6_scope_id))?;
            Some(SocketAddrV6::new(ip.into(), port, 0, u32::from_ne_bytes(scope)).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::*;

    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + data.len()).to_ne_bytes().to_vec();
        bytes.extend([level.to_ne_bytes(), kind.to_ne_bytes()].concat());
        bytes.extend(data);
        bytes.resize(space(data.len()), 0);
        bytes
    }

    #[test]
    fn each_control_message_is_read_whatever_their_order() {
        let local = Local { ip: [192, 0, 2, 7].into(), interface: 0 };
        let seconds = size_of::<libc::timespec>() / 2;
        let time = [5_i64, 9].map(|number| number.to_ne_bytes()[..seconds].to_vec()).concat();
        let info = [9_u32.to_ne_bytes(), [192, 0, 2, 7], [198, 51, 100, 1]].concat();
        let all = [
            message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &time),
            message(libc::SOL_UDP, libc::UDP_GRO, &1_200_i32.to_ne_bytes()),
            message(libc::IPPROTO_IP, libc::IP_PKTINFO, &info),
            message(libc::SOL_SOCKET, 12_345, &[1, 2, 3]),
        ];
        let expected = Ancillary {
            to: Some(local),
            stamp: Some(UNIX_EPOCH + Duration::new(5, 9)),
            segment: Some(1_200),
        };
        assert_eq!(Ancillary::read(&all.concat()), expected);
        let reversed: Vec<_> = all.iter().rev().flatten().copied().collect();
        assert_eq!(Ancillary::read(&reversed), expected);
        assert_eq!(Ancillary::read(&[]), Ancillary::default());
    }

    /// A stride of zero would split a message into no datagrams, or for ever.
    #[test]
    fn segments_have_a_length() {
        for (length, expected) in [(1, Some(1)), (1_400, Some(1_400)), (0, None), (-7, None)] {
            let control = message(libc::SOL_UDP, libc::UDP_GRO, &i32::to_ne_bytes(length));
            assert_eq!(Ancillary::read(&control).segment, expected);
        }
    }

    #[test]
    fn replies_leave_from_unicast_addresses() {
        let v4 = |reply: [u8; 4], destination: [u8; 4]| {
            local_v4(&[[0; 4], reply, destination].concat()).map(|local| local.ip.to_string())
        };
        assert_eq!(v4([192, 0, 2, 1], [255; 4]).as_deref(), Some("192.0.2.1"));
        assert_eq!(v4([0; 4], [192, 0, 2, 2]).as_deref(), Some("192.0.2.2"));
        assert_eq!(v4([0; 4], [0; 4]), None);
        let v6 = |ip: &str| {
            let ip: Ipv6Addr = ip.parse().unwrap();
            local_v6(&[ip.octets().as_slice(), &7_u32.to_ne_bytes()].concat())
        };
        assert_eq!(v6("2001:db8::1").map(|local| local.interface), Some(0));
        assert_eq!(v6("fe80::1").map(|local| local.interface), Some(7));
        assert_eq!(v6("ff02::1"), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for from in [
            Local { ip: [192, 0, 2, 7].into(), interface: 0 },
            Local { ip: "2001:db8::7".parse().unwrap(), interface: 0 },
            Local { ip: "fe80::7".parse().unwrap(), interface: 3 },
        ] {
            let (Source(bytes), length) = Source::of(from);
            // The source of a v4 datagram is where a reply to it would leave from.
            assert_eq!(Ancillary::read(&bytes[..length]).to, Some(from));
        }
    }

    #[test]
    fn addresses_are_those_of_the_system() {
        for text in ["192.0.2.1:7", "[2001:db8::1]:65535", "[fe80::1%4]:862"] {
            let expected: SocketAddr = text.parse().unwrap();
            let storage = super::super::message::storage(expected);
            let name: Vec<u8> = match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
                (Some(v4), _) => {
                    let v4: &libc::sockaddr_in = v4.as_ref();
                    [
                        v4.sin_family.to_ne_bytes().as_slice(),
                        &v4.sin_port.to_ne_bytes(),
                        &v4.sin_addr.s_addr.to_ne_bytes(),
                    ]
                    .concat()
                }
                (_, Some(v6)) => {
                    let v6: &libc::sockaddr_in6 = v6.as_ref();
                    [
                        v6.sin6_family.to_ne_bytes().as_slice(),
                        &v6.sin6_port.to_ne_bytes(),
                        &v6.sin6_flowinfo.to_ne_bytes(),
                        &v6.sin6_addr.s6_addr,
                        &v6.sin6_scope_id.to_ne_bytes(),
                    ]
                    .concat()
                }
                _ => panic!("{text}"),
            };
            assert_eq!(address(&name), Some(expected));
            assert_eq!(address(&name[..name.len() - 5]).filter(SocketAddr::is_ipv6), None);
        }
        assert_eq!(address(&[0; NAME]), None);
        assert_eq!(address(&[]), None);
    }

    proptest! {
        /// Whatever the bytes are, reading ends, and reads nothing beyond them.
        #[test]
        fn any_bytes_are_read(control in collection::vec(any::<u8>(), 0..ROOM), length in 0_usize..200) {
            let _ = (Ancillary::read(&control), address(&control));
            let mut control = control;
            if let Some(first) = control.first_chunk_mut() {
                *first = length.to_ne_bytes();
            }
            let _ = Ancillary::read(&control);
        }
    }
}
