//! Resets sockets that were handed over to the state of new ones: their opener may have set options
//! that this host neither sets nor expects, and by which a component could send or receive more
//! than it was granted, or send something other than it asked for.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect_unspec, socket_with, sockopt,
};
use thiserror::Error;

/// A socket option, mostly with an int value.
#[derive(Clone, Copy, Debug)]
struct SocketOption {
    level: libc::c_int,
    name: libc::c_int,
    /// Its name in messages.
    text: &'static str,
}

macro_rules! options {
    ($($level:ident: $($name:ident)*;)*) => {
        &[$($(SocketOption { level: libc::$level, name: libc::$name, text: stringify!($name) },)*)*]
    };
}

/// Options of every socket. What the operator configures by options is kept: buffers, interface
/// (`SO_BINDTODEVICE`), mark, priority and filters, hop limit and traffic class, and with which
/// sockets the port is shared (`SO_REUSEPORT`).
const OF_ALL: &[SocketOption] = options! {
    // A socket that shares its address lets sockets of other users take its datagrams.
    SOL_SOCKET: SO_BROADCAST SO_REUSEADDR SO_DONTROUTE SO_NO_CHECK SO_OOBINLINE SO_TIMESTAMP SO_TIMESTAMPNS SO_TIMESTAMPING
        SO_RXQ_OVFL SO_PEEK_OFF SO_SELECT_ERR_QUEUE SO_WIFI_STATUS SO_ZEROCOPY;
    // One datagram would be sent as several, late, or as another protocol's.
    SOL_UDP: UDP_CORK UDP_ENCAP UDP_SEGMENT UDP_GRO UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX;
};

/// Options of IPv4 sockets.
const OF_V4: &[SocketOption] = options! {
    IPPROTO_IP: IP_TRANSPARENT IP_RECVERR IP_PKTINFO IP_RECVTTL IP_RECVTOS IP_RECVOPTS IP_RETOPTS IP_RECVORIGDSTADDR
        IP_PASSSEC IP_MTU_DISCOVER IP_MULTICAST_IF IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_UNICAST_IF;
};

/// Options of IPv6 sockets.
const OF_V6: &[SocketOption] = options! {
    IPPROTO_IPV6: IPV6_TRANSPARENT IPV6_RECVERR IPV6_RECVPKTINFO IPV6_RECVHOPLIMIT IPV6_RECVTCLASS IPV6_RECVRTHDR
        IPV6_RECVHOPOPTS IPV6_RECVDSTOPTS IPV6_RECVPATHMTU IPV6_RECVORIGDSTADDR IPV6_FLOWINFO IPV6_DONTFRAG
        IPV6_MTU_DISCOVER IPV6_MULTICAST_IF IPV6_MULTICAST_HOPS IPV6_MULTICAST_LOOP IPV6_UNICAST_IF;
};

/// Headers that a socket adds to each datagram, such as source routes.
const HEADERS_OF_V4: &[SocketOption] = options! { IPPROTO_IP: IP_OPTIONS; };
const HEADERS_OF_V6: &[SocketOption] =
    options! { IPPROTO_IPV6: IPV6_HOPOPTS IPV6_RTHDRDSTOPTS IPV6_RTHDR IPV6_DSTOPTS; };

/// Why a socket cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// An option cannot be reset.
    #[error("it has {0} set, which cannot be undone: open it without")]
    Stays(&'static str),
    /// Its state cannot be read or changed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Resets `socket` to the state of one that this host opened and bound. Datagrams in its queue
/// stay.
///
/// # Errors
///
/// If that is not possible.
pub fn reset(socket: &UdpSocket) -> Result<(), StateError> {
    let local = socket.local_addr()?;
    let is_v4 = local.is_ipv4();
    let (family, options, headers) = if is_v4 {
        (AddressFamily::INET, OF_V4, HEADERS_OF_V4)
    } else {
        (AddressFamily::INET6, OF_V6, HEADERS_OF_V6)
    };
    let new = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(io::Error::from)?;
    for option in OF_ALL.iter().chain(options) {
        option.reset(socket, &new)?;
    }
    for header in headers {
        header.clear(socket)?;
    }
    leave_groups(socket);
    // It then accepts datagrams from every source, and pending errors of the former peer are
    // discarded.
    if socket.peer_addr().is_ok() {
        connect_unspec(socket).map_err(io::Error::from)?;
        // Disconnecting releases a port that the system chose.
        if socket.local_addr()? != local {
            bind(socket, &local).map_err(io::Error::from)?;
        }
    }
    let _ = socket.take_error();
    // Non-blocking, and without O_ASYNC, which would raise signals.
    fcntl_setfl(socket, OFlags::NONBLOCK).map_err(io::Error::from)?;
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "options are up to a few KiB long")]
impl SocketOption {
    /// Sets the option to its value in `new`. What this kernel does not know cannot be set either.
    fn reset(self, socket: &UdpSocket, new: &OwnedFd) -> Result<(), StateError> {
        let (Ok(value), Ok(wanted)) = (self.get(socket), self.get(new)) else { return Ok(()) };
        if value == wanted {
            return Ok(());
        }
        // The value is checked below.
        let _ = self.set(socket, &wanted.to_ne_bytes());
        if self.get(socket)? == wanted { Ok(()) } else { Err(StateError::Stays(self.text)) }
    }

    /// Clears the option.
    fn clear(self, socket: &UdpSocket) -> Result<(), StateError> {
        if self.length(socket).unwrap_or_default() == 0 {
            return Ok(());
        }
        let _ = self.set(socket, &[]);
        if self.length(socket)? == 0 { Ok(()) } else { Err(StateError::Stays(self.text)) }
    }

    fn get(self, socket: &impl std::os::fd::AsRawFd) -> io::Result<libc::c_int> {
        let mut value: libc::c_int = 0;
        let mut length = size_of_val(&value) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, which is the size of `value`.
        #[expect(unsafe_code, reason = "there is no wrapper for all of them")]
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                self.level,
                self.name,
                (&raw mut value).cast(),
                &raw mut length,
            )
        };
        if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
    }

    /// The length of the value in bytes.
    fn length(self, socket: &UdpSocket) -> io::Result<libc::socklen_t> {
        let mut bytes = [0_u8; 2_048];
        let mut length = bytes.len() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, which is the size of `bytes`.
        #[expect(unsafe_code, reason = "there is no wrapper for all of them")]
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                self.level,
                self.name,
                bytes.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result == 0 { Ok(length) } else { Err(io::Error::last_os_error()) }
    }

    fn set(self, socket: &UdpSocket, value: &[u8]) -> io::Result<()> {
        // SAFETY: the kernel reads as many bytes as `value` has.
        #[expect(unsafe_code, reason = "there is no wrapper for all of them")]
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                self.level,
                self.name,
                value.as_ptr().cast(),
                value.len() as libc::socklen_t,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Leaves all multicast groups. A socket does not tell which it has joined; `/proc` lists those of
/// this machine.
fn leave_groups(socket: &UdpSocket) {
    for (group, interface) in
        groups_of_v4(&fs::read_to_string("/proc/net/igmp").unwrap_or_default())
    {
        // It fails if the socket had not joined the group, which is fine.
        let _ = sockopt::set_ip_drop_membership_with_ifindex(
            socket,
            &group,
            &Ipv4Addr::UNSPECIFIED,
            interface,
        );
    }
    for (group, interface) in
        groups_of_v6(&fs::read_to_string("/proc/net/igmp6").unwrap_or_default())
    {
        let _ = sockopt::set_ipv6_drop_membership(socket, &group, interface);
    }
}

/// Parses /proc/net/igmp: a line per interface that starts with its index, and a line for each of
/// its groups, in the kernel's byte order.
fn groups_of_v4(text: &str) -> Vec<(Ipv4Addr, u32)> {
    let mut interface = 0;
    let mut groups = Vec::new();
    for line in text.lines().skip(1) {
        let first = line.split_whitespace().next().unwrap_or_default();
        if !line.starts_with(char::is_whitespace) {
            interface = first.parse().unwrap_or_default();
        } else if let Ok(group) = u32::from_str_radix(first, 16) {
            groups.push((Ipv4Addr::from(group.to_ne_bytes()), interface));
        }
    }
    groups
}

/// Parses /proc/net/igmp6: lines of the interface's index, its name, and the group.
fn groups_of_v6(text: &str) -> Vec<(Ipv6Addr, u32)> {
    let group = |line: &str| {
        let mut words = line.split_whitespace();
        let interface = words.next()?.parse().ok()?;
        let group = u128::from_str_radix(words.nth(1)?, 16).ok()?;
        Some((Ipv6Addr::from(group), interface))
    };
    text.lines().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_disconnects_socket_keeps_address_and_clears_error() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let closed = UdpSocket::bind(address).unwrap().local_addr().unwrap();
            let socket = UdpSocket::bind(address).unwrap();
            let local = socket.local_addr().unwrap();
            socket.connect(closed).unwrap();
            socket.send(b"nobody listens").unwrap();
            reset(&socket).unwrap();
            assert!(socket.peer_addr().is_err());
            assert_eq!(socket.local_addr().unwrap(), local);
            assert!(socket.take_error().unwrap().is_none());
        }
    }

    #[test]
    fn what_cannot_be_undone_is_an_error() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let other = OwnedFd::from(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let kind = SocketOption { level: libc::SOL_SOCKET, name: libc::SO_TYPE, text: "SO_TYPE" };
        let error = kind.reset(&socket, &other).unwrap_err().to_string();
        assert_eq!(error, "it has SO_TYPE set, which cannot be undone: open it without");
    }

    #[test]
    fn groups_are_read_with_their_interfaces() {
        let v4 = "\
Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
12\teth0      :     2      V3
\t\t\t\tFB0000E0     1 0:00000000\t\t0
\t\t\t\t010000E0     1 0:00000000\t\t0
";
        let expected: [(Ipv4Addr, u32); 3] = [
            ([224, 0, 0, 1].into(), 1),
            ([224, 0, 0, 251].into(), 12),
            ([224, 0, 0, 1].into(), 12),
        ];
        if cfg!(target_endian = "little") {
            assert_eq!(groups_of_v4(v4), expected);
        }
        let v6 = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n";
        assert_eq!(groups_of_v6(v6), [("ff02::1".parse().unwrap(), 1)]);
        assert!(groups_of_v4("").is_empty() && groups_of_v6("?\n").is_empty());
    }
}
