//! What a Linux socket reports beside datagrams: the local address that each was sent to (ip(7),
//! RFC 3542), when each arrived (`SO_TIMESTAMPNS`, socket(7)), the datagram that a returned error is about (`IP_RECVERR`, ip(7)), and the number of
//! datagrams dropped by a full receive buffer.

use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};

use crate::reports::Problem;

/// Requests the local address of each received datagram. Returns whether that succeeded.
pub(super) fn local_addresses(socket: &UdpSocket, is_v4: bool) -> bool {
    let set = if is_v4 {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)
    } else {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)
    };
    set.is_ok()
}

/// Requests the time of arrival of each received datagram. Returns whether that succeeded.
pub(super) fn times(socket: &UdpSocket) -> bool {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok()
}

/// Enables or disables the error queue, which attributes errors to datagrams. Returns whether that
/// succeeded.
pub(super) fn errors(socket: &UdpSocket, is_v4: bool, wanted: bool) -> bool {
    let set = if is_v4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &wanted)
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &wanted)
    };
    set.is_ok()
}

/// Reads the error queue: the destination of each datagram, and why it was not delivered.
pub(super) fn take_errors(socket: &UdpSocket, mut report: impl FnMut(SocketAddr, Problem)) {
    // The contents of the datagram are not needed.
    let mut start = [0_u8; 1];
    loop {
        let mut slices = [IoSliceMut::new(&mut start)];
        let mut control =
            nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, libc::in6_pktinfo);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let Ok(message) =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)
        else {
            return;
        };
        let Ok(controls) = message.cmsgs() else { continue };
        let error = controls.into_iter().find_map(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, _)
            | ControlMessageOwned::Ipv6RecvErr(error, _) => Some(error),
            _ => None,
        });
        let peer = message.address.as_ref().and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
        });
        if let (Some(error), Some(peer)) = (error, peer)
            && let Some(problem) = problem(&error)
        {
            report(peer, problem);
        }
    }
}

/// The meaning of the ICMP message (RFC 792, RFC 4443); `None` for a local error, which the failed
/// call has returned already.
fn problem(error: &libc::sock_extended_err) -> Option<Problem> {
    Some(match (error.ee_origin, error.ee_type, error.ee_code) {
        (libc::SO_EE_ORIGIN_ICMP, 11, _) | (libc::SO_EE_ORIGIN_ICMP6, 3, _) => {
            Problem::TimeExceeded
        }
        (libc::SO_EE_ORIGIN_ICMP, 3, 9 | 10 | 13) | (libc::SO_EE_ORIGIN_ICMP6, 1, 1 | 5 | 6) => {
            Problem::Prohibited
        }
        (libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6, ..) => {
            match Errno::from_raw(error.ee_errno.cast_signed()) {
                Errno::ECONNREFUSED => Problem::Refused,
                Errno::EMSGSIZE => Problem::TooLarge,
                _ => Problem::Unreachable,
            }
        }
        _ => return None,
    })
}

/// The number of datagrams dropped because the receive buffer of `socket` was full. Reading it at
/// any time costs nothing per datagram.
pub(super) fn dropped(socket: &UdpSocket) -> Option<u64> {
    let mut info = [0_u32; libc::SK_MEMINFO_DROPS as usize + 1];
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `info`.
    #[expect(unsafe_code, reason = "there is no wrapper for this option")]
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    // Before Linux 4.14 this value was not included.
    (result == 0 && length as usize == size_of_val(&info))
        .then(|| info[libc::SK_MEMINFO_DROPS as usize].into())
}
